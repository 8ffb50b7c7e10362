//! A host that sends anything: refused with a code, the board's state intact.

mod cable;
mod hostile_frames;

use cable::{Cable, Damage, World};
use hostile_frames::{check_refusals, line_of};
use lpu_isa::Geometry;
use lpu_isa::link::{RATE_DEFAULT, VERSION};
use lpu_runtime::serial::{Line, Options, SerialDevice};
use lpu_sim::device::conformance::programs;
use lpu_sim::device::{Device, RunRequest, run_to_end};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::time::Duration;

/// A board with a program, at the default rate, and what its run gives.
fn board() -> Cable {
    let world = World::new(Geometry::NANO, 1, Damage::default());
    let options = Options { bits_per_second: Some(RATE_DEFAULT), ..Options::default() };
    let mut device = SerialDevice::connect(Cable(world.clone()), &options).expect("a board");
    device.load(&programs::counting(&Geometry::NANO)).expect("the image is for this chip");
    drop(device);
    // The device's last words, and the answer to them, pass.
    world.borrow_mut().idle(Duration::from_millis(50));
    Cable(world)
}

/// The program is still there and runs.
fn is_intact(cable: Cable) {
    let options = Options { nonce: 77, ..Options::default() };
    let mut device = SerialDevice::connect(cable, &options).expect("a board");
    let image = programs::counting(&Geometry::NANO);
    assert_eq!(device.load_program(&image), Ok(false), "the program is on the board");
    assert_eq!(
        run_to_end(&mut device, &RunRequest::greedy(&[1, 2], 5)).map(|outcome| outcome.steps.len()),
        Ok(5)
    );
}

#[test]
fn what_cannot_be_is_refused_with_its_code() {
    let mut cable = board();
    check_refusals(&mut cable);
    is_intact(cable);
}

/// Sound frames of random kinds and fields, and bytes that are no frames: the board goes on.
#[test]
fn random_frames_and_noise_leave_a_board_that_works() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut cable = board();
    for _ in 0..3_000 {
        let length = random.next_u32() as usize % 40;
        let mut frame: Vec<u8> = (0..length + 4).map(|_| random.next_u32() as u8).collect();
        frame[0] = VERSION;
        // All kinds but those that a host uses to change the rate, to reset the board, and to test or replace its program.
        frame[1] = [1, 4, 5, 6, 7, 8, 9, 10, 14, 0x81, 0xff][random.next_u32() as usize % 11];
        if random.next_u32().is_multiple_of(4) {
            let noise: Vec<u8> = (0..60).map(|_| random.next_u32() as u8).collect();
            cable.send(&noise).expect("the cable takes it");
        }
        cable.send(&line_of(&frame)).expect("the cable takes it");
    }
    cable.0.borrow_mut().idle(Duration::from_secs(12));
    is_intact(cable);
}

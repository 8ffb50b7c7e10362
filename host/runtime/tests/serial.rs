//! Boards behind good and bad cables: the firmware is the real one, time passes only in the test.

mod cable;

use cable::{Cable, Damage, World};
use lpu_isa::Geometry;
use lpu_isa::host::{Register, Space};
use lpu_isa::image::Image;
use lpu_isa::link::LINE_BITS_PER_BYTE;
use lpu_runtime::serial::{Line, Options, Recorder, Replay, SerialDevice, stored_program};
use lpu_sim::board::{Flash, NativeBoard};
use lpu_sim::device::conformance::{conformance, programs};
use lpu_sim::device::{Device, DeviceError, Outcome, RunRequest, run_to_end};
use lpu_sim::{Emulator, PortDevice};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

/// Seeded runs on bad cables; `LPU_CABLES` asks for more.
const CABLES: u64 = 1_000;
/// No call takes longer, with the patience that users have by default, and a turn of the simulation.
const HANG: Duration = Duration::from_millis(2_010);

static MODEL: LazyLock<Image> = LazyLock::new(|| {
    let mut image = programs::attention(&Geometry::NANO);
    image.model.vocab = image.model.vocab.max(300);
    image.model.context = image.model.context.max(32);
    // As many words as a load takes some time for.
    image.weights.resize(image.weights.len().max(8_000), 3);
    image
});

fn request() -> RunRequest {
    RunRequest { pause: false, ..RunRequest::greedy(&[1, 40, 200], 24) }
}

static EXPECTED: LazyLock<Outcome> = LazyLock::new(|| on_emulator(&MODEL, &request()));

fn on_emulator(image: &Image, request: &RunRequest) -> Outcome {
    let mut emulator = PortDevice::new(Emulator::new(image.geometry));
    emulator.load(image).expect("the image is for this chip");
    run_to_end(&mut emulator, request).expect("the run goes on")
}

fn connect(world: &Rc<RefCell<World>>, nonce: u32) -> Result<SerialDevice<Cable>, DeviceError> {
    SerialDevice::connect(Cable(world.clone()), &Options { nonce, ..Options::default() })
}

#[test]
fn a_board_passes_the_suite_of_all_devices() {
    let world = World::new(Geometry::NANO, 1, Damage::default());
    let mut device = connect(&world, 1).expect("a board");
    let passed = conformance(&mut device, &Geometry::NANO).map_err(|failure| failure.to_string());
    assert!(passed.is_ok(), "{passed:?}");
}

#[test]
fn tokens_logits_and_cycles_are_those_of_the_emulator() {
    let world = World::new(Geometry::NANO, 1, Damage::default());
    let mut device = connect(&world, 1).expect("a board");
    device.load(&MODEL).expect("the image is for this chip");
    for pause in [false, true] {
        let request = RunRequest { pause, ..request() };
        assert_eq!(run_to_end(&mut device, &request), Ok(on_emulator(&MODEL, &request)));
    }
    assert_eq!(device.register(Register::Faults), Ok(0));
}

#[test]
fn a_program_that_is_there_is_not_loaded_again() {
    let world = World::new(Geometry::NANO, 1, Damage::default());
    let mut device = connect(&world, 1).expect("a board");
    assert_eq!(device.load_program(&MODEL), Ok(true));
    drop(device);
    let mut device = connect(&world, 2).expect("a board");
    let carried = world.borrow().carried;
    assert_eq!(device.load_program(&MODEL), Ok(false));
    assert!(world.borrow().carried - carried < 200, "a few small frames");
    assert_eq!(run_to_end(&mut device, &request()).as_ref(), Ok(&*EXPECTED));
}

#[test]
fn loading_takes_the_line_s_rate() {
    let world = World::new(Geometry::NANO, 1, Damage::default());
    let mut device = connect(&world, 1).expect("a board");
    let rate = device.board().expect("the board answers").rate_max;
    let begin = world.borrow().now;
    device.load_program(&MODEL).expect("the image is for this chip");
    let took = world.borrow().now - begin;
    let bytes: usize = lpu_sim::device::program_words(&MODEL).iter().map(|(_, words)| words.len() * 9).sum();
    let line = Duration::from_secs_f64(bytes as f64 * f64::from(LINE_BITS_PER_BYTE) / f64::from(rate));
    assert!(line.as_secs_f64() / took.as_secs_f64() > 0.9, "{bytes} bytes: {line:?} of {took:?}");
}

#[test]
fn self_test_and_reset_leave_a_board_that_works() {
    let world = World::new(Geometry::NANO, 1, Damage::default());
    let mut device = connect(&world, 1).expect("a board");
    for space in [Space::Weights, Space::Kv, Space::Vmem] {
        assert_eq!(device.march(space, 100, 200), Ok((0, 0)), "{space:?}");
    }
    assert!(device.march(Space::Vmem, 1 << 20, 8).is_err());
    device.load(&programs::counting(&Geometry::NANO)).expect("the image is for this chip");
    device.reset().expect("the board answers");
    assert_eq!(device.start(&RunRequest::greedy(&[1], 2)), Err(DeviceError::NothingLoaded));
    device.load(&MODEL).expect("the image is for this chip");
    assert_eq!(run_to_end(&mut device, &request()).as_ref(), Ok(&*EXPECTED));
}

/// A board whose flash memory holds a program runs it for a host that loads nothing; damaged, it is as if there were none.
#[test]
fn a_program_in_flash_memory_needs_no_load() {
    let stored = stored_program(&MODEL).expect("an image's frames are short");
    for damaged in [false, true] {
        let mut bytes = stored.clone();
        bytes[1000] ^= u8::from(damaged) << 4;
        let world = World::new(Geometry::NANO, 1, Damage::default());
        world.borrow_mut().board = NativeBoard::with_flash(Geometry::NANO, Flash::new(&bytes));
        let mut device = connect(&world, 1).expect("a board");
        assert_eq!(device.load_program(&MODEL), Ok(damaged), "it has to be loaded if it is damaged");
        assert_eq!(run_to_end(&mut device, &request()).as_ref(), Ok(&*EXPECTED));
        device.reset().expect("the board answers");
        assert_eq!(device.load_program(&MODEL), Ok(damaged));
    }
}

/// A core that is reset in the middle of any command to the chip finds its place again.
#[test]
fn a_cut_off_command_does_not_confuse_the_next() {
    for cut in 0..40 {
        let world = World::new(Geometry::NANO, 1, Damage::default());
        let words = [&[0x57, 3, 0, 0, 0, 5, 0][..], &[0xaa; 45]].concat();
        {
            let mut world = world.borrow_mut();
            world.board.cut_off(&words[..cut]);
            world.board.reset_core();
        }
        let mut device = connect(&world, 1).unwrap_or_else(|error| panic!("after {cut} bytes: {error}"));
        assert!(device.identify().is_ok());
    }
}

/// What one bad cable may do, by seed.
fn damage(random: &mut ChaCha8Rng) -> Damage {
    let mut rate = |most: u32| if random.next_u32().is_multiple_of(3) { random.next_u32() % most } else { 0 };
    let (dropped, flipped, doubled) = (rate(1500), rate(1500), rate(1500));
    let (delayed, truncated) = (rate(300), rate(100));
    let mut after = || random.next_u32().is_multiple_of(4).then(|| u64::from(random.next_u32() % 40_000));
    Damage { dropped, flipped, doubled, delayed, truncated, pulled_after: after(), reset_after: after() }
}

/// Holds a call to its time.
fn timed<T>(world: &Rc<RefCell<World>>, what: &str, call: impl FnOnce() -> T) -> T {
    let begin = world.borrow().now;
    let result = call();
    let took = world.borrow().now - begin;
    assert!(took < HANG, "{what} took {took:?}");
    result
}

/// Loads and runs; every token handed out is a prefix of the right ones. Gives whether it came to the end.
fn attempt(world: &Rc<RefCell<World>>, nonce: u32) -> Result<(), DeviceError> {
    let mut device = timed(world, "connecting", || connect(world, nonce))?;
    device.load_program(&MODEL)?;
    timed(world, "a cancel", || device.cancel())?;
    timed(world, "a start", || device.start(&request()))?;
    let mut count = 0;
    while let Some(step) = timed(world, "a step", || device.next_step())? {
        assert_eq!(step, EXPECTED.steps[count], "step {count}");
        count += 1;
    }
    assert_eq!(count, EXPECTED.steps.len(), "the end came early");
    Ok(())
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|number| number.parse().ok())
}

/// `LPU_SEED` repeats one of them.
#[test]
fn no_bad_cable_makes_a_wrong_token_and_the_next_run_is_clean() {
    let seeds = match number("LPU_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LPU_CABLES").unwrap_or(CABLES),
    };
    let count = seeds.end - seeds.start;
    let mut complete = 0;
    for seed in seeds {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let damage = damage(&mut random);
        let world = World::new(Geometry::NANO, seed, damage);
        println!("seed {seed}: {damage:?}");
        complete += u64::from(attempt(&world, seed as u32 * 64).is_ok());
        // The cable is mended: whatever state the board was left in, a new host gets its run.
        world.borrow_mut().mend();
        world.borrow_mut().idle(Duration::from_millis(random.next_u32() as u64 % 1500));
        let next = attempt(&world, seed as u32 * 64 + 32);
        assert_eq!(next, Ok(()), "seed {seed}: the next run is clean");
    }
    assert!(complete >= count / 4, "{complete} of {count} runs came to their end through the damage");
}

/// The host is killed at any time of a load; the next one goes on where the board stands.
#[test]
fn a_killed_host_leaves_a_load_that_the_next_one_finishes() {
    struct Killed(Cable, u64);
    impl Line for Killed {
        fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
            let sent = (self.1 as usize).min(bytes.len());
            self.1 -= sent as u64;
            self.0.send(&bytes[..sent])?;
            if sent == bytes.len() { Ok(()) } else { Err(DeviceError::Line("killed".into())) }
        }
        fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> Result<usize, DeviceError> {
            self.0.receive(bytes, wait)
        }
        fn set_rate(&mut self, rate: u32) -> Result<(), DeviceError> {
            self.0.set_rate(rate)
        }
        fn now(&mut self) -> Duration {
            self.0.now()
        }
    }
    for bytes in (500..20_000).step_by(1_700) {
        let world = World::new(Geometry::NANO, bytes, Damage::default());
        let killed = SerialDevice::connect(Killed(Cable(world.clone()), bytes), &Options::default());
        let lost = killed.and_then(|mut device| device.load_program(&MODEL));
        if lost.is_ok() {
            continue;
        }
        let before = world.borrow().carried;
        let mut device = connect(&world, 99).expect("a board");
        let words: Rc<RefCell<Vec<u32>>> = Rc::default();
        let heard = words.clone();
        device.on_progress(move |words, _| heard.borrow_mut().push(words));
        assert_eq!(device.load_program(&MODEL), Ok(true));
        let begun = words.borrow().first().copied().unwrap_or(0);
        assert!(before < 3_000 || begun > 0, "killed after {bytes} bytes, the load began anew");
        assert_eq!(run_to_end(&mut device, &request()).as_ref(), Ok(&*EXPECTED));
    }
}

#[test]
fn a_recording_replays() {
    let world = World::new(Geometry::NANO, 5, Damage { flipped: 300, ..Damage::default() });
    let mut text = Vec::new();
    let run = |device: &mut dyn Device| {
        device.load(&programs::counting(&Geometry::NANO))?;
        run_to_end(device, &RunRequest::greedy(&[1, 2], 6))
    };
    let recorder = Recorder::new(Cable(world), &mut text).expect("memory takes it");
    let mut device = SerialDevice::connect(recorder, &Options::default()).expect("a board");
    let outcome = run(&mut device).expect("the run goes on");
    drop(device);
    let replay = Replay::new(std::str::from_utf8(&text).expect("text")).expect("a recording");
    let mut device = SerialDevice::connect(replay, &Options::default()).expect("a board");
    assert_eq!(run(&mut device), Ok(outcome));
    assert!(Replay::new("something else").is_err());
}

/// Something on a port that is no board of ours: it says the same again and again, or nothing.
struct Stranger {
    now: Duration,
    says: &'static [u8],
}

impl Line for Stranger {
    fn send(&mut self, _: &[u8]) -> Result<(), DeviceError> {
        Ok(())
    }
    fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> Result<usize, DeviceError> {
        self.now += wait;
        bytes[..self.says.len()].copy_from_slice(self.says);
        Ok(self.says.len())
    }
    fn set_rate(&mut self, _: u32) -> Result<(), DeviceError> {
        Ok(())
    }
    fn now(&mut self) -> Duration {
        self.now
    }
}

#[test]
fn a_port_without_a_board_is_told_with_what_came_and_the_time_waited() {
    let told = |says, seconds| {
        let options = Options { patience: Duration::from_secs(seconds), ..Options::default() };
        let line = Stranger { now: Duration::from_secs(100), says };
        let refused = SerialDevice::connect(line, &options).err().expect("there is no board");
        refused.to_string()
    };
    assert_eq!(
        told(b"", 12),
        "the line to the device failed: expected an answer of the board within 12.0 s, found none: check the cable and that the \
         bitstream is loaded, then press the board's reset"
    );
    let words = told(b"login: \xff\x00", 2);
    assert!(
        words.contains("within 2.0 s, found ")
            && words.contains(" bytes that are no answer (\"login: \\xff\\x00login: "),
        "{words}"
    );
    assert!(words.contains("check that the port is the board's, that no other program uses it"), "{words}");
}

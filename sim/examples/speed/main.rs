//! How fast the emulator runs: a small model whose weights lie on the chip, and a large one whose weights stream through it.
//!
//! `cargo run --release -p lpu-sim --example speed [chip|stream]`

mod chip;
mod stream;

use lpu_isa::image::Image;
use lpu_sim::{Device, Emulator, PortDevice};
use std::time::Instant;
use stream::Parts;

/// Seconds of the processor that this program has had, where the system tells: other programs do not change it much.
fn busy(begin: Instant) -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse::<u64>().ok());
    nanoseconds.map_or(begin.elapsed().as_secs_f64(), |count| count as f64 * 1e-9)
}

/// Seconds that each figure is measured for, at least.
const SECONDS: f64 = 2.0;

fn measure(name: &str, image: Image, first: usize, positions: usize) {
    let mut emulator = Emulator::from(image);
    emulator.execute(0, first);
    let clock = Instant::now();
    let begin = busy(clock);
    let (mut cycles, mut tokens) = (0, 0);
    while tokens == 0 || busy(clock) - begin < SECONDS {
        cycles += emulator.execute(tokens as u16, first + tokens % positions).cycles;
        tokens += 1;
    }
    let seconds = busy(clock) - begin;
    let (rate, token) = (tokens as f64 / seconds, seconds / tokens as f64 * 1e3);
    assert_eq!(emulator.faults().0, 0, "{name} raises faults");
    let speed = cycles as f64 / seconds / 1e6;
    println!("{name:<34} {rate:>9.1} tokens/s {token:>9.3} ms/token {speed:>8.1} million cycles/s");
}

/// Loads an image as a board is loaded.
fn load(image: &Image) {
    let mut device = PortDevice::new(Emulator::new(image.geometry));
    let clock = Instant::now();
    let begin = busy(clock);
    device.load(image).expect("the image is for this chip");
    let (seconds, size) = (busy(clock) - begin, image.dram.len() as f64 / 1e6);
    println!(
        "{:<34} {:>9.0} ms for {size:.0} MB of external memory",
        "loading by the host port",
        seconds * 1e3
    );
}

fn main() {
    let which = std::env::args().nth(1);
    let wanted = |name: &str| which.as_deref().is_none_or(|which| which == name);
    if wanted("chip") {
        measure("stories260K's shape", chip::image(), 0, 1024);
    }
    if wanted("stream") {
        let all = Parts::ALL;
        let dram = stream::dram();
        let run = |name: &str, parts| {
            let mut image = stream::image(parts);
            image.dram = dram.clone();
            measure(name, image, 128, 8);
        };
        let mut whole = stream::image(all);
        whole.dram = dram.clone();
        load(&whole);
        run("SmolLM2-135M's shape", all);
        run("  without its beats", Parts { beats: false, ..all });
        run("  without its transfers", Parts { transfers: false, ..all });
        run("  without its vector rows", Parts { rows: false, ..all });
    }
}

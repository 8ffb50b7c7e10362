//! Models whose weights lie in external memory: exact predictions, and the text of the fp32 reference.

use lpu_compiler::{Options, compile};
use lpu_isa::Geometry;
use lpu_model::Reference;
use lpu_model::synthetic::{synthetic, tiny_llama};
use lpu_sim::Emulator;
use lpu_sim::prediction::predict;

#[test]
fn a_small_llama_runs_from_external_memory() {
    let config = lpu_model::Config { context: 64, ..tiny_llama() };
    let model = synthetic(&config, 3).expect("a possible shape");
    let compiled = compile(&model, None, &Geometry::NANO_SDRAM, &Options::default()).expect("it fits");
    let image: &lpu_isa::image::Image = &compiled.image;
    let mut emulator = Emulator::with_image(image);
    let mut reference = Reference::new(&model);
    let mut worst = 0.0f64;
    for position in 0..40 {
        let token = (position * 7 + 3) % config.vocab;
        let executed = emulator.execute(token as u16, position);
        assert_eq!(executed.cycles, predict(image, position), "position {position}");
        assert_eq!(emulator.faults().0, 0, "position {position}");
        let expected = reference.step(token as u32, position).expect("positions in order");
        let best = expected.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        worst = worst.max(f64::from(best - expected[usize::from(executed.token)]));
    }
    assert!(worst < 0.05, "a chosen token is {worst} below the best");
}

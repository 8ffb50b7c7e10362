//! Models whose weights lie in external memory: legal programs, exact predictions, the logits of the fp32 reference.

use lpu_compiler::{Compiled, Options, compile};
use lpu_isa::Geometry;
use lpu_isa::host::HOST_WORD_BYTES;
use lpu_model::synthetic::{synthetic, tiny_llama};
use lpu_model::{Config, Model, Reference};
use lpu_sim::Emulator;
use lpu_sim::device::{HostPort, Loaded};
use lpu_sim::prediction::predict;

/// Logits of the last position, as the host reads them.
fn logits(chip: &mut Emulator, compiled: &Compiled) -> Vec<f64> {
    let loaded = Loaded::new(&compiled.image);
    let (space, parts) = loaded.logits_parts();
    let read = |(address, count): (usize, usize)| {
        let words = chip.read(space, address as u32, count).expect("the emulator answers");
        words.as_flattened().to_vec()
    };
    let parts: Vec<Vec<u8>> = parts.into_iter().map(read).collect();
    assert!(parts.iter().all(|part| part.len().is_multiple_of(HOST_WORD_BYTES)));
    let unit = f64::from(compiled.formats.logits).exp2();
    loaded.logits(&parts).into_iter().map(|word| f64::from(word) / unit).collect()
}

/// Compiles, runs `positions` positions, and compares cycles with the prediction and logits with fp32's: their signal-to-noise ratio, in
/// decibels.
fn ratio(model: &Model, geometry: &Geometry, positions: usize) -> f64 {
    let compiled = compile(model, None, geometry, &Options::default()).expect("the model fits");
    let mut chip = Emulator::with_image(&compiled.image);
    let mut reference = Reference::new(model);
    let (mut signal, mut noise) = (0.0, 0.0);
    for position in 0..positions.min(compiled.plan.context) {
        let token = (position * 7 + 3) as u32 % model.config.vocab as u32;
        let executed = chip.execute(token as u16, position);
        assert_eq!(executed.cycles, predict(&compiled.image, position), "position {position}");
        let found = logits(&mut chip, &compiled);
        let expected = reference.step(token, position).expect("positions in order");
        assert_eq!(found.len(), expected.len());
        let mean = expected.iter().sum::<f32>() / expected.len() as f32;
        for (found, expected) in found.iter().zip(expected) {
            signal += f64::from(expected - mean).powi(2);
            noise += (found - f64::from(*expected)).powi(2);
        }
    }
    assert_eq!(chip.faults().0, 0);
    10.0 * (signal / noise).log10()
}

#[test]
fn small_llamas_run_from_external_memory() {
    let shapes = [
        Config { context: 64, ..tiny_llama() },
        Config { layers: 1, context: 64, ..tiny_llama() },
        Config { dim: 32, heads: 4, kv_heads: 2, head_dim: 8, vocab: 256, context: 40, ..tiny_llama() },
        Config { heads: 2, kv_heads: 1, head_dim: 16, hidden_dim: 96, context: 32, ..tiny_llama() },
        Config { heads: 2, kv_heads: 1, head_dim: 32, hidden_dim: 80, context: 32, ..tiny_llama() },
    ];
    for config in shapes {
        let rope = config.rope.clone().map(|rope| lpu_model::Rope { dims: config.head_dim, ..rope });
        let model = synthetic(&Config { rope, ..config }, 3).expect("a possible shape");
        let holds_head = |chip: &Geometry| model.config.head_dim <= chip.mxm_lanes;
        for geometry in Geometry::EXTERNAL.into_iter().filter(holds_head) {
            let found = ratio(&model, &geometry, 40);
            assert!(
                found > 30.0,
                "{}, {:?}: logits are {found:.1} dB above their error",
                geometry.name,
                model.config
            );
        }
    }
}

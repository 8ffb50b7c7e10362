//! What the compiler makes is legal, and the same faults planted in it are named too.

#[path = "../../verifier/tests/verify_plants/mod.rs"]
mod verify_plants;

use lpu_compiler::{Options, compile};
use lpu_isa::Geometry;
use lpu_isa::image::Image;
use lpu_model::synthetic::{synthetic, tiny_llama};
use lpu_model::{Config, Rope};
use lpu_verifier::verify;
use std::time::Instant;
use verify_plants::unnamed;

fn compiled(config: &Config, geometry: &Geometry, context: usize) -> Image {
    let model = synthetic(config, 7).expect("the model is sound");
    let options = Options { context: Some(context), ..Options::default() };
    compile(&model, None, geometry, &options).expect("the model fits").image.into_image()
}

/// The size of stories260K.
fn stories() -> Config {
    let heads =
        Config { dim: 64, hidden_dim: 172, layers: 5, heads: 8, kv_heads: 4, head_dim: 8, ..tiny_llama() };
    Config { vocab: 512, context: 512, rope: heads.rope.map(|rope| Rope { dims: 8, ..rope }), ..heads }
}

#[test]
fn each_fault_planted_in_a_compiled_model_is_named() {
    let image = compiled(&tiny_llama(), &Geometry::NANO, 12);
    assert!(verify(&image).is_ok());
    let unnamed = unnamed(&image);
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

#[test]
fn a_model_of_full_size_is_verified_at_every_position_in_a_moment() {
    let image = compiled(&stories(), &Geometry::ULX3S_85F, 256);
    let begin = Instant::now();
    let report = verify(&image).expect("the compiler's programs are legal");
    let milliseconds = begin.elapsed().as_millis();
    println!("{} issues, {} accesses, {milliseconds} ms", report.issues, report.reads + report.writes);
    assert_eq!(report.cycles.len(), 256);
    // Less than a second when optimised; tests are built to be debugged, on machines that do other things too.
    assert!(milliseconds < 20_000, "{milliseconds} ms");
}

//! How fast the compiler and the simulators are, on the bundled model.
//!
//! `cargo bench -p lpu-cli` measures compiler and emulator; with `--features rtl` the Verilated chip too.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lpu_compiler::{Options, compile};
use lpu_isa::Geometry;
use lpu_isa::image::Image;
use lpu_model::{Model, Tokenizer, load};
use lpu_sim::device::{Device, RunRequest, run_to_end};
use lpu_sim::{Emulator, PortDevice};
use std::hint::black_box;
use std::path::Path;

/// Tokens of one measured run, from position 0.
const EMULATOR_TOKENS: usize = 64;
#[cfg(feature = "rtl")]
const RTL_TOKENS: usize = 16;

fn model() -> (Model, Option<Tokenizer>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/stories-lpu/model.bin");
    load(path).expect("the bundled model loads")
}

fn image() -> Image {
    let (model, tokenizer) = model();
    let options = Options::default();
    compile(&model, tokenizer.as_ref(), &Geometry::ULX3S_85F, &options)
        .expect("the model fits")
        .image
        .into_image()
}

fn compiler(criterion: &mut Criterion) {
    let (model, tokenizer) = model();
    let compiled =
        || compile(black_box(&model), tokenizer.as_ref(), &Geometry::ULX3S_85F, &Options::default());
    criterion.benchmark_group("compile").sample_size(10).bench_function("stories-lpu", |bencher| {
        bencher.iter(|| compiled().expect("the model fits"));
    });
}

/// Tokens per second of a device.
fn device(criterion: &mut Criterion, name: &str, device: &mut dyn Device, tokens: usize) {
    device.load(&image()).expect("the image is for this chip");
    let mut group = criterion.benchmark_group("tokens");
    group.sample_size(10).throughput(Throughput::Elements(tokens as u64));
    group.bench_function(BenchmarkId::new(name, tokens), |bencher| {
        bencher.iter(|| run_to_end(device, &RunRequest::greedy(&[1], tokens)).expect("the run goes on"));
    });
}

fn devices(criterion: &mut Criterion) {
    let mut emulator = PortDevice::new(Emulator::new(Geometry::ULX3S_85F));
    device(criterion, "emulator", &mut emulator, EMULATOR_TOKENS);
    #[cfg(feature = "rtl")]
    {
        let mut rtl = lpu_sim::rtl::chip(&Geometry::ULX3S_85F).expect("RTL of this chip exists");
        device(criterion, "rtl", &mut rtl, RTL_TOKENS);
    }
}

criterion_group!(benches, compiler, devices);
criterion_main!(benches);

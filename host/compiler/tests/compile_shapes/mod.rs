//! Random shapes of models. Each either has a program that keeps every promise, or `fit` refuses it and says why; there is no third outcome.

use lpu_compiler::fit::{Fit, fit, virtual_geometry};
use lpu_compiler::{Features, Options, compile};
use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_model::synthetic::{Extras, synthetic_with};
use lpu_model::{Activation, Block, Config, Model, NormKind, Rope, RopePairing, RopeScaling};
use lpu_sim::device::{Device, RunRequest, inverse_temperature, run_to_end};
use lpu_sim::prediction::Predictor;
use lpu_sim::{Emulator, PortDevice};
use lpu_verifier::VerifiedProgram;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Multiply-accumulates that one shape's runs may take: the emulator is not fast.
const RUN_MACS: u64 = 4_000_000;
/// Parameters up to which a shape that `fit` refuses is given to the compiler, too.
const REFUSED_PARAMETERS: usize = 100_000;
const HIDDEN: std::ops::RangeInclusive<usize> = 2..=256;
const VOCAB: std::ops::RangeInclusive<usize> = 8..=40_000;
const CONTEXT: std::ops::RangeInclusive<usize> = 1..=1500;
const HEAD_DIMS: [usize; 13] = [2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 128];

/// A shape and the chip that it is tried on.
#[derive(Clone, Debug)]
pub struct Shape {
    pub config: Config,
    pub extras: Extras,
    /// A chip made to measure, if it is none.
    pub chip: Option<Geometry>,
    weights_seed: u64,
}

/// What became of a shape.
#[derive(Debug)]
pub enum Outcome {
    /// It ran so many positions.
    Ran(usize),
    Refused(String),
}

/// A number of a range; small ones are as likely as large ones by their magnitude.
fn by_magnitude(random: &mut ChaCha8Rng, range: std::ops::RangeInclusive<usize>) -> usize {
    let (low, high) = ((*range.start() as f64).ln(), (*range.end() as f64 + 1.0).ln());
    (random.random_range(low..high).exp() as usize).clamp(*range.start(), *range.end())
}

impl Shape {
    /// The shape with a number: the same on every machine.
    pub fn new(seed: u64) -> Self {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        let pick = |random: &mut ChaCha8Rng, some: &[usize]| *some.choose(random).expect("some");
        let dim = by_magnitude(random, HIDDEN);
        let chip = match random.random_range(0..20) {
            0 => None,
            1..=8 => Some(Geometry::NANO),
            _ => Some(Geometry::ULX3S_85F),
        };
        // Mostly shapes that might fit: what is refused at once tries little.
        let usual = random.random_bool(0.8);
        let widest = if usual { chip.unwrap_or(Geometry::ULX3S_85F).mxm_lanes.min(2 * dim) } else { 128 };
        let head_dims: Vec<usize> = HEAD_DIMS.into_iter().filter(|dim| *dim <= widest.max(2)).collect();
        let head_dim = pick(random, &head_dims);
        let most_heads = if usual { (2 * dim / head_dim).clamp(1, 8) } else { 8 };
        let heads = random.random_range(1..=most_heads);
        let kv_heads = pick(random, &(1..=heads).filter(|count| heads % count == 0).collect::<Vec<_>>());
        let pairing = if random.random() { RopePairing::Adjacent } else { RopePairing::Halves };
        let dims = pick(random, &[head_dim, head_dim, 2]);
        let rope = Rope { theta: 10_000.0, pairing, dims, scaling: RopeScaling::None };
        let turning = random.random_bool(0.7);
        let eps = 1e-5;
        let norm = if random.random_bool(0.3) { NormKind::Layer { eps } } else { NormKind::Rms { eps } };
        let activations = [Activation::Silu, Activation::Gelu, Activation::GeluTanh, Activation::Relu];
        let activation = *activations.choose(random).expect("some");
        let gated = random.random() && !(usual && activation == Activation::Relu);
        let config = Config {
            dim,
            hidden_dim: by_magnitude(random, 1..=4 * dim),
            layers: pick(random, &[1, 1, 2, 3, 5, 8]),
            heads,
            kv_heads,
            head_dim,
            vocab: by_magnitude(random, if usual { 8..=3_000 } else { VOCAB }),
            context: by_magnitude(random, CONTEXT),
            norm,
            activation,
            gated,
            rope: turning.then_some(rope),
            embedding_norm: random.random_bool(0.1) && !(usual && matches!(norm, NormKind::Layer { .. })),
            embedding_scale: if random.random_bool(0.1) { 4.0 } else { 1.0 },
            score_scale: None,
            windows: Vec::new(),
            block: Block::default(),
        };
        let extras = Extras {
            tied: random.random(),
            norm_gain: random.random(),
            norm_bias: random.random_bool(0.2) && !(usual && gated),
            qkv_bias: random.random_bool(0.2),
            other_bias: random.random_bool(0.2) && !(usual && gated),
            head_norm: random.random_bool(0.15) && (turning || !usual),
            final_norm: random.random_bool(0.9),
        };
        Self { config, extras, chip, weights_seed: random.random() }
    }

    fn model(&self, config: &Config) -> Model {
        synthetic_with(config, self.extras, self.weights_seed).expect("a possible shape")
    }

    /// Weights do not matter to the features, nor does the number of rows.
    fn features(&self) -> Features {
        Features::of(&self.model(&Config { vocab: 8, context: 8, ..self.config.clone() }))
    }

    /// Asks `fit`, compiles what fits, and runs it.
    ///
    /// # Errors
    /// The third outcome.
    pub fn outcome(&self) -> Result<Outcome, String> {
        let Some(chip) = self.chip else {
            let model = self.model(&self.config);
            return match virtual_geometry(&model, None) {
                Ok(geometry) => self.ran(&model, &geometry),
                Err(error) => Ok(Outcome::Refused(error.to_string())),
            };
        };
        match fit(&self.config, self.features(), &chip) {
            Fit { plan: Some(plan), .. } => {
                let model = self.model(&self.config);
                if plan.context == 0 {
                    Err("fit promises no position".into())
                } else {
                    self.ran(&model, &chip)
                }
            }
            Fit { short, impossible, .. } => {
                self.refused_by_compiler(&chip)?;
                let short = short.iter().map(|short| format!("{} {}", short.needed, short.memory));
                let reasons = short.chain(impossible.map(|error| error.to_string()));
                Ok(Outcome::Refused(reasons.collect::<Vec<_>>().join(", ")))
            }
        }
    }

    fn refused_by_compiler(&self, chip: &Geometry) -> Result<(), String> {
        if self.config.vocab * self.config.dim > REFUSED_PARAMETERS {
            return Ok(());
        }
        match compile(&self.model(&self.config), None, chip, &Options::default()) {
            Ok(_) => Err("fit refuses what the compiler compiles".into()),
            Err(_) => Ok(()),
        }
    }

    fn ran(&self, model: &Model, chip: &Geometry) -> Result<Outcome, String> {
        let compiled = compile(model, None, chip, &Options::default());
        let program = compiled.map_err(|error| format!("fit promises a program, but: {error}"))?.image;
        run(&program).map(Outcome::Ran)
    }
}

/// Runs the first positions and the last one, greedily and with random numbers. How many positions ran.
fn run(program: &VerifiedProgram) -> Result<usize, String> {
    let predictor = Predictor::new(program);
    let mut device = PortDevice::new(Emulator::new(program.geometry));
    device.load(program).map_err(|error| error.to_string())?;
    let context = program.model.context as usize;
    let first = ((RUN_MACS / program.model.macs.max(1)) as usize).clamp(1, 6).min(context);
    let mut count = 0;
    for sampling in [None, inverse_temperature(&program.model, 0.8)] {
        for (start_position, limit) in [(0, first), (context - 1, 1)] {
            let request = RunRequest { sampling, start_position, seed: 7, ..RunRequest::greedy(&[1], limit) };
            let outcome = run_to_end(&mut device, &request).map_err(|error| error.to_string())?;
            for step in &outcome.steps {
                let (expected, position) = (predictor.cycles(step.position.into()), step.position);
                if i64::from(step.cycles) != expected {
                    return Err(format!("position {position} took {} cycles, not {expected}", step.cycles));
                }
            }
            let faults = device.faults().map_err(|error| error.to_string())?;
            if outcome.steps.len() != limit || faults != Fault::default() {
                return Err(format!("{} of {limit} positions ran, faults {faults:?}", outcome.steps.len()));
            }
            count += limit;
        }
    }
    Ok(count)
}

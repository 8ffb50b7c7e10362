//! `lpu eval --layers`: how far each layer's keys and values are from the model's, and which layer loses most.

use super::output::{STRONG, paint, table};
use lpu_compiler::Compiled;
use lpu_isa::host::{DRAM_WORD_BYTES, Space};
use lpu_model::reference::{Next, Site};
use lpu_model::{Model, Reference, eval::BoxError};
use lpu_sim::Emulator;
use lpu_sim::device::HostPort;
use lpu_verifier::VerifiedProgram;
use serde::Serialize;

/// Positions that are looked at: more change little.
const POSITIONS_MAX: usize = 128;

/// Ratio of what a layer stores to its error, in decibels. Keys are counted from their middle, which is stored exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LayerError {
    pub layer: usize,
    pub keys_db: f64,
    pub values_db: f64,
}

/// Energy of a signal and of its error.
#[derive(Clone, Copy, Debug, Default)]
struct Energy {
    signal: f64,
    error: f64,
}

impl Energy {
    fn add(&mut self, expected: &[f64], found: &[f64], middle: &[f64]) {
        for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
            self.signal += (expected - middle.get(index).unwrap_or(&0.0)).powi(2);
            self.error += (found - expected).powi(2);
        }
    }

    fn decibels(self) -> f64 {
        10.0 * (self.signal / self.error.max(f64::MIN_POSITIVE)).log10()
    }
}

/// Runs tokens on the reference and on the emulator side by side.
///
/// # Errors
/// The emulator fails, or a token does not exist.
pub fn errors(model: &Model, compiled: &Compiled, tokens: &[u32]) -> Result<Vec<LayerError>, BoxError> {
    let layers = model.layers.len();
    let program: &VerifiedProgram = &compiled.image;
    let first = program.model.first_position as usize;
    let mut chip = Emulator::with_image(program);
    let mut reference = Reference::new(model);
    let mut energies = vec![[Energy::default(); 2]; layers];
    for (position, &token) in tokens.iter().take(POSITIONS_MAX).enumerate() {
        let (mut keys, mut values) = (vec![Vec::new(); layers], vec![Vec::new(); layers]);
        let observe = &mut |site: Site, layer: usize, _: usize, found: &[f32]| match site {
            Site::K => keys[layer] = found.to_vec(),
            Site::V => values[layer] = found.to_vec(),
            _ => {}
        };
        reference.run(&[Next { text: 0, token }], observe)?;
        if position < first {
            continue;
        }
        chip.execute(u16::try_from(token)?, position);
        for (layer, energy) in energies.iter_mut().enumerate() {
            let mut failed = None;
            let found = compiled.cached(layer, position, |space, address, count| {
                words(&mut chip, space, address, count).unwrap_or_else(|error| {
                    failed = Some(error);
                    Vec::new()
                })
            });
            if let Some(error) = failed {
                return Err(error);
            }
            let expected = compiled.spread(&keys[layer], &values[layer]);
            energy[0].add(&expected.keys, &found.keys, &compiled.formats.layers[layer].k_centre);
            energy[1].add(&expected.values, &found.values, &[]);
        }
    }
    let error = |(layer, [keys, values]): (usize, [Energy; 2])| LayerError {
        layer,
        keys_db: keys.decibels(),
        values_db: values.decibels(),
    };
    Ok(energies.into_iter().enumerate().map(error).collect())
}

fn words(chip: &mut Emulator, space: Space, address: usize, count: usize) -> Result<Vec<u8>, BoxError> {
    let words = chip.read(space, u32::try_from(address)?, count)?;
    Ok(match space {
        Space::Dram => words.iter().flat_map(|word| word[..DRAM_WORD_BYTES].to_vec()).collect(),
        _ => words.into_flattened(),
    })
}

/// The layer behind which values are that much further from the model's than before it.
pub fn worst(errors: &[LayerError]) -> Option<(usize, f64)> {
    let losses = errors.windows(2).map(|pair| (pair[0].layer, pair[0].values_db - pair[1].values_db));
    losses.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, loss)| *loss > 0.0)
}

pub fn text(errors: &[LayerError]) -> String {
    let heading = ["layer", "keys", "values"].map(String::from).to_vec();
    let row = |error: &LayerError| {
        let decibels = |value: f64| format!("{value:.1} dB");
        vec![error.layer.to_string(), decibels(error.keys_db), decibels(error.values_db)]
    };
    let rows: Vec<Vec<String>> = [heading].into_iter().chain(errors.iter().map(row)).collect();
    let mut text = format!("{}\n{}", paint(STRONG, "Signal to error of what layers store"), table(&rows));
    if let Some((layer, loss)) = worst(errors) {
        text.push_str(&format!("  layer {layer} loses most: {loss:.1} dB\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_compiler::{Options, compile};
    use lpu_isa::Geometry;
    use lpu_model::synthetic::{synthetic, tiny_llama};

    /// A chip stores what the model has, within its formats; with another token it does not.
    #[test]
    fn layers_store_what_the_model_has() {
        let model = synthetic(&tiny_llama(), 3).expect("a possible shape");
        for geometry in [Geometry::NANO, Geometry::NANO_SDRAM] {
            let compiled = compile(&model, None, &geometry, &Options::default()).expect("it fits");
            let tokens: Vec<u32> = (0..24).map(|at| at * 7 % 200).collect();
            let found = errors(&model, &compiled, &tokens).expect("it runs");
            let least = found.iter().map(|error| error.keys_db.min(error.values_db)).fold(f64::MAX, f64::min);
            assert!(found.len() == model.layers.len() && least > 25.0, "{}: {found:?}", geometry.name);
        }
    }

    #[test]
    fn the_layer_that_loses_most_is_named() {
        let error = |layer, values_db| LayerError { layer, keys_db: 40.0, values_db };
        assert_eq!(worst(&[error(0, 40.0), error(1, 39.0), error(2, 30.0), error(3, 29.0)]), Some((1, 9.0)));
        assert_eq!(worst(&[error(0, 30.0)]), None);
    }
}

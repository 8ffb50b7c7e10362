//! Rotary embeddings: the configuration of Hugging Face folders, and the arithmetic of YaRN and LongRoPE for every format.

use super::super::{Rope, RopePairing, RopeScaling};
use super::error::ImportError;
use super::fields::Fields;
use super::keys;

/// How YaRN stretches, in the words of its paper.
#[derive(Clone, Copy, Debug)]
pub struct Yarn {
    pub factor: f32,
    pub original_context: usize,
    /// Pairs that turn more often than this in the original context are left alone.
    pub beta_fast: f32,
    /// Pairs that turn less often than this turn slower by the whole factor.
    pub beta_slow: f32,
    /// The pairs between which the ramp runs are rounded outwards.
    pub truncate: bool,
    /// What has turned is multiplied by this.
    pub magnitude: f32,
}

impl Yarn {
    /// The magnitude that the paper advises: `0.1 * weight * ln(factor) + 1`.
    pub fn magnitude(factor: f32, weight: f32) -> f32 {
        if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
    }

    /// The divisor of each pair of `dims` rotating dimensions.
    pub fn scaling(self, theta: f32, dims: usize) -> RopeScaling {
        let (low, high) = self.ramp(theta, dims);
        let divisor = |pair: usize| {
            let slowed = ((pair as f32 - low) / (high - low)).clamp(0.0, 1.0);
            1.0 / (slowed / self.factor + (1.0 - slowed))
        };
        RopeScaling::Divisors { divisors: (0..dims / 2).map(divisor).collect(), magnitude: self.magnitude }
    }

    /// First and last pair of the ramp from left alone to slowed.
    fn ramp(&self, theta: f32, dims: usize) -> (f32, f32) {
        let pair = |turns: f32| {
            let wavelength = self.original_context as f32 / (turns * std::f32::consts::TAU);
            dims as f32 * wavelength.ln() / (2.0 * theta.ln())
        };
        let (mut low, mut high) = (pair(self.beta_fast), pair(self.beta_slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        (low, high) = (low.max(0.0), high.min(dims as f32 - 1.0));
        (low, if low == high { high + 0.001 } else { high })
    }
}

/// The magnitude of LongRoPE for a context of `stretch` times the original one.
pub fn longrope_magnitude(stretch: f32, original_context: usize) -> f32 {
    if stretch <= 1.0 { 1.0 } else { (1.0 + stretch.ln() / (original_context as f32).ln()).sqrt() }
}

/// What a configuration calls the parts of a rotary embedding outside of its object, and what they are where it has none.
#[derive(Clone, Copy)]
pub struct Keys {
    pub thetas: &'static [&'static str],
    pub theta_usual: f32,
    pub partials: &'static [&'static str],
    pub partial_usual: f32,
}

pub const USUAL: Keys = Keys {
    thetas: &["rope_theta"],
    theta_usual: 10_000.0,
    partials: &["partial_rotary_factor"],
    partial_usual: 1.0,
};

/// The rotary embedding, in the words of transformers 4 (`rope_theta`, `rope_scaling`) or 5 (`rope_parameters`), and the positions
/// that it turns as trained.
pub fn rope(
    fields: &Fields,
    keys: &Keys,
    head_dim: usize,
    context: usize,
) -> Result<(Rope, usize), ImportError> {
    let (parameters, scaling) = (fields.object("rope_parameters")?, fields.object("rope_scaling")?);
    if parameters.is_present() && scaling.is_present() && !parameters.is_same(&scaling) {
        let expected = "one of them, or the same in both";
        return Err(fields.about().unsupported("rope_parameters beside another rope_scaling", expected));
    }
    let settings = if parameters.is_present() { &parameters } else { &scaling };
    stretched(fields, settings, keys, head_dim, context)
}

/// The rotary embedding that an object describes.
pub fn stretched(
    fields: &Fields,
    settings: &Fields,
    keys: &Keys,
    head_dim: usize,
    context: usize,
) -> Result<(Rope, usize), ImportError> {
    let theta = agreed(fields, settings, "rope_theta", keys.thetas)?.unwrap_or(keys.theta_usual);
    let partial = agreed(fields, settings, "partial_rotary_factor", keys.partials)?;
    let dims = (head_dim as f32 * partial.unwrap_or(keys.partial_usual)) as usize;
    let (scaling, context) = rope_scaling(fields, settings, theta, dims.min(head_dim), context)?;
    settings.check_all_known(&keys::ROPE)?;
    Ok((Rope { theta, pairing: RopePairing::Halves, dims, scaling }, context))
}

/// A number that may stand in the object or in the configuration itself, where it has older names; all must be the same.
fn agreed(fields: &Fields, settings: &Fields, key: &str, outer: &[&str]) -> Result<Option<f32>, ImportError> {
    let mut found: Option<(&str, f32)> = settings.number(key)?.map(|number| (key, number));
    for name in outer {
        match (found, fields.number(name)?) {
            (Some((key, inner)), Some(number)) if inner != number => {
                let feature =
                    format!("{name}: {number} beside another {key}: {inner} of the rotary embedding");
                return Err(fields.about().unsupported(feature, "one of them, or the same in both"));
            }
            (None, Some(number)) => found = Some((name, number)),
            _ => {}
        }
    }
    Ok(found.map(|(_, number)| number))
}

fn rope_scaling(
    fields: &Fields,
    scaling: &Fields,
    theta: f32,
    dims: usize,
    context: usize,
) -> Result<(RopeScaling, usize), ImportError> {
    let kind = scaling.optional_text("rope_type")?.or(scaling.optional_text("type")?).unwrap_or("default");
    let need = |key: &str| {
        let missing = || scaling.about().damaged(format!("{key} is missing from the rotary scaling {kind}"));
        scaling.number(key)?.ok_or_else(missing)
    };
    let scaling = match kind {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: need("factor")? },
        // It stretches the positions beyond the context of the configuration, and there are none.
        "dynamic" => need("factor").map(|_| RopeScaling::None)?,
        "llama3" => RopeScaling::Llama3 {
            factor: need("factor")?,
            low_frequency_factor: need("low_freq_factor")?,
            high_frequency_factor: need("high_freq_factor")?,
            original_context: scaling.size("original_max_position_embeddings")?,
        },
        // Phi-3 was first published with other names for it.
        "longrope" | "su" => return longrope(fields, scaling, context),
        "yarn" if scaling.has("short_factor") => return longrope(fields, scaling, context),
        "yarn" => yarn(fields, scaling, context)?.scaling(theta, dims),
        other => {
            let feature = format!("the rotary scaling {other:?}");
            let expected = "default, linear, dynamic, llama3, yarn or longrope";
            return Err(fields.about().unsupported(feature, expected));
        }
    };
    Ok((scaling, context))
}

/// The context before it was stretched.
fn original_context(fields: &Fields, scaling: &Fields, context: usize) -> Result<usize, ImportError> {
    const KEY: &str = "original_max_position_embeddings";
    Ok(scaling.optional_size(KEY)?.or(fields.optional_size(KEY)?).unwrap_or(context))
}

fn yarn(fields: &Fields, scaling: &Fields, context: usize) -> Result<Yarn, ImportError> {
    let original_context = original_context(fields, scaling, context)?;
    let factor = scaling.number("factor")?.unwrap_or(context as f32 / original_context as f32);
    let weights = (scaling.number("mscale")?, scaling.number("mscale_all_dim")?);
    let advised = match weights {
        (Some(over), Some(under)) if over != 0.0 && under != 0.0 => {
            Yarn::magnitude(factor, over) / Yarn::magnitude(factor, under)
        }
        _ => Yarn::magnitude(factor, 1.0),
    };
    let given = |key: &str, usual: f32| {
        scaling.number(key).map(|found| found.filter(|beta| *beta != 0.0).unwrap_or(usual))
    };
    Ok(Yarn {
        factor,
        original_context,
        beta_fast: given("beta_fast", 32.0)?,
        beta_slow: given("beta_slow", 1.0)?,
        truncate: scaling.flag("truncate")?.unwrap_or(true),
        magnitude: scaling.number("attention_factor")?.unwrap_or(advised),
    })
}

/// LongRoPE turns short texts by other factors than long ones. No text is long here: the context ends where the factors change.
fn longrope(fields: &Fields, scaling: &Fields, context: usize) -> Result<(RopeScaling, usize), ImportError> {
    let original_context = original_context(fields, scaling, context)?;
    let stretch = scaling.number("factor")?.unwrap_or(context as f32 / original_context as f32);
    let advised = longrope_magnitude(stretch, original_context);
    let magnitude = scaling.number("attention_factor")?.unwrap_or(advised);
    let (divisors, long) = (scaling.numbers("short_factor")?, scaling.numbers("long_factor")?);
    let context = if divisors == long { context } else { context.min(original_context) };
    Ok((RopeScaling::Divisors { divisors, magnitude }, context))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yarn_leaves_fast_pairs_alone_and_slows_slow_ones() {
        let yarn = Yarn {
            factor: 4.0,
            original_context: 4096,
            beta_fast: 32.0,
            beta_slow: 1.0,
            truncate: true,
            magnitude: Yarn::magnitude(4.0, 1.0),
        };
        let RopeScaling::Divisors { divisors, magnitude } = yarn.scaling(10_000.0, 128) else {
            unreachable!()
        };
        assert_eq!((divisors[0], divisors[20], divisors[46], divisors[63]), (1.0, 1.0, 4.0, 4.0));
        assert!(divisors.is_sorted() && divisors[33] > 1.5 && divisors[33] < 2.5, "{divisors:?}");
        assert!((magnitude - 1.138_629_4).abs() < 1e-6);
    }
}

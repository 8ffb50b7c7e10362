//! The host's choice of a token, and log-probabilities.

use super::options::Options;
use lpu_model::eval::log_softmax;
use lpu_model::reference::argmax;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::collections::HashMap;

/// Log-probabilities in nats, by the model alone.
#[derive(Clone, Debug, PartialEq)]
pub struct LogProb {
    /// Of the token that was chosen.
    pub chosen: f64,
    /// The likeliest tokens, best first; the lower id goes first on ties.
    pub top: Vec<(u32, f64)>,
}

impl LogProb {
    pub fn of(logits: &[f64], chosen: u32, alternatives: usize) -> Self {
        let all = log_softmax(logits);
        let top = ranked(logits).into_iter().take(alternatives).map(|id| (id as u32, all[id])).collect();
        Self { chosen: all.get(chosen as usize).copied().unwrap_or(f64::NEG_INFINITY), top }
    }
}

/// Ids by falling logits; the lower id goes first on ties, as on the chip.
fn ranked(logits: &[f64]) -> Vec<usize> {
    let mut ids: Vec<usize> = (0..logits.len()).collect();
    ids.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    ids
}

/// Chooses tokens from logits, with the memory that penalties need.
pub struct Sampler {
    options: Options,
    random: ChaCha8Rng,
    /// The tokens of prompt and text, with how often each was made.
    made: HashMap<u32, u32>,
}

impl Sampler {
    pub fn new(options: &Options, prompt: &[u16]) -> Self {
        let made = prompt.iter().map(|&id| (u32::from(id), 0)).collect();
        Self { options: options.clone(), random: ChaCha8Rng::seed_from_u64(options.seed), made }
    }

    /// The next token. `logits` is changed.
    pub fn choose(&mut self, logits: &mut [f64]) -> u32 {
        self.shift(logits);
        let chosen = match self.options.temperature > 0.0 {
            true => self.sample(logits),
            false => argmax(logits),
        } as u32;
        *self.made.entry(chosen).or_default() += 1;
        chosen
    }

    /// Biases, then penalties.
    fn shift(&self, logits: &mut [f64]) {
        let Options { repetition_penalty, presence_penalty, frequency_penalty, .. } = self.options;
        for (&id, bias) in &self.options.logit_bias {
            logits[id as usize] += bias;
        }
        for (&id, &made) in &self.made {
            let Some(logit) = logits.get_mut(id as usize) else { continue };
            *logit = if *logit > 0.0 { *logit / repetition_penalty } else { *logit * repetition_penalty };
            if made > 0 {
                *logit -= presence_penalty + f64::from(made) * frequency_penalty;
            }
        }
    }

    fn sample(&mut self, logits: &mut [f64]) -> usize {
        let Options { temperature, top_k, top_p, min_p, .. } = self.options;
        logits.iter_mut().for_each(|logit| *logit /= temperature);
        let mut ids = ranked(logits);
        ids.truncate(top_k.unwrap_or(usize::MAX));
        let best = logits[ids[0]];
        let mut likelihoods: Vec<f64> = ids.iter().map(|&id| (logits[id] - best).exp()).collect();
        // The likeliest token has likelihood 1, so that min-p needs no sum, and it is always kept.
        let enough = likelihoods.partition_point(|likelihood| *likelihood >= min_p).max(1);
        likelihoods.truncate(nucleus(&likelihoods, top_p).min(enough));
        let total: f64 = likelihoods.iter().sum();
        let mut left = self.uniform() * total;
        for (id, likelihood) in ids.iter().zip(&likelihoods) {
            left -= likelihood;
            if left < 0.0 {
                return *id;
            }
        }
        // Rounding may leave a rest after the last one.
        ids[likelihoods.len() - 1]
    }

    /// 0 to 1 without 1, in steps of 2^-53.
    fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How many of the likeliest tokens together have the share `top_p`.
fn nucleus(likelihoods: &[f64], top_p: f64) -> usize {
    if top_p >= 1.0 {
        return likelihoods.len();
    }
    let total: f64 = likelihoods.iter().sum();
    let mut sum = 0.0;
    let reached = likelihoods.iter().position(|likelihood| {
        sum += likelihood;
        sum >= top_p * total
    });
    reached.map_or(likelihoods.len(), |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f64; 4] = [1.0, 3.0, 2.0, -1.0];

    fn choices(options: Options, count: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(&options, &[]);
        (0..count).map(|_| sampler.choose(&mut LOGITS.clone())).collect()
    }

    #[test]
    fn filters_keep_what_they_say() {
        let warm = Options { temperature: 1.0, ..Options::default() };
        let all = choices(warm.clone(), 400);
        assert!((0..4).all(|id| all.contains(&id)));
        let two = choices(Options { top_k: Some(2), ..warm.clone() }, 400);
        assert!(two.contains(&1) && two.contains(&2) && two.iter().all(|id| [1, 2].contains(id)));
        // Probabilities are 0.657, 0.242, 0.089, 0.012.
        let nucleus = choices(Options { top_p: 0.7, ..warm.clone() }, 400);
        assert!(nucleus.contains(&2) && nucleus.iter().all(|id| [1, 2].contains(id)));
        assert!(choices(Options { top_p: 0.6, ..warm.clone() }, 50).iter().all(|id| *id == 1));
        let likely = choices(Options { min_p: 0.1, ..warm.clone() }, 400);
        assert!(likely.contains(&0) && !likely.contains(&3));
        assert!(choices(Options { min_p: 1.0, ..warm }, 50).iter().all(|id| *id == 1));
    }

    #[test]
    fn shares_follow_the_softmax() {
        let made = choices(Options { temperature: 1.0, ..Options::default() }, 20_000);
        let share = made.iter().filter(|id| **id == 1).count() as f64 / 20_000.0;
        // Three standard deviations of a binomial share are 0.010.
        assert!((share - 0.6573).abs() < 0.0101, "{share}");
    }

    #[test]
    fn penalties_and_biases_move_the_best_token() {
        assert_eq!(choices(Options { presence_penalty: 1.5, ..Options::default() }, 4), [1, 2, 1, 1]);
        assert_eq!(choices(Options { frequency_penalty: 0.6, ..Options::default() }, 4), [1, 1, 2, 1]);
        let mut repeated = Sampler::new(&Options { repetition_penalty: 2.0, ..Options::default() }, &[1]);
        assert_eq!(repeated.choose(&mut LOGITS.clone()), 2);
        let logit_bias = [(3, 9.0)].into();
        assert_eq!(choices(Options { logit_bias, ..Options::default() }, 1), [3]);
    }

    #[test]
    fn the_seed_decides() {
        let of = |seed| choices(Options { temperature: 1.0, seed, ..Options::default() }, 64);
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
    }

    #[test]
    fn log_probabilities_are_of_the_model() {
        let found = LogProb::of(&[0.0, 0.0, 2f64.ln()], 0, 2);
        assert!((found.chosen - 0.25f64.ln()).abs() < 1e-12);
        assert_eq!(found.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2, 0]);
    }
}

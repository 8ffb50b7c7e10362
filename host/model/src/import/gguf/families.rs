//! Architectures of GGUF files whose layers differ from Llama's, as llama.cpp computes them: what a file does not say is what
//! llama.cpp takes for given.

use super::super::super::{Activation, Block, Config, NormPlace, Rope, RopePairing, RopeScaling};
use super::super::error::ImportError;
use super::super::names;
use super::super::tensors::{Multipliers, Names};
use super::reader::Fact;
use super::{Described, Open, windows};

/// Layers of the models of 27 billion parameters, whose scores are scaled otherwise.
const GEMMA2_27B: usize = 46;
const GEMMA3_27B: usize = 62;

/// The window of Gemma 2 files that name none.
const GEMMA2_WINDOW: usize = 4096;

impl Open<'_> {
    /// The configuration of one of these architectures; `None` for another one.
    pub(super) fn family(&self) -> Result<Option<Described>, ImportError> {
        let plain = |(config, names): (Config, &'static Names)| (config, names, Multipliers::default());
        Ok(Some(match self.architecture {
            "gemma2" => plain((self.gemma2()?, &names::GGUF_GEMMA2)),
            "gemma3" => plain((self.gemma3()?, &names::GGUF_GEMMA3)),
            "phi3" => plain((self.llama(RopePairing::Halves)?, &names::GGUF_PHI3)),
            "olmo2" => plain((self.olmo2()?, &names::GGUF_OLMO2)),
            "granite" => self.granite()?,
            "smollm3" => plain((self.smollm3()?, &names::GGUF)),
            "gptneox" => plain((self.gptneox()?, &names::GGUF_GPTNEOX)),
            _ => return Ok(None),
        }))
    }

    /// Norms on both sides, and an embedding scaled by the root of its length.
    fn gemma(&self, layers_27b: usize) -> Result<Config, ImportError> {
        let llama = self.llama(RopePairing::Halves)?;
        let per_head = if llama.layers == layers_27b { llama.dim / llama.heads } else { llama.head_dim };
        let block = Block {
            norms: NormPlace::Both,
            score_cap: self.number("attn_logit_softcapping")?,
            logit_cap: self.number("final_logit_softcapping")?,
            ..Block::default()
        };
        Ok(Config {
            activation: Activation::GeluTanh,
            embedding_scale: (llama.dim as f32).sqrt(),
            score_scale: llama.score_scale.or(Some(1.0 / (per_head as f32).sqrt())),
            block,
            ..llama
        })
    }

    fn gemma2(&self) -> Result<Config, ImportError> {
        let mut config = self.gemma(GEMMA2_27B)?;
        let window = match self.own("attention.sliding_window").1 {
            Some(_) => self.window()?,
            None => Some(GEMMA2_WINDOW),
        };
        config.windows = windows(window, &self.sliding(config.layers, Some(2))?, config.context);
        Ok(config)
    }

    /// Layers with a window turn by another rotary embedding, which is not stretched.
    fn gemma3(&self) -> Result<Config, ImportError> {
        let mut config = self.gemma(GEMMA3_27B)?;
        let window = self.window()?;
        let sliding = match window {
            Some(_) => self.sliding(config.layers, Some(6))?,
            None => vec![false; config.layers],
        };
        config.windows = windows(window, &sliding, config.context);
        if let Some(whole) = &mut config.rope {
            whole.theta = self.number("rope.freq_base")?.unwrap_or(1_000_000.0);
            let theta = self.number("rope.freq_base_swa")?.unwrap_or(10_000.0);
            let local = Rope { theta, scaling: RopeScaling::None, ..whole.clone() };
            let of = |sliding: &bool| Some(if *sliding { local.clone() } else { whole.clone() });
            config.block.ropes = sliding.iter().map(of).collect();
        }
        Ok(config)
    }

    fn olmo2(&self) -> Result<Config, ImportError> {
        let block = Block { norms: NormPlace::After, whole_qk_norm: true, ..Block::default() };
        Ok(Config { block, ..self.llama(RopePairing::Halves)? })
    }

    fn granite(&self) -> Result<Described, ImportError> {
        let llama = self.llama(RopePairing::Adjacent)?;
        // llama.cpp takes a factor of 0 for none.
        let factor = |key: &str| self.number(key).map(|factor| factor.filter(|factor| *factor != 0.0));
        let config = Config { embedding_scale: factor("embedding_scale")?.unwrap_or(1.0), ..llama };
        let multipliers = Multipliers {
            residual: factor("residual_scale")?.unwrap_or(1.0),
            logits_divisor: factor("logit_scale")?.unwrap_or(1.0),
        };
        Ok((config, &names::GGUF, multipliers))
    }

    /// Every fourth layer does not turn.
    fn smollm3(&self) -> Result<Config, ImportError> {
        let mut config = self.llama(RopePairing::Adjacent)?;
        let turns = |layer: usize| !layer.is_multiple_of(4);
        config.block.ropes =
            (1..=config.layers).map(|layer| config.rope.clone().filter(|_| turns(layer))).collect();
        Ok(config)
    }

    fn gptneox(&self) -> Result<Config, ImportError> {
        let parallel = match self.own("use_parallel_residual") {
            (_, None | Some(Fact::Flag(true))) => true,
            (_, Some(Fact::Flag(false))) => false,
            (name, Some(_)) => return Err(self.about().damaged(format!("{name} is no flag"))),
        };
        Ok(Config {
            norm: self.layer_norm()?,
            activation: Activation::Gelu,
            gated: false,
            block: Block { parallel, ..Block::default() },
            ..self.llama(RopePairing::Halves)?
        })
    }
}

//! A GGUF file: configuration, weights, vocabulary and chat template in one.

mod families;
mod quants;
mod reader;
mod vocabulary;

pub use reader::MAGIC;

use super::super::{Activation, Block, Config, Model, NormKind, Rope, RopePairing, RopeScaling, Tokenizer};
use super::error::{About, ImportError};
use super::file;
use super::names;
use super::rope::{Yarn, longrope_magnitude};
use super::tensors::{Multipliers, Names, Tensors, assemble};
use memmap2::Mmap;
use reader::{Container, Fact};
use std::path::{Path, PathBuf};

/// No size of a model is larger.
const SIZE_MAX: u64 = 1 << 20;
const LAYERS_MAX: usize = 4096;
const ARCHITECTURES: &str = "llama (Mistral and SmolLM too), qwen2, qwen3, gemma, gemma2, gemma3, phi3, olmo2, granite, smollm3, stablelm, gpt2 or gptneox";

/// A configuration, the names of its tensors, and factors besides them.
type Described = (Config, &'static Names, Multipliers);

/// A mapped file.
pub struct GgufFile {
    path: PathBuf,
    map: Mmap,
}

struct Open<'f> {
    path: &'f Path,
    container: Container<'f>,
    architecture: &'f str,
}

impl GgufFile {
    /// # Errors
    /// When the file cannot be mapped.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        Ok(Self { path: path.to_owned(), map: file::map(path)? })
    }

    /// The model, and the tokenizer if the file has one.
    ///
    /// # Errors
    /// When the file is damaged or asks for what no machine here computes.
    pub fn import(&self) -> Result<(Model, Option<Tokenizer>), ImportError> {
        let about = About(&self.path);
        let container = Container::parse(&self.map).map_err(|reason| about.damaged(reason))?;
        let architecture = match container.facts.get("general.architecture") {
            Some(Fact::Text(name)) => *name,
            _ => {
                return Err(
                    about.damaged("general.architecture is missing. The file is damaged: fetch it again")
                );
            }
        };
        let open = Open { path: &self.path, container, architecture };
        let (config, names, multipliers) = match open.family()? {
            Some(family) => family,
            None => open.config().map(|(config, names)| (config, names, Multipliers::default()))?,
        };
        let tokenizer = vocabulary::tokenizer(&open)?;
        let mut model = assemble(&open, names, config, false)?;
        multipliers.apply(&mut model);
        Ok((model, tokenizer))
    }
}

impl<'f> Open<'f> {
    fn about(&self) -> About<'_> {
        About(self.path)
    }

    fn fact(&self, name: &str) -> Option<&Fact<'f>> {
        self.container.facts.get(name)
    }

    /// A fact of the architecture.
    fn own(&self, name: &str) -> (String, Option<&Fact<'f>>) {
        let name = format!("{}.{name}", self.architecture);
        let fact = self.fact(&name);
        (name, fact)
    }

    fn optional_size(&self, name: &str) -> Result<Option<usize>, ImportError> {
        let (name, fact) = self.own(name);
        match fact {
            None => Ok(None),
            Some(Fact::Whole(size)) if (1..=SIZE_MAX).contains(size) => Ok(Some(*size as usize)),
            // Some converters write one number for each layer.
            Some(Fact::Numbers(all))
                if all.first().is_some_and(|first| *first >= 1.0 && all.iter().all(|one| one == first)) =>
            {
                Ok(Some(all[0] as usize))
            }
            Some(other) => Err(self
                .about()
                .damaged(format!("{name} is {other:?}; expected a whole number from 1 to {SIZE_MAX}"))),
        }
    }

    fn size(&self, name: &str) -> Result<usize, ImportError> {
        let missing = || {
            self.about().damaged(format!("{}.{name} is missing. Convert the model again", self.architecture))
        };
        self.optional_size(name)?.ok_or_else(missing)
    }

    fn number(&self, name: &str) -> Result<Option<f32>, ImportError> {
        let (name, fact) = self.own(name);
        match fact {
            None => Ok(None),
            Some(Fact::Real(number)) => Ok(Some(*number as f32)),
            Some(other) => Err(self.about().damaged(format!("{name} is {other:?}; expected a number"))),
        }
    }

    fn config(&self) -> Result<(Config, &'static Names), ImportError> {
        let rotates = RopePairing::Halves;
        match self.architecture {
            // Converters reorder queries and keys of this architecture alone.
            "llama" => Ok((self.llama(RopePairing::Adjacent)?, &names::GGUF)),
            "qwen2" => Ok((self.llama(rotates)?, &names::GGUF)),
            "qwen3" => Ok((self.llama(rotates)?, &names::GGUF_QWEN3)),
            "gemma" => {
                let llama = self.llama(rotates)?;
                let embedding_scale = (llama.dim as f32).sqrt();
                Ok((Config { activation: Activation::GeluTanh, embedding_scale, ..llama }, &names::GGUF))
            }
            "stablelm" => Ok((Config { norm: self.layer_norm()?, ..self.llama(rotates)? }, &names::GGUF)),
            "gpt2" => {
                let shared = self.llama(rotates)?;
                let norm = self.layer_norm()?;
                let (activation, gated, rope) = (Activation::GeluTanh, false, None);
                Ok((Config { norm, activation, gated, rope, ..shared }, &names::GGUF_GPT2))
            }
            other => Err(self.about().unsupported(format!("the architecture {other:?}"), ARCHITECTURES)),
        }
    }

    fn layer_norm(&self) -> Result<NormKind, ImportError> {
        Ok(NormKind::Layer { eps: self.number("attention.layer_norm_epsilon")?.unwrap_or(1e-5) })
    }

    fn llama(&self, pairing: RopePairing) -> Result<Config, ImportError> {
        if let Some(experts) = self.optional_size("expert_count")? {
            return Err(self
                .about()
                .unsupported(format!("a mixture of {experts} experts"), "one MLP a layer"));
        }
        let (dim, heads) = (self.size("embedding_length")?, self.size("attention.head_count")?);
        let head_dim = match self.optional_size("attention.key_length")? {
            Some(head_dim) => head_dim,
            None if dim.is_multiple_of(heads) => dim / heads,
            None => {
                let reason = format!("embedding_length is {dim}; expected a multiple of {heads} heads");
                return Err(self.about().damaged(reason));
            }
        };
        let layers = self.size("block_count")?;
        if layers > LAYERS_MAX {
            return Err(self
                .about()
                .damaged(format!("block_count is {layers}; expected at most {LAYERS_MAX}")));
        }
        let (rope, context) = self.rope(pairing, head_dim, self.size("context_length")?)?;
        let window = self.optional_size("attention.sliding_window")?.filter(|window| *window < context);
        let embedding = self.shape("token_embd.weight");
        let missing =
            || self.about().damaged("the tensor token_embd.weight is missing. Fetch the model again");
        Ok(Config {
            dim,
            hidden_dim: self.size("feed_forward_length")?,
            layers,
            heads,
            kv_heads: self.optional_size("attention.head_count_kv")?.unwrap_or(heads),
            head_dim,
            vocab: embedding.and_then(|shape| shape.first().copied()).ok_or_else(missing)?,
            context,
            norm: NormKind::Rms { eps: self.number("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5) },
            activation: Activation::Silu,
            gated: true,
            rope: Some(rope),
            embedding_norm: false,
            embedding_scale: 1.0,
            score_scale: None,
            windows: window.map(|window| vec![Some(window); layers]).unwrap_or_default(),
            block: Block::default(),
        })
    }

    /// The rotary embedding, and the positions that it turns as trained.
    fn rope(
        &self,
        pairing: RopePairing,
        head_dim: usize,
        context: usize,
    ) -> Result<(Rope, usize), ImportError> {
        let theta = self.number("rope.freq_base")?.unwrap_or(10_000.0);
        let dims = self.optional_size("rope.dimension_count")?.unwrap_or(head_dim);
        let made =
            |scaling: RopeScaling, context: usize| Ok((Rope { theta, pairing, dims, scaling }, context));
        if self.shape("rope_factors_short.weight").is_some() {
            return self.longrope(context).and_then(|(scaling, context)| made(scaling, context));
        }
        if self.shape("rope_freqs.weight").is_some() {
            let divisors = self.read("rope_freqs.weight")?;
            return made(RopeScaling::Divisors { divisors, magnitude: 1.0 }, context);
        }
        let scaling = match self.own("rope.scaling.type").1 {
            None | Some(Fact::Text("none")) => RopeScaling::None,
            Some(Fact::Text("linear")) => {
                RopeScaling::Linear { factor: self.number("rope.scaling.factor")?.unwrap_or(1.0) }
            }
            Some(Fact::Text("yarn")) => self.yarn(context)?.scaling(theta, dims),
            Some(other) => {
                let feature = format!("the rotary scaling {other:?}");
                let expected = "none, linear, yarn, or the factors in tensors";
                return Err(self.about().unsupported(feature, expected));
            }
        };
        made(scaling, context)
    }

    fn yarn(&self, context: usize) -> Result<Yarn, ImportError> {
        let factor = self.number("rope.scaling.factor")?.unwrap_or(1.0);
        let attention = self.number("rope.scaling.attn_factor")?.unwrap_or(1.0);
        Ok(Yarn {
            factor,
            original_context: self.optional_size("rope.scaling.original_context_length")?.unwrap_or(context),
            beta_fast: self.number("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
            beta_slow: self.number("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
            truncate: true,
            magnitude: attention * Yarn::magnitude(factor, 1.0),
        })
    }

    /// LongRoPE turns short texts by other factors than long ones. No text is long here: the context ends where they change.
    fn longrope(&self, context: usize) -> Result<(RopeScaling, usize), ImportError> {
        let original = self.optional_size("rope.scaling.original_context_length")?.unwrap_or(context);
        let advised = longrope_magnitude(context as f32 / original as f32, original);
        let magnitude = self.number("rope.scaling.attn_factor")?.unwrap_or(advised);
        let [divisors, long] =
            ["short", "long"].map(|length| self.read(&format!("rope_factors_{length}.weight")));
        let (divisors, long) = (divisors?, long?);
        let context = if divisors == long { context } else { context.min(original) };
        Ok((RopeScaling::Divisors { divisors, magnitude }, context))
    }
}

impl Tensors for Open<'_> {
    fn path(&self) -> &Path {
        self.path
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.container.tensors.get(name).map(|place| place.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, ImportError> {
        let place = self.container.tensors.get(name);
        let place = place.ok_or_else(|| self.about().damaged(format!("the tensor {name} is missing")))?;
        Ok(self.container.values(place))
    }

    fn names(&self) -> Vec<String> {
        self.container.tensors.keys().map(|name| (*name).to_owned()).collect()
    }
}

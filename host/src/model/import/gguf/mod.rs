//! A GGUF file: configuration, weights, vocabulary and chat template in one.

mod quants;
mod reader;
mod vocabulary;

pub use reader::MAGIC;

use super::super::tokenizer::{Facts, Vocabulary};
use super::super::{Activation, Config, Model, NormKind, Rope, RopePairing, RopeScaling, Tokenizer};
use super::error::{About, ImportError};
use super::file;
use super::names;
use super::tensors::{Names, Tensors, assemble};
use memmap2::Mmap;
use reader::{Container, Fact};
use std::path::{Path, PathBuf};

/// No size of a model is larger.
const SIZE_MAX: u64 = 1 << 20;
const LAYERS_MAX: usize = 4096;
const ARCHITECTURES: &str = "llama (Mistral and SmolLM too), qwen2, qwen3, gemma, stablelm or gpt2";

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
        let open = self.parse()?;
        let vocabulary = vocabulary::vocabulary(&open)?;
        let refused = |source| open.about().tokenizer(source);
        let tokenizer =
            vocabulary.map(|found| found.with(vocabulary::facts(&open))).transpose().map_err(refused)?;
        Ok((open.model()?, tokenizer))
    }

    /// The model alone, with what the file says of its vocabulary.
    ///
    /// # Errors
    /// As [`GgufFile::import`].
    pub fn model(&self) -> Result<(Model, Facts), ImportError> {
        let open = self.parse()?;
        Ok((open.model()?, vocabulary::facts(&open)))
    }

    /// The vocabulary alone, if the file has one.
    ///
    /// # Errors
    /// When it is damaged or of an unsupported kind.
    pub fn vocabulary(&self) -> Result<(Option<Vocabulary>, Facts), ImportError> {
        let open = self.parse()?;
        Ok((vocabulary::vocabulary(&open)?, vocabulary::facts(&open)))
    }

    fn parse(&self) -> Result<Open<'_>, ImportError> {
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
        Ok(Open { path: &self.path, container, architecture })
    }
}

impl<'f> Open<'f> {
    fn model(&self) -> Result<Model, ImportError> {
        let (config, names) = self.config()?;
        assemble(self, names, config, false)
    }

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
        let context = self.size("context_length")?;
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
            rope: Some(self.rope(pairing, head_dim)?),
            embedding_norm: false,
            embedding_scale: 1.0,
            score_scale: None,
            windows: window.map(|window| vec![Some(window); layers]).unwrap_or_default(),
        })
    }

    fn rope(&self, pairing: RopePairing, head_dim: usize) -> Result<Rope, ImportError> {
        let theta = self.number("rope.freq_base")?.unwrap_or(10_000.0);
        let dims = self.optional_size("rope.dimension_count")?.unwrap_or(head_dim);
        let scaling = if self.shape("rope_freqs.weight").is_some() {
            RopeScaling::Divisors(self.read("rope_freqs.weight")?)
        } else {
            match self.own("rope.scaling.type").1 {
                None | Some(Fact::Text("none")) => RopeScaling::None,
                Some(Fact::Text("linear")) => {
                    RopeScaling::Linear { factor: self.number("rope.scaling.factor")?.unwrap_or(1.0) }
                }
                Some(other) => {
                    let feature = format!("the rotary scaling {other:?}");
                    return Err(self.about().unsupported(feature, "none, linear or a tensor rope_freqs"));
                }
            }
        };
        Ok(Rope { theta, pairing, dims, scaling })
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

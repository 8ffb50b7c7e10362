//! A GGUF file: configuration, weights, vocabulary and chat template in one.

mod families;
mod reader;
mod split;
mod vocabulary;

#[cfg(test)]
pub use reader::Place;
pub use reader::{Container, MAGIC};

use super::super::tokenizer::{Facts, Vocabulary};
use super::super::{Activation, Block, Config, Model, NormKind, Rope, RopePairing, RopeScaling, Tokenizer};
use super::error::{About, ImportError};
use super::folder::MERGE;
use super::keys::{self, Unread};
use super::rope::{Yarn, longrope_magnitude};
use super::tensors::{Head, Multipliers, Names, Tensors, assemble};
use super::{file, names, recognise};
use crate::packed::Packed;
use bytes::Bytes;
use reader::Fact;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// No size of a model is larger.
const SIZE_MAX: u64 = 1 << 20;
const LAYERS_MAX: usize = 4096;
const ARCHITECTURES: &str = "llama (Mistral and SmolLM too), qwen2, qwen3, gemma, gemma2, gemma3, phi3, olmo2, granite, smollm3, stablelm, gpt2 or gptneox";

/// A configuration, the names of its tensors, and factors besides them.
type Described = (Config, &'static Names, Multipliers);

/// A mapped file, with the other parts of its model if it is split.
pub struct GgufFile {
    path: PathBuf,
    map: Bytes,
    parts: Vec<(PathBuf, Bytes)>,
}

struct Open<'f> {
    path: &'f Path,
    container: Container<'f>,
    architecture: &'f str,
    /// Names of the facts that were asked for.
    read: RefCell<BTreeSet<String>>,
}

impl GgufFile {
    /// Maps a file, and if it is one of several the others beside it: the first of them has the facts of the model.
    ///
    /// # Errors
    /// When a file cannot be mapped, or a part is not there.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let map = file::map(path)?;
        if let Some(found) = recognise::big_endian(&map) {
            return Err(found.refuse(path, "a little-endian one"));
        }
        let Some(paths) = split::parts(path, &map)? else {
            return Ok(Self { path: path.to_owned(), map, parts: Vec::new() });
        };
        let mut maps = Vec::new();
        for path in paths {
            let map = file::map(&path)?;
            maps.push((path, map));
        }
        let (path, map) = maps.remove(0);
        Ok(Self { path, map, parts: maps })
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
        open.pass_over_vocabulary();
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
        let mut container = Container::parse(&self.map).map_err(|reason| about.damaged(reason))?;
        split::join(&mut container, &self.path, &self.parts)?;
        match container.facts.get("general.type") {
            None | Some(Fact::Text("model")) => {}
            Some(Fact::Text("adapter")) => {
                return Err(about.unsupported("a LoRA adapter", format!("a whole model. {MERGE}")));
            }
            Some(other) => {
                return Err(about.unsupported(format!("general.type {}", other.to_json()), "a whole model"));
            }
        }
        let architecture = match container.facts.get("general.architecture") {
            Some(Fact::Text(name)) => *name,
            _ => return Err(about.damaged("general.architecture is missing. Convert the model again")),
        };
        Ok(Open { path: &self.path, container, architecture, read: RefCell::default() })
    }
}

impl<'f> Open<'f> {
    fn model(&self) -> Result<Model, ImportError> {
        let (config, names, multipliers) = match self.family()? {
            Some(family) => family,
            None => self.config().map(|(config, names)| (config, names, Multipliers::default()))?,
        };
        let unknown = self.check_all_read()?;
        let mut model = assemble(self, names, config, Head::OwnOrEmbedding)?;
        multipliers.apply(&mut model);
        model.warnings.extend(unknown);
        Ok(model)
    }

    /// Counts all that describes the vocabulary as used: another one takes its place.
    fn pass_over_vocabulary(&self) {
        let names = self.container.facts.keys().filter(|name| name.starts_with("tokenizer."));
        self.read.borrow_mut().extend(names.map(|name| name.to_string()));
    }

    fn about(&self) -> About<'_> {
        About(self.path)
    }

    /// Holds the facts that nothing asked for against the table of known ones.
    fn check_all_read(&self) -> Result<Option<String>, ImportError> {
        let read = self.read.borrow();
        let start = format!("{}.", self.architecture);
        let unread = self.container.facts.iter().filter(|(name, _)| !read.contains(**name));
        let unread = unread.map(|(name, fact)| Unread {
            key: name.strip_prefix(&start).unwrap_or(name).to_owned(),
            name: (*name).to_owned(),
            value: fact.to_json(),
        });
        let mut unread: Vec<Unread> = unread.collect();
        unread.sort_by(|one, other| one.name.cmp(&other.name));
        keys::check(&self.about(), unread.into_iter(), &keys::GGUF)
    }

    /// A fact of the file, which from now on counts as used.
    fn fact(&self, name: &str) -> Option<&Fact<'f>> {
        self.read.borrow_mut().insert(name.to_owned());
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
            Some(other) => Err(self.about().damaged(format!(
                "{name} is {}; expected a whole number from 1 to {SIZE_MAX}",
                keys::shown(&other.to_json())
            ))),
        }
    }

    /// Whether a fact is absent or says that there is nothing.
    fn is_off(&self, name: &str) -> bool {
        self.own(name).1.is_none_or(|fact| keys::is_off(&fact.to_json()))
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
            Some(Fact::Whole(number)) => Ok(Some(*number as f32)),
            Some(other) => {
                let found = keys::shown(&other.to_json());
                Err(self.about().damaged(format!("{name} is {found}; expected a number")))
            }
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
        if !self.is_off("expert_count") {
            let experts = self.size("expert_count")?;
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
        if self.optional_size("attention.value_length")?.is_some_and(|length| length != head_dim) {
            let feature = "attention.value_length other than the length of keys";
            return Err(self.about().unsupported(feature, "heads of one length"));
        }
        let embedding = self.shape("token_embd.weight");
        let missing = || self.about().damaged("the tensor token_embd.weight is missing");
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
            score_scale: self.number("attention.scale")?.filter(|scale| *scale != 0.0),
            windows: self.windows(layers, context)?,
            block: Block::default(),
        })
    }

    /// Which layers have a window: a list says it, or that all but every n-th have; `usual` is that n where nothing is said.
    fn sliding(&self, layers: usize, usual: Option<usize>) -> Result<Vec<bool>, ImportError> {
        let every = |period: Option<usize>| {
            (1..=layers).map(|layer| period.is_none_or(|period| !layer.is_multiple_of(period))).collect()
        };
        match self.own("attention.sliding_window_pattern") {
            (_, None) => Ok(every(usual)),
            (_, Some(Fact::Bytes(all))) if all.len() == layers => {
                Ok(all.iter().map(|one| *one != 0).collect())
            }
            (_, Some(Fact::Numbers(all))) if all.len() == layers => {
                Ok(all.iter().map(|one| *one != 0.0).collect())
            }
            (_, Some(Fact::Whole(period))) if (1..=SIZE_MAX).contains(period) => {
                Ok(every(Some(*period as usize)))
            }
            (name, Some(other)) => {
                let found = keys::shown(&other.to_json());
                let reason = format!("{name} is {found}; expected true or false for each of {layers} layers");
                Err(self.about().damaged(reason))
            }
        }
    }

    /// The window of each layer. All layers have it, unless the file says which do.
    fn windows(&self, layers: usize, context: usize) -> Result<Vec<Option<usize>>, ImportError> {
        Ok(windows(self.window()?, &self.sliding(layers, None)?, context))
    }

    fn window(&self) -> Result<Option<usize>, ImportError> {
        const KEY: &str = "attention.sliding_window";
        if self.is_off(KEY) { Ok(None) } else { self.optional_size(KEY) }
    }
}

/// The windows of the layers that slide; none where a window is as long as the context, since it hides nothing.
fn windows(window: Option<usize>, sliding: &[bool], context: usize) -> Vec<Option<usize>> {
    let window = window.filter(|window| *window < context);
    let windows: Vec<_> = sliding.iter().map(|slides| window.filter(|_| *slides)).collect();
    if windows.iter().any(Option::is_some) { windows } else { Vec::new() }
}

/// The tensors of LongRoPE's factors, for texts within the original context and for longer ones.
const SHORT_FACTORS: &str = "rope_factors_short.weight";
const LONG_FACTORS: &str = "rope_factors_long.weight";
const DIVISORS: &str = "rope_freqs.weight";

impl Open<'_> {
    /// The rotary embedding, and the positions that it turns as trained.
    fn rope(
        &self,
        pairing: RopePairing,
        head_dim: usize,
        context: usize,
    ) -> Result<(Rope, usize), ImportError> {
        let theta = self.number("rope.freq_base")?.unwrap_or(10_000.0);
        let dims = self.optional_size("rope.dimension_count")?.unwrap_or(head_dim);
        let (scaling, context) = self.rope_scaling(theta, dims, context)?;
        Ok((Rope { theta, pairing, dims, scaling }, context))
    }

    /// How much slower pairs turn, as llama.cpp has it: a factor without a type is linear, an older file calls it
    /// `rope.scale_linear`, and the type "none" ignores both; tensors say it for each pair besides.
    fn rope_scaling(
        &self,
        theta: f32,
        dims: usize,
        context: usize,
    ) -> Result<(RopeScaling, usize), ImportError> {
        let (by_length, by_pair) = (self.shape(SHORT_FACTORS).is_some(), self.shape(DIVISORS).is_some());
        let factor = |name: &str| Ok(self.number(name)?.filter(|factor| *factor != 0.0));
        let (new, old) = (factor("rope.scaling.factor")?, factor("rope.scale_linear")?);
        let found = new.or(old).unwrap_or(1.0);
        let factor = match self.own("rope.scaling.type").1 {
            None | Some(Fact::Text("linear")) => found,
            Some(Fact::Text("longrope")) if by_length => found,
            Some(Fact::Text("none")) => 1.0,
            Some(Fact::Text("yarn")) if !by_length && !by_pair => {
                return Ok((self.yarn(found, context)?.scaling(theta, dims), context));
            }
            Some(other) => {
                let feature = format!("the rotary scaling {}", other.to_json());
                let expected = "none, linear, yarn, or factors in tensors";
                return Err(self.about().unsupported(feature, expected));
            }
        };
        let slowed = |divisors: Vec<f32>| divisors.into_iter().map(|divisor| divisor * factor).collect();
        if by_length {
            let (divisors, magnitude, context) = self.longrope(context)?;
            return Ok((RopeScaling::Divisors { divisors: slowed(divisors), magnitude }, context));
        }
        let scaling = match factor {
            _ if by_pair => {
                RopeScaling::Divisors { divisors: slowed(self.read(DIVISORS)?.values()), magnitude: 1.0 }
            }
            1.0 => RopeScaling::None,
            factor => RopeScaling::Linear { factor },
        };
        Ok((scaling, context))
    }

    fn yarn(&self, factor: f32, context: usize) -> Result<Yarn, ImportError> {
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
    fn longrope(&self, context: usize) -> Result<(Vec<f32>, f32, usize), ImportError> {
        let original = self.optional_size("rope.scaling.original_context_length")?.unwrap_or(context);
        let advised = longrope_magnitude(context as f32 / original as f32, original);
        let magnitude = self.number("rope.scaling.attn_factor")?.unwrap_or(advised);
        let (short, long) = (self.read(SHORT_FACTORS)?.values(), self.read(LONG_FACTORS)?.values());
        let context = if short == long { context } else { context.min(original) };
        Ok((short, magnitude, context))
    }
}

impl Tensors for Open<'_> {
    fn path(&self) -> &Path {
        self.path
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.container.tensors.get(name).map(|place| place.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Packed, ImportError> {
        let place = self.container.tensors.get(name);
        let place = place.ok_or_else(|| self.about().damaged(format!("the tensor {name} is missing")))?;
        Ok(place.packed.clone())
    }

    fn names(&self) -> Vec<String> {
        self.container.tensors.keys().map(|name| (*name).to_owned()).collect()
    }
}

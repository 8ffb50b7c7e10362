//! A JSON object read with care: every number is checked to be one that a model can have.

use super::super::Activation;
use super::error::{About, ImportError};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// No size of a model is larger; products of three of them fit 64 bits.
const SIZE_MAX: u64 = 1 << 20;
const LAYERS_MAX: usize = 4096;

/// The fields of a configuration.
pub struct Fields {
    path: PathBuf,
    value: Value,
}

impl Fields {
    pub fn new(path: &Path, value: Value) -> Self {
        Self { path: path.to_owned(), value }
    }

    pub fn about(&self) -> About<'_> {
        About(&self.path)
    }

    pub fn is_present(&self) -> bool {
        !self.value.is_null()
    }

    fn wrong(&self, key: &str, expected: &str) -> ImportError {
        let found = &self.value[key];
        self.about().damaged(match found.is_null() {
            true => format!("{key} is missing; expected {expected}"),
            false => format!("{key} is {found}; expected {expected}"),
        })
    }

    /// A size that must be there.
    pub fn size(&self, key: &str) -> Result<usize, ImportError> {
        let missing = || self.wrong(key, "a whole number from 1 to 1048576");
        self.optional_size(key)?.ok_or_else(missing)
    }

    pub fn optional_size(&self, key: &str) -> Result<Option<usize>, ImportError> {
        match &self.value[key] {
            Value::Null => Ok(None),
            value => match value.as_u64().filter(|size| (1..=SIZE_MAX).contains(size)) {
                Some(size) => Ok(Some(size as usize)),
                None => Err(self.wrong(key, "a whole number from 1 to 1048576")),
            },
        }
    }

    /// How many positions a layer sees; `None` where every way to say "no limit" stands, or as many as there are positions.
    pub fn window(&self, key: &str, context: usize) -> Result<Option<usize>, ImportError> {
        let value = &self.value[key];
        let is_off = [Some(0), Some(-1)].contains(&value.as_i64()) || value.as_f64() >= Some(context as f64);
        if is_off { Ok(None) } else { self.optional_size(key) }
    }

    /// Which layers see a window only, as a list with a text for each layer says it.
    pub fn sliding_layers(&self, key: &str, layers: usize) -> Result<Option<Vec<bool>>, ImportError> {
        let expected = format!("\"full_attention\" or \"sliding_attention\" for each of {layers} layers");
        let wrong = || self.wrong(key, &expected);
        let kind = |value: &Value| match value.as_str() {
            Some("full_attention") => Ok(false),
            Some("sliding_attention") => Ok(true),
            _ => Err(wrong()),
        };
        match &self.value[key] {
            Value::Null => Ok(None),
            Value::Array(all) if all.len() == layers => {
                all.iter().map(kind).collect::<Result<_, _>>().map(Some)
            }
            _ => Err(wrong()),
        }
    }

    /// A flag for each layer, as true and false or 1 and 0; there may be more than layers.
    pub fn flags(&self, key: &str, layers: usize) -> Result<Option<Vec<bool>>, ImportError> {
        let wrong = || self.wrong(key, &format!("0 or 1 for each of {layers} layers"));
        let flag = |value: &Value| {
            let number = value.as_u64().filter(|number| *number <= 1).map(|number| number == 1);
            value.as_bool().or(number).ok_or_else(wrong)
        };
        match &self.value[key] {
            Value::Null => Ok(None),
            Value::Array(all) if all.len() >= layers => {
                all[..layers].iter().map(flag).collect::<Result<_, _>>().map(Some)
            }
            _ => Err(wrong()),
        }
    }

    /// A list of numbers that must be there.
    pub fn numbers(&self, key: &str) -> Result<Vec<f32>, ImportError> {
        let wrong = || self.wrong(key, "a list of numbers");
        let number = |value: &Value| value.as_f64().map(|number| number as f32).ok_or_else(wrong);
        self.value[key].as_array().ok_or_else(wrong)?.iter().map(number).collect()
    }

    /// Whether a field is there, be it null.
    pub fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    pub fn layers(&self, key: &str) -> Result<usize, ImportError> {
        let found = self.size(key)?;
        if found > LAYERS_MAX { Err(self.wrong(key, "at most 4096 layers")) } else { Ok(found) }
    }

    /// `whole / parts`, which must be whole.
    pub fn share(&self, key: &str, whole: usize, by: &str, parts: usize) -> Result<usize, ImportError> {
        if whole.is_multiple_of(parts) {
            return Ok(whole / parts);
        }
        Err(self.about().damaged(format!("{key} is {whole}; expected a multiple of {by}, {parts}")))
    }

    pub fn number(&self, key: &str) -> Result<Option<f32>, ImportError> {
        match &self.value[key] {
            Value::Null => Ok(None),
            value => {
                value.as_f64().map(|number| Some(number as f32)).ok_or_else(|| self.wrong(key, "a number"))
            }
        }
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>, ImportError> {
        match &self.value[key] {
            Value::Null => Ok(None),
            value => value.as_bool().map(Some).ok_or_else(|| self.wrong(key, "true or false")),
        }
    }

    pub fn text(&self, key: &str) -> Result<&str, ImportError> {
        self.optional_text(key)?.ok_or_else(|| self.wrong(key, "a text"))
    }

    pub fn optional_text(&self, key: &str) -> Result<Option<&str>, ImportError> {
        match &self.value[key] {
            Value::Null => Ok(None),
            value => value.as_str().map(Some).ok_or_else(|| self.wrong(key, "a text")),
        }
    }

    /// An object inside this one; without fields when it is absent.
    pub fn object(&self, key: &str) -> Result<Fields, ImportError> {
        match &self.value[key] {
            value @ (Value::Null | Value::Object(_)) => Ok(Fields::new(&self.path, value.clone())),
            _ => Err(self.wrong(key, "an object")),
        }
    }

    /// Refuses a configuration that has this field.
    pub fn refuse(&self, key: &str, expected: &str) -> Result<(), ImportError> {
        match &self.value[key] {
            Value::Null => Ok(()),
            _ => Err(self.about().unsupported(key, expected)),
        }
    }

    /// The activation under the first of `keys` that is there.
    pub fn activation(&self, keys: &[&str], usual: Activation) -> Result<Activation, ImportError> {
        let mut found = None;
        for key in keys {
            found = found.or(self.optional_text(key)?);
        }
        match found {
            None => Ok(usual),
            Some("silu" | "swish") => Ok(Activation::Silu),
            Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => Ok(Activation::GeluTanh),
            Some("gelu") => Ok(Activation::Gelu),
            Some("relu") => Ok(Activation::Relu),
            Some(other) => {
                let feature = format!("the activation {other:?}");
                Err(self.about().unsupported(feature, "silu, gelu_new, gelu_pytorch_tanh, gelu or relu"))
            }
        }
    }

    /// The kinds of all layers from a list of `[[kinds], times]`, as GPT-Neo writes it.
    pub fn layer_kinds(&self, key: &str, layers: usize) -> Result<Vec<String>, ImportError> {
        let wrong = || self.wrong(key, "a list of [[\"global\" or \"local\", ...], times] for all layers");
        let mut kinds = Vec::new();
        for group in self.value[key].as_array().ok_or_else(wrong)? {
            let names = group[0].as_array().ok_or_else(wrong)?;
            let times = group[1].as_u64().ok_or_else(wrong)?;
            if names.is_empty() || times > layers as u64 {
                return Err(wrong());
            }
            for name in (0..times).flat_map(|_| names) {
                let name =
                    name.as_str().filter(|name| ["global", "local"].contains(name)).ok_or_else(wrong)?;
                kinds.push(name.to_owned());
                if kinds.len() > layers {
                    return Err(wrong());
                }
            }
        }
        if kinds.len() == layers { Ok(kinds) } else { Err(wrong()) }
    }
}

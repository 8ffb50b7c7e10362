//! A JSON object read with care: every number is checked to be one that a model can have.

use super::super::Activation;
use super::error::{About, ImportError};
use super::keys::{self, Keys, Unread};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// No size of a model is larger; products of three of them fit 64 bits.
const SIZE_MAX: u64 = 1 << 20;
const LAYERS_MAX: usize = 4096;

/// The fields of a configuration, which remember what was asked for.
pub struct Fields {
    path: PathBuf,
    /// The names of the objects that this one lies in, each with a full stop.
    prefix: String,
    value: Value,
    read: RefCell<BTreeSet<String>>,
}

impl Fields {
    pub fn new(path: &Path, value: Value) -> Self {
        Self { path: path.to_owned(), prefix: String::new(), value, read: RefCell::default() }
    }

    /// The value of a field, null where it is absent; from now on it counts as used.
    fn get(&self, key: &str) -> &Value {
        self.read.borrow_mut().insert(key.to_owned());
        &self.value[key]
    }

    /// Whether a field is there, be it null.
    pub fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    /// Holds the fields that nothing asked for against a table of known ones; gives a warning of those that are unknown.
    pub fn check_all_read(&self, keys: &Keys) -> Result<Option<String>, ImportError> {
        let read = self.read.borrow();
        let fields = self.value.as_object().into_iter().flatten();
        let unread = fields.filter(|(key, _)| !read.contains(*key)).map(|(key, value)| Unread {
            key: key.clone(),
            name: format!("{}{key}", self.prefix),
            value: value.clone(),
        });
        keys::check(&self.about(), unread, keys)
    }

    /// Refuses fields that nothing asked for, unless a table knows that they change nothing: for objects where every field matters.
    pub fn check_all_known(&self, keys: &Keys) -> Result<(), ImportError> {
        match self.check_all_read(keys)? {
            Some(warning) => Err(self.about().unsupported(warning, "a rotary embedding of known keys")),
            None => Ok(()),
        }
    }

    /// An object without fields.
    pub fn nothing(&self) -> Fields {
        Fields::new(&self.path, Value::Null)
    }

    pub fn about(&self) -> About<'_> {
        About(&self.path)
    }

    pub fn is_present(&self) -> bool {
        !self.value.is_null()
    }

    pub fn is_same(&self, other: &Self) -> bool {
        self.value == other.value
    }

    fn wrong(&self, key: &str, expected: &str) -> ImportError {
        let (found, key) = (&self.value[key], format!("{}{key}", self.prefix));
        self.about().damaged(match found.is_null() {
            true => format!("{key} is missing; expected {expected}"),
            false => format!("{key} is {}; expected {expected}", keys::shown(found)),
        })
    }

    /// A size that must be there.
    pub fn size(&self, key: &str) -> Result<usize, ImportError> {
        let missing = || self.wrong(key, "a whole number from 1 to 1048576");
        self.optional_size(key)?.ok_or_else(missing)
    }

    pub fn optional_size(&self, key: &str) -> Result<Option<usize>, ImportError> {
        match self.get(key) {
            Value::Null => Ok(None),
            value => match value.as_u64().filter(|size| (1..=SIZE_MAX).contains(size)) {
                Some(size) => Ok(Some(size as usize)),
                None => Err(self.wrong(key, "a whole number from 1 to 1048576")),
            },
        }
    }

    /// A number of things, which may be none.
    pub fn count(&self, key: &str) -> Result<Option<usize>, ImportError> {
        if self.get(key).as_u64() == Some(0) { Ok(Some(0)) } else { self.optional_size(key) }
    }

    /// How many positions a layer sees; `None` where every way to say "no limit" stands, or as many as there are positions.
    pub fn window(&self, key: &str, context: usize) -> Result<Option<usize>, ImportError> {
        let value = self.get(key);
        let is_off =
            keys::is_off(value) || value.as_i64() == Some(-1) || value.as_f64() >= Some(context as f64);
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
        match self.get(key) {
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
        match self.get(key) {
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
        self.get(key).as_array().ok_or_else(wrong)?.iter().map(number).collect()
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
        match self.get(key) {
            Value::Null => Ok(None),
            value => {
                value.as_f64().map(|number| Some(number as f32)).ok_or_else(|| self.wrong(key, "a number"))
            }
        }
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>, ImportError> {
        match self.get(key) {
            Value::Null => Ok(None),
            value => value.as_bool().map(Some).ok_or_else(|| self.wrong(key, "true or false")),
        }
    }

    pub fn text(&self, key: &str) -> Result<&str, ImportError> {
        self.optional_text(key)?.ok_or_else(|| self.wrong(key, "a text"))
    }

    pub fn optional_text(&self, key: &str) -> Result<Option<&str>, ImportError> {
        match self.get(key) {
            Value::Null => Ok(None),
            value => value.as_str().map(Some).ok_or_else(|| self.wrong(key, "a text")),
        }
    }

    /// An object inside this one; without fields when it is absent.
    pub fn object(&self, key: &str) -> Result<Fields, ImportError> {
        match self.get(key) {
            value @ (Value::Null | Value::Object(_)) => {
                let prefix = format!("{}{key}.", self.prefix);
                Ok(Fields { prefix, ..Fields::new(&self.path, value.clone()) })
            }
            _ => Err(self.wrong(key, "an object")),
        }
    }

    /// Refuses a configuration that has this field.
    pub fn refuse(&self, key: &str, expected: &str) -> Result<(), ImportError> {
        match self.get(key) {
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

    /// The kinds of all layers from a list of `[[kinds], times]`, as GPT-Neo writes it; beside it may stand the list of all.
    pub fn layer_kinds(&self, key: &str, listed: &str, layers: usize) -> Result<Vec<String>, ImportError> {
        let wrong = || self.wrong(key, "a list of [[\"global\" or \"local\", ...], times] for all layers");
        let mut kinds = Vec::new();
        for group in self.get(key).as_array().ok_or_else(wrong)? {
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
        if kinds.len() != layers {
            return Err(wrong());
        }
        match self.get(listed) {
            Value::Null => Ok(kinds),
            all if *all == Value::from(kinds.clone()) => Ok(kinds),
            _ => Err(self.wrong(listed, &format!("the kinds of {key}, one for each layer"))),
        }
    }
}

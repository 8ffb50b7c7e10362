//! What lies in a folder: which of its files are a model, and what to say of a folder without one.

use super::error::{About, ImportError};
use super::hugging_face::CONFIG;
use super::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Far more than a model has; a folder of another kind is not read to its end.
const ENTRIES_MAX: usize = 4096;
/// Names that a message lists.
const LISTED: usize = 6;
const ADAPTER: &str = "adapter_config.json";
const PYTORCH: &str = "Convert it with transformers: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(FOLDER, \
                       safe_serialization=True)";
const OTHER_FRAMEWORK: &str = "Export the model again as safetensors or GGUF";

/// Weights of other programs by the beginnings of their names, or the ends: what they are, and what to do.
const OTHERS: &[(&str, &str, &str)] = &[
    ("pytorch_model", "weights of PyTorch", PYTORCH),
    ("consolidated.", "weights of PyTorch in the first release's names", PYTORCH),
    (".bin", "weights or vocabularies", "Name the file itself if it is a checkpoint of llama2.c"),
    (".pt", "weights of PyTorch", PYTORCH),
    (".pth", "weights of PyTorch", PYTORCH),
    (".ckpt", "weights of PyTorch", PYTORCH),
    (".h5", "weights of TensorFlow", OTHER_FRAMEWORK),
    (".msgpack", "weights of Flax", OTHER_FRAMEWORK),
    (".onnx", "weights of ONNX", OTHER_FRAMEWORK),
    (".npz", "weights of NumPy or MLX", OTHER_FRAMEWORK),
    (".tflite", "weights of TensorFlow Lite", OTHER_FRAMEWORK),
];

/// A file that is one of several: `PREFIX-00001-of-00003.EXTENSION`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    prefix: String,
    /// From 1.
    pub number: usize,
    pub count: usize,
    extension: String,
}

impl Part {
    pub fn of(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (prefix, number) = rest.rsplit_once('-')?;
        let digits = |text: &str| text.parse().ok().filter(|_| text.len() == 5);
        let (number, count) = (digits(number)?, digits(count)?);
        let is_sound = (1..=count).contains(&number);
        is_sound.then(|| Self { prefix: prefix.into(), number, count, extension: extension.into() })
    }

    /// The names of all parts, the first first.
    pub fn all(&self) -> impl Iterator<Item = String> + '_ {
        (1..=self.count)
            .map(|number| format!("{}-{number:05}-of-{:05}.{}", self.prefix, self.count, self.extension))
    }
}

/// The files of a folder by their names.
pub struct Folder {
    path: PathBuf,
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
}

impl Folder {
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let failed = |source| About(path).io(source);
        let mut found = Self { path: path.to_owned(), files: BTreeSet::new(), folders: BTreeSet::new() };
        for entry in path.read_dir().map_err(failed)?.take(ENTRIES_MAX) {
            let entry = entry.map_err(failed)?;
            let names = if entry.path().is_dir() { &mut found.folders } else { &mut found.files };
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
        Ok(found)
    }

    pub fn has(&self, name: &str) -> bool {
        self.files.contains(name)
    }

    pub fn has_adapter(&self) -> bool {
        self.has(ADAPTER)
    }

    /// Names with an extension, those of LoRA adapters left out.
    pub fn with_extension(&self, extension: &str) -> Vec<&str> {
        let is_one = |name: &&String| {
            let own = Path::new(name).extension().is_some_and(|own| own.eq_ignore_ascii_case(extension));
            own && !name.starts_with("adapter_")
        };
        self.files.iter().filter(is_one).map(String::as_str).collect()
    }

    /// The one GGUF model of the folder, of a split one its first part; `None` when there is none.
    ///
    /// # Errors
    /// When there are several.
    pub fn gguf(&self) -> Result<Option<PathBuf>, ImportError> {
        let all = self.with_extension("gguf");
        // The part of a model that sees pictures lies beside the part that speaks.
        let is_projector = |name: &&str| name.starts_with("mmproj");
        let mut models: Vec<&str> = all.iter().copied().filter(|name| !is_projector(name)).collect();
        let first = |name: &str| Part::of(name).and_then(|part| part.all().next()).unwrap_or(name.into());
        models.dedup_by_key(|name| first(name));
        match models[..] {
            [] => Ok(None),
            [one] => Ok(Some(self.path.join(one))),
            _ => {
                let found = format!("{} GGUF models: {}", models.len(), listed(&models));
                Err(self.refuse(found, "Name one of them"))
            }
        }
    }

    fn refuse(&self, found: impl Into<String>, advice: impl Into<String>) -> ImportError {
        ImportError::OtherFolder { path: self.path.clone(), found: found.into(), advice: advice.into() }
    }

    /// Why a folder without weights that are read here holds no model.
    pub fn without_model(&self) -> ImportError {
        if let Some(error) = self.adapter() {
            return error;
        }
        let config = if self.has(CONFIG) { " beside config.json, but no *.safetensors" } else { "" };
        let safetensors = self.with_extension("safetensors");
        if !safetensors.is_empty() {
            let found = format!("{} without its config.json", listed(&safetensors));
            return self.refuse(found, "Put the config.json of the model beside it");
        }
        let other = OTHERS.iter().find_map(|(end, what, advice)| {
            let fits = |name: &&str| name.starts_with(end) || end.starts_with('.') && name.ends_with(end);
            let names: Vec<&str> = self.files.iter().map(String::as_str).filter(fits).collect();
            (!names.is_empty()).then(|| self.refuse(format!("{} ({what}){config}", listed(&names)), *advice))
        });
        if let Some(error) = other {
            return error;
        }
        if let Some(inner) = self.folders.iter().find(|name| self.path.join(name).join(CONFIG).exists()) {
            return self
                .refuse("no model itself", format!("Name its folder {inner}, which holds config.json"));
        }
        if self.has(CONFIG) {
            return self.refuse("config.json but no weights", "Put the weights beside it");
        }
        let names: Vec<&str> = self.files.iter().chain(&self.folders).map(String::as_str).collect();
        match names.is_empty() {
            true => self.refuse("nothing", "Name the folder or the file of a model"),
            false => self.refuse(
                format!("no model, only {}", listed(&names)),
                "Name the folder or the file of a model",
            ),
        }
    }

    /// The refusal of a folder with a LoRA adapter.
    fn adapter(&self) -> Option<ImportError> {
        let is_weights = |name: &&String| name.starts_with("adapter_model.");
        if !self.has_adapter() && !self.files.iter().any(|name| is_weights(&name)) {
            return None;
        }
        let config = json::read_if_present(&self.path.join(ADAPTER)).unwrap_or_default();
        let base = config["base_model_name_or_path"].as_str();
        let base = base.map(|base| format!(" for {base:?}")).unwrap_or_default();
        Some(self.refuse(format!("a LoRA adapter{base}, not a whole model"), MERGE))
    }
}

pub const MERGE: &str = "Merge it into its base model: PeftModel.from_pretrained(BASE, ADAPTER).merge_and_unload(), then \
                         save_pretrained";

/// Names for a message.
fn listed(names: &[&str]) -> String {
    let more = names.len().saturating_sub(LISTED);
    let shown = names[..names.len().min(LISTED)].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// Files of a set that are not there, for a message.
pub fn missing(folder: &Path, names: impl Iterator<Item = String>) -> Option<String> {
    let missing: Vec<String> = names.filter(|name| !folder.join(name).exists()).collect();
    let names: Vec<&str> = missing.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| listed(&names))
}

//! The weights of a Hugging Face folder. The first of these that is there is taken:
//!
//! 1. the file that the user named, if it is not one of several;
//! 2. `model.safetensors`, as transformers does, whatever an index beside it says;
//! 3. the shards that `model.safetensors.index.json` names;
//! 4. shards without an index, if all of them are there;
//! 5. the only `*.safetensors` in the folder.
//!
//! Tensors are found under any of the names that wrappers give them (see [`bare`]).

use super::error::{About, ImportError};
use super::folder::{self, Folder, MERGE, Part};
use super::tensors::Tensors;
use super::{file, json, recognise};
use crate::packed::{Format, Packed};
use crate::text;
use bytes::Bytes;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const SHARDS_MAX: usize = 1024;
const WORD_BYTES: usize = 8;
const EXPECTED: &str = "a safetensors file with the weights of a model";
/// Parts of a name that wrappers of a module add anywhere in it: `torch.compile`, data parallel and sharded training.
const WRAPPERS: [&str; 4] = ["_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// Parts that stand in front: the module inside a model for a task, or inside one that sees pictures, too.
const OUTER: [&str; 6] = ["model", "transformer", "language_model", "text_model", "base_model", "llm"];

struct Shard {
    path: PathBuf,
    map: Bytes,
    metadata: Metadata,
    /// First byte of the tensors.
    data: usize,
}

/// Where a tensor lies.
struct Place {
    /// Its name in the file.
    name: String,
    shard: usize,
}

/// The files of a folder that are read.
struct Chosen {
    files: Vec<PathBuf>,
    /// What the index says that they hold.
    tensors: Vec<String>,
}

impl Chosen {
    fn without_index(files: Vec<PathBuf>) -> Self {
        Self { files, tensors: Vec::new() }
    }
}

/// The tensors of a folder.
pub struct SafetensorsFolder {
    folder: PathBuf,
    shards: Vec<Shard>,
    /// By bare names.
    places: BTreeMap<String, Place>,
    /// What was left aside.
    pub warnings: Vec<String>,
}

/// What all names of one tensor have in common: `_orig_mod.model.layers.0.mlp.up_proj.weight` and
/// `module.layers.0.mlp.up_proj.weight` are both `layers.0.mlp.up_proj.weight`.
fn bare(name: &str) -> String {
    let parts = name.split('.').filter(|part| !WRAPPERS.contains(part));
    parts.skip_while(|part| OUTER.contains(part)).collect::<Vec<_>>().join(".")
}

impl SafetensorsFolder {
    /// Opens the weights of a folder, or the one file of it that is named.
    ///
    /// # Errors
    /// When a file is missing or damaged, or two hold one tensor.
    pub fn open(folder: &Path, named: Option<&Path>) -> Result<Self, ImportError> {
        let mut found = Self {
            folder: folder.to_owned(),
            shards: Vec::new(),
            places: BTreeMap::new(),
            warnings: Vec::new(),
        };
        let chosen = found.choose(named)?;
        for path in chosen.files {
            found.add(path)?;
        }
        let holds = |name: &String| found.shards.iter().any(|shard| shard.metadata.info(name).is_some());
        match chosen.tensors.iter().find(|name| !holds(name)) {
            None => Ok(found),
            Some(name) => Err(About(&folder.join(INDEX)).damaged(format!(
                "no shard holds the tensor {name}, which the index names; expected the index of these shards"
            ))),
        }
    }

    fn choose(&mut self, named: Option<&Path>) -> Result<Chosen, ImportError> {
        let files = Folder::open(&self.folder)?;
        if files.has_adapter() {
            self.warnings.push(format!(
                "{}: adapter_config.json describes a LoRA adapter, which is not applied",
                self.folder.display()
            ));
        }
        let is_part =
            |path: &&Path| path.file_name().is_some_and(|name| Part::of(&name.to_string_lossy()).is_some());
        if let Some(named) = named.filter(|path| !is_part(path)) {
            return Ok(Chosen::without_index(vec![named.to_owned()]));
        }
        if files.has(SINGLE) {
            if files.has(INDEX) {
                self.warnings.push(format!(
                    "{}: {INDEX} is not used, since {SINGLE} lies beside it",
                    self.folder.display()
                ));
            }
            return Ok(Chosen::without_index(vec![self.folder.join(SINGLE)]));
        }
        if files.has(INDEX) {
            return self.indexed();
        }
        self.without_index(&files).map(Chosen::without_index)
    }

    /// The shards that the index names.
    fn indexed(&self) -> Result<Chosen, ImportError> {
        let path = self.folder.join(INDEX);
        let about = About(&path);
        let index = json::read(&path)?;
        let map = index["weight_map"].as_object();
        let names: Option<BTreeSet<&str>> =
            map.and_then(|map| map.values().map(|name| name.as_str()).collect());
        let Some(names) = names.filter(|names| !names.is_empty()) else {
            return Err(
                about.damaged("this is no index of shards; expected weight_map, the file of each tensor")
            );
        };
        if names.len() > SHARDS_MAX {
            return Err(
                about.damaged(format!("{} shards are named; expected at most {SHARDS_MAX}", names.len()))
            );
        }
        // A name with a folder in it could lead anywhere on this computer.
        let leads_out = |name: &&&str| Path::new(name).file_name().is_none_or(|plain| plain != **name);
        if let Some(name) = names.iter().find(leads_out) {
            return Err(
                about.damaged(format!("a shard is named {name:?}; expected a file of the same folder"))
            );
        }
        if let Some(missing) = folder::missing(&self.folder, names.iter().map(|name| (*name).to_owned())) {
            return Err(about.damaged(format!(
                "the index names {missing}, which is not in the folder; expected all {} shards beside it: download the rest",
                names.len()
            )));
        }
        let files = names.into_iter().map(|name| self.folder.join(name)).collect();
        let tensors = map.into_iter().flat_map(|map| map.keys().cloned()).collect();
        Ok(Chosen { files, tensors })
    }

    /// All parts of a set without an index, or the only file.
    fn without_index(&mut self, files: &Folder) -> Result<Vec<PathBuf>, ImportError> {
        let all = files.with_extension("safetensors");
        if let Some(part) = all.iter().find_map(|name| Part::of(name)) {
            if let Some(missing) = folder::missing(&self.folder, part.all()) {
                return Err(About(&self.folder).damaged(format!(
                    "the folder holds some of {} shards, but not {missing}; expected all of them: download the rest",
                    part.count
                )));
            }
            self.warnings.push(format!(
                "{}: there is no {INDEX}; all {} of {} shards are taken",
                self.folder.display(),
                part.count,
                part.count
            ));
            return Ok(part.all().map(|name| self.folder.join(name)).collect());
        }
        match all[..] {
            [one] => Ok(vec![self.folder.join(one)]),
            [] => Err(files.without_model()),
            _ => Err(About(&self.folder).damaged(format!(
                "the folder holds {} files of weights and no {SINGLE}; expected one: name the file",
                all.len()
            ))),
        }
    }

    fn add(&mut self, path: PathBuf) -> Result<(), ImportError> {
        let map = file::map(&path)?;
        let about = About(&path);
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|error| {
            let start = &map[..map.len().min(recognise::START_BYTES)];
            match recognise::foreign(start) {
                Some(found) => found.refuse(&path, EXPECTED),
                None => about.damaged(unreadable(&error)),
            }
        })?;
        // The crate has held shapes, types and offsets against the length of the file.
        let data = WORD_BYTES + header;
        for (name, info) in metadata.tensors() {
            if name.contains(".lora_A.") || name.contains(".lora_B.") {
                let feature = format!("a LoRA adapter (tensor {name})");
                return Err(about.unsupported(feature, format!("the weights of a whole model. {MERGE}")));
            }
            // Masks and positions; weights of few bits are kept in other integers.
            if matches!(info.dtype, Dtype::BOOL | Dtype::I64) {
                continue;
            }
            let place = Place { name: name.clone(), shard: self.shards.len() };
            if let Some(other) = self.places.insert(bare(&name), place) {
                return Err(about.damaged(match other.name == name {
                    true => format!("the tensor {name} stands in another shard, too; expected it once"),
                    false => {
                        format!("the tensors {name} and {} are two of one name; expected one", other.name)
                    }
                }));
            }
        }
        self.shards.push(Shard { path, map, metadata, data });
        Ok(())
    }

    fn place(&self, name: &str) -> Option<&Place> {
        self.places.get(&bare(name))
    }
}

/// Why a file is no safetensors file.
fn unreadable(error: &SafeTensorError) -> String {
    let reason = match error {
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
            "its header describes another length than the file has. It was not copied to its end, or is damaged".to_owned()
        }
        error => text::plain(error),
    };
    format!("this is no safetensors file that can be read: {reason}")
}

impl Tensors for SafetensorsFolder {
    fn path(&self) -> &Path {
        &self.folder
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let place = self.place(name)?;
        self.shards[place.shard].metadata.info(&place.name).map(|info| info.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Packed, ImportError> {
        let missing = || About(&self.folder).damaged(format!("the tensor {name} is missing"));
        let place = self.place(name).ok_or_else(missing)?;
        let shard = &self.shards[place.shard];
        let info = shard.metadata.info(&place.name).ok_or_else(missing)?;
        let (begin, end) = info.data_offsets;
        let about = About(&shard.path);
        let (begin, end) = (shard.data + begin, shard.data + end);
        if begin > end || end > shard.map.len() {
            return Err(about.damaged(format!("the tensor {name} lies outside the file")));
        }
        let format = match info.dtype {
            Dtype::F32 => &Format::F32,
            Dtype::F64 => &Format::F64,
            Dtype::F16 => &Format::F16,
            Dtype::BF16 => &Format::BF16,
            other => {
                let expected = "weights of F32, F64, F16 or BF16 (quantised models: use a GGUF file)";
                return Err(about.unsupported(format!("the type {other:?} of the tensor {name}"), expected));
            }
        };
        Ok(Packed { bytes: shard.map.slice(begin..end), format })
    }

    fn names(&self) -> Vec<String> {
        self.places.values().map(|place| place.name.clone()).collect()
    }

    fn name_in_file(&self, name: &str) -> String {
        self.place(name).map_or(name, |place| &place.name).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_do_not_change_what_a_tensor_is_called() {
        let name = "layers.0.mlp.up_proj.weight";
        for prefix in
            ["", "model.", "_orig_mod.model.", "module.", "model.language_model.", "language_model.model."]
        {
            assert_eq!(bare(&format!("{prefix}{name}")), name);
        }
        assert_eq!(bare("model.layers.0._orig_mod.mlp.up_proj.weight"), name);
        assert_eq!(
            bare("vision_tower.layers.0.mlp.up_proj.weight"),
            "vision_tower.layers.0.mlp.up_proj.weight"
        );
        assert_eq!(bare("transformer.h.0.attn.c_attn.weight"), "h.0.attn.c_attn.weight");
    }
}

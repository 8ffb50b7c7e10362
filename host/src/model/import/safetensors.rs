//! One `model.safetensors`, or the shards that `model.safetensors.index.json` names.

use super::error::{About, ImportError};
use super::file;
use super::tensors::Tensors;
use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const INDEX_BYTES_MAX: u64 = 64 << 20;
const SHARDS_MAX: usize = 1024;
const WORD_BYTES: usize = 8;

struct Shard {
    path: PathBuf,
    map: Mmap,
    metadata: Metadata,
    /// First byte of the tensors.
    data: usize,
}

/// The tensors of a folder.
pub struct SafetensorsFolder {
    folder: PathBuf,
    shards: Vec<Shard>,
    /// Shard of each tensor.
    places: BTreeMap<String, usize>,
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl SafetensorsFolder {
    /// Opens the weights of a folder: the index if there is one, else the single file.
    ///
    /// # Errors
    /// When a file is missing or damaged, or two hold one tensor.
    pub fn open(folder: &Path) -> Result<Self, ImportError> {
        let index = folder.join(INDEX);
        let single = folder.join(SINGLE);
        let mut found = Self { folder: folder.to_owned(), shards: Vec::new(), places: BTreeMap::new() };
        if let Some(bytes) = file::read_if_present(&index, INDEX_BYTES_MAX)? {
            found.add_indexed(&index, &bytes)?;
        } else if single.exists() {
            found.add(single)?;
        } else {
            return Err(About(folder).damaged(format!(
                "the folder has a configuration but no weights; expected {SINGLE} or {INDEX} beside it"
            )));
        }
        Ok(found)
    }

    fn add_indexed(&mut self, path: &Path, bytes: &[u8]) -> Result<(), ImportError> {
        let about = About(path);
        let index: Index = serde_json::from_slice(bytes)
            .map_err(|error| about.damaged(format!("this is no index of shards: {error}. Fetch it again")))?;
        let names: BTreeSet<&String> = index.weight_map.values().collect();
        if names.len() > SHARDS_MAX {
            return Err(
                about.damaged(format!("{} shards are named; expected at most {SHARDS_MAX}", names.len()))
            );
        }
        for name in names {
            // A name with a folder in it could lead anywhere on this computer.
            if Path::new(name).file_name().is_none_or(|plain| plain != name.as_str()) {
                return Err(
                    about.damaged(format!("a shard is named {name:?}; expected a file of the same folder"))
                );
            }
            self.add(self.folder.join(name))?;
        }
        match index.weight_map.keys().find(|tensor| !self.places.contains_key(*tensor)) {
            None => Ok(()),
            Some(tensor) => Err(about.damaged(format!(
                "no shard holds the tensor {tensor}, which the index names. Fetch the model again"
            ))),
        }
    }

    fn add(&mut self, path: PathBuf) -> Result<(), ImportError> {
        let map = file::map(&path)?;
        let about = About(&path);
        let damaged = |error| about.damaged(format!("this is no safetensors file: {error}. Fetch it again"));
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(damaged)?;
        // The crate has held shapes, types and offsets against the length of the file.
        let data = WORD_BYTES + header;
        for name in metadata.tensors().keys() {
            if self.places.insert(name.clone(), self.shards.len()).is_some() {
                return Err(about.damaged(format!(
                    "the tensor {name} stands in another shard, too. Fetch the model again"
                )));
            }
        }
        self.shards.push(Shard { path, map, metadata, data });
        Ok(())
    }
}

impl Tensors for SafetensorsFolder {
    fn path(&self) -> &Path {
        &self.folder
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let shard = &self.shards[*self.places.get(name)?];
        shard.metadata.info(name).map(|info| info.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, ImportError> {
        let missing = || About(&self.folder).damaged(format!("the tensor {name} is missing"));
        let shard = &self.shards[*self.places.get(name).ok_or_else(missing)?];
        let info = shard.metadata.info(name).ok_or_else(missing)?;
        let (begin, end) = info.data_offsets;
        let about = About(&shard.path);
        let bytes = shard.map.get(shard.data + begin..shard.data + end);
        let bytes = bytes.ok_or_else(|| about.damaged(format!("the tensor {name} lies outside the file")))?;
        Ok(match info.dtype {
            Dtype::F32 => floats(bytes, f32::from_le_bytes),
            Dtype::F64 => floats(bytes, |word| f64::from_le_bytes(word) as f32),
            Dtype::F16 => floats(bytes, |word| half::f16::from_le_bytes(word).to_f32()),
            Dtype::BF16 => floats(bytes, |word| half::bf16::from_le_bytes(word).to_f32()),
            other => {
                let expected = "weights of F32, F64, F16 or BF16 (quantised models: use a GGUF file)";
                return Err(about.unsupported(format!("the type {other:?} of the tensor {name}"), expected));
            }
        })
    }

    fn names(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }
}

/// The numbers in little-endian bytes.
pub fn floats<const BYTES: usize>(bytes: &[u8], number: impl Fn([u8; BYTES]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|word| number(*word)).collect()
}

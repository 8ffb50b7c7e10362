//! Compiled images of large models in the cache folder, found by the content of all that they were made from.
//!
//! ```text
//!  model and tokenizer files, chip, this executable ─► SHA-256 ─► ~/.cache/lpu/images/HASH
//! ```
//!
//! A file is a line of JSON ([`Kept`]), then the image. Whatever changes makes another name, so that nothing stored is ever out of date.

use super::{GeometryChoice, ModelArguments};
use lpu_isa::image::Image;
use lpu_runtime::cache;
use lpu_verifier::{Verdict, VerifiedProgram};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The cache's entry.
pub const FOLDER: &str = "images";
/// Bytes of images that are kept; the ones that were used longest ago go first.
const BYTES_MAX: u64 = 2 << 30;
/// Bytes of a model from which on its image is kept: smaller ones compile in a second or two.
const LARGE: u64 = 16 << 20;

/// What is told of an image when it is read again.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct About {
    /// What the import left aside.
    pub warnings: Vec<String>,
    /// Why the program has fewer positions than the model.
    pub context_limit: Option<String>,
    /// Why the chip was chosen.
    pub choice: Option<String>,
}

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Hash of the image that the verifier accepted.
    verdict: u64,
    about: About,
}

/// Where the image of a large model is kept.
pub fn place(arguments: &ModelArguments) -> Option<PathBuf> {
    let files = files(&arguments.model).ok()?;
    let bytes: u64 = files.iter().filter_map(|file| fs::metadata(file).ok()).map(|facts| facts.len()).sum();
    (bytes >= LARGE).then(|| place_of(arguments, &files)).flatten()
}

fn place_of(arguments: &ModelArguments, files: &[PathBuf]) -> Option<PathBuf> {
    let folder = cache::folder().ok()?.join(FOLDER);
    let mut hash = Sha256::new();
    let mut add = |path: &Path| -> io::Result<()> {
        hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update(fs::metadata(path)?.len().to_le_bytes());
        io::copy(&mut File::open(path)?, &mut hash).map(|_| ())
    };
    for path in files.iter().chain(&arguments.tokenizer) {
        add(path).ok()?;
    }
    add(&std::env::current_exe().ok()?).ok()?;
    let chip = match arguments.geometry {
        None => String::new(),
        Some(GeometryChoice::Virtual) => "virtual".into(),
        Some(GeometryChoice::Named(geometry)) => format!("{:016x}", geometry.hash()),
    };
    hash.update(chip);
    let name: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Some(folder.join(name))
}

/// The files of a model, by name.
fn files(model: &Path) -> io::Result<Vec<PathBuf>> {
    if !model.is_dir() {
        return Ok(vec![model.to_owned()]);
    }
    let entries = fs::read_dir(model)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = entries.into_iter().filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

/// The image that was kept, if it is there and whole.
pub fn find(place: &Path) -> Option<(VerifiedProgram, About)> {
    let bytes = fs::read(place).ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let Kept { verdict, about } = serde_json::from_slice(&bytes[..end]).ok()?;
    let image = Image::decode(&bytes[end + 1..]).ok()?;
    let program = VerifiedProgram::recalled(image, Verdict(verdict))?;
    // Used now: the one that goes last. A cache that is only read stays as it is.
    _ = File::options().append(true).open(place).and_then(|file| file.set_modified(SystemTime::now()));
    Some((program, about))
}

/// Keeps an image, and removes what the cache has no room for.
///
/// # Errors
/// The cache cannot be written.
pub fn keep(place: &Path, program: &VerifiedProgram, about: About) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let kept = Kept { verdict: program.verdict().0, about };
    serde_json::to_writer(&mut file, &kept)?;
    file.write_all(b"\n")?;
    file.write_all(&program.encode())?;
    file.persist(place)?;
    make_room(folder, BYTES_MAX)
}

fn make_room(folder: &Path, bytes_max: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        files.push((facts.modified()?, facts.len(), entry.path()));
    }
    files.sort_by(|a, b| b.cmp(a));
    let mut total = 0;
    for (_, bytes, path) in files {
        total += bytes;
        if total > bytes_max {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        for (age, name) in ["new", "middle", "old"].into_iter().enumerate() {
            let path = folder.path().join(name);
            fs::write(&path, [0; 100]).expect("written");
            let time = SystemTime::now() - Duration::from_secs(100 * age as u64);
            File::options().append(true).open(&path).and_then(|file| file.set_modified(time)).expect("dated");
        }
        make_room(folder.path(), 250).expect("room");
        let left = |name: &str| folder.path().join(name).exists();
        assert_eq!(["new", "middle", "old"].map(left), [true, true, false]);
    }

    #[test]
    fn a_change_of_a_file_changes_the_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let model = folder.path().join("model.gguf");
        let place_of = |content: &str, geometry| {
            fs::write(&model, content).expect("written");
            let arguments = ModelArguments { model: model.clone(), tokenizer: None, geometry };
            assert_eq!(place(&arguments), None, "so small a model is not kept");
            place_of(&arguments, std::slice::from_ref(&model)).expect("a place")
        };
        let first = place_of("one", None);
        assert_eq!(first, place_of("one", None));
        assert_ne!(first, place_of("two", None));
        assert_ne!(first, place_of("one", Some(GeometryChoice::Virtual)));
    }
}

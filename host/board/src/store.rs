//! Finished stages of builds: folders named by the hash of all that went into them.

use super::Error;
use lpu_runtime::cache;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Start of the name of a folder that is being filled; the number of the process that fills it follows.
const DRAFT: &str = ".draft-";

/// The name of a stage's inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Hashes parts, each with its length, so that no two lists of parts are spelled alike.
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// All 64 hexadecimal digits.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The first 64 bits.
    pub fn number(&self) -> u64 {
        u64::from_str_radix(&self.0[..16], 16).expect("a SHA-256 in hexadecimal")
    }
}

/// A folder of finished stages.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The user's own store.
    pub fn default_root() -> Result<PathBuf, Error> {
        let cache = cache::folder().map_err(|error| Error::Input(error.to_string()))?;
        Ok(cache.join("build"))
    }

    /// Opens a store, making its folder, and removes what builds that were interrupted left.
    pub fn open(root: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(|error| Error::file(root, &error))?;
        let entries = fs::read_dir(root).map_err(|error| Error::file(root, &error))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.strip_prefix(DRAFT).is_some_and(is_left_over) {
                // Another build may be removing it as well.
                _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The folder of a stage, and whether it was there before. `fill` makes it when it was not.
    pub fn stage(
        &self,
        name: &str,
        key: &Key,
        fill: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<(PathBuf, bool), Error> {
        let place = self.root.join(format!("{name}-{}", &key.text()[..16]));
        if place.is_dir() {
            return Ok((place, true));
        }
        // Threads of one process may make the same stage.
        static DRAFTS: AtomicUsize = AtomicUsize::new(0);
        let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let draft = self.root.join(format!("{DRAFT}{}-{number}-{name}", std::process::id()));
        let made = fs::create_dir_all(&draft).map_err(|error| Error::file(&draft, &error));
        let finished = made.and_then(|()| fill(&draft)).and_then(|()| match fs::rename(&draft, &place) {
            // Another build of the same inputs was first; its result is as good.
            Err(_) if place.is_dir() => Ok(()),
            result => result.map_err(|error| Error::file(&place, &error)),
        });
        _ = fs::remove_dir_all(&draft);
        finished.map(|()| (place, false))
    }

    /// Puts a finished file where people look for it: whole or not at all.
    pub fn publish(&self, board: &str, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        let folder = self.root.join(board);
        fs::create_dir_all(&folder).map_err(|error| Error::file(&folder, &error))?;
        let (place, draft) = (folder.join(name), folder.join(format!(".{name}.{}", std::process::id())));
        let written = fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, &place));
        written.map_err(|error| {
            // It may not even have been created.
            _ = fs::remove_file(&draft);
            Error::file(&place, &error)
        })?;
        Ok(place)
    }
}

/// Whether the process that made a draft is gone. Where processes cannot be looked up, a draft is kept.
fn is_left_over(rest: &str) -> bool {
    let process = rest.split('-').next().unwrap_or_default();
    Path::new("/proc/self").exists() && !Path::new("/proc").join(process).exists()
}

/// Makes a file of one stage appear in another's folder, without a copy where the disk can.
pub fn bring(from: &Path, to: &Path) -> Result<(), Error> {
    fs::hard_link(from, to)
        .or_else(|_| fs::copy(from, to).map(|_| ()))
        .map_err(|error| Error::file(to, &error))
}

/// Writes a file of a stage.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|error| Error::file(path, &error))
}

/// Reads a file of a stage.
pub fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| Error::file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_made_once_and_failures_leave_nothing() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = Key::of(&["a", "b"]);
        let failed = store.stage("place", &key, |draft| {
            write(&draft.join("half"), "of it")?;
            Err(Error::Failed("no route".into()))
        });
        assert_eq!(failed, Err(Error::Failed("no route".into())));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let (place, cached) = store.stage("place", &key, |draft| write(&draft.join("whole"), "it")).unwrap();
        assert!(!cached && read(&place.join("whole")).unwrap() == "it");
        let again = store.stage("place", &key, |_| panic!("made twice")).unwrap();
        assert_eq!(again, (place, true));
    }

    #[test]
    fn drafts_of_dead_processes_are_removed_and_others_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        // No process has this number: it is beyond the kernel's largest.
        let dead = folder.path().join(".draft-4194999-place");
        let alive = folder.path().join(format!(".draft-{}-place", std::process::id()));
        for draft in [&dead, &alive] {
            fs::create_dir(draft).unwrap();
        }
        Store::open(folder.path()).unwrap();
        assert!(!dead.exists() && alive.exists());
    }

    #[test]
    fn keys_tell_parts_apart() {
        assert_ne!(Key::of(&["ab", "c"]), Key::of(&["a", "bc"]));
        assert_ne!(Key::of(&["a", ""]), Key::of(&["a"]));
    }

    #[test]
    fn a_work_folder_that_is_a_file_is_refused_in_words() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let words = Store::open(&file).unwrap_err().to_string();
        assert!(words.starts_with(&format!("cannot use {}: ", file.display())), "{words}");
    }
}

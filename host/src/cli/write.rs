//! Files that are complete or absent.

use super::Failure;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file beside its place, then renames it, so that no reader ever sees half of it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = Beside::new(path)?;
    write_new(&file.temporary, bytes).map_err(|error| failed(path, &error))?;
    file.finish()
}

/// A file that someone fills under another name; without [`Beside::finish`] it is removed.
pub struct Beside {
    path: PathBuf,
    temporary: PathBuf,
}

impl Beside {
    /// A name beside `path`.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().ok_or_else(|| failed(path, &io::ErrorKind::InvalidFilename.into()))?;
        if path.is_dir() {
            return Err(failed(path, &io::ErrorKind::IsADirectory.into()));
        }
        let temporary = format!(".{}.{}.part", name.to_string_lossy(), std::process::id());
        Ok(Self { path: path.to_owned(), temporary: path.with_file_name(temporary) })
    }

    /// The name under which the file is filled.
    #[cfg(feature = "waves")]
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Gives the file its name.
    pub fn finish(self) -> Result<(), Failure> {
        fs::rename(&self.temporary, &self.path).map_err(|error| failed(&self.path, &error))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have its name by now, or never have been created.
        _ = fs::remove_file(&self.temporary);
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::input(format!(
        "cannot write {}: {error}. Name a file in a folder that you may write",
        path.display()
    ))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

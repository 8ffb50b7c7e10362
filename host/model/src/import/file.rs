//! Files as bytes: mapped when they hold weights, read when they are small.

use super::error::{About, ImportError};
use bytes::Bytes;
use memmap2::Mmap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Opens a file that must be one, and says how long it is.
pub fn open(path: &Path) -> Result<(File, u64), ImportError> {
    let about = About(path);
    let file = File::open(path).map_err(|error| about.io(error))?;
    let metadata = file.metadata().map_err(|error| about.io(error))?;
    if !metadata.is_file() {
        return Err(ImportError::NotAFile { path: path.to_owned() });
    }
    Ok((file, metadata.len()))
}

/// Maps a file, so that only the pages in use take memory. It stays mapped for as long as any part of the result lives.
pub fn map(path: &Path) -> Result<Bytes, ImportError> {
    let (file, _) = open(path)?;
    // A map is as safe as the file is quiet. Every byte is only ever read as a plain number, and a file that another program
    // shortens while its model is in use ends this one, as it would with any program that maps it.
    #[expect(unsafe_code, reason = "the operating system offers no safe way to map a file")]
    let map = unsafe { Mmap::map(&file) };
    map.map(Bytes::from_owner).map_err(|error| About(path).io(error))
}

/// Reads a whole file of at most `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>, ImportError> {
    let (file, found) = open(path)?;
    if found > most {
        return Err(ImportError::TooLarge { path: path.to_owned(), found, most });
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|error| About(path).io(error))?;
    Ok(bytes)
}

/// As [`read`]; `None` when there is no such file.
pub fn read_if_present(path: &Path, most: u64) -> Result<Option<Vec<u8>>, ImportError> {
    if path.exists() { read(path, most).map(Some) } else { Ok(None) }
}

/// The first `most` bytes of a file, and how long it is.
pub fn start(path: &Path, most: usize) -> Result<(Vec<u8>, u64), ImportError> {
    let (file, length) = open(path)?;
    let mut bytes = Vec::new();
    file.take(most as u64).read_to_end(&mut bytes).map_err(|error| About(path).io(error))?;
    Ok((bytes, length))
}

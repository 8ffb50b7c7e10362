//! Where a command's files go, so that nothing that was there is destroyed.
//!
//! ```text
//!  absent, or a regular file ─► a new file beside it, which takes its name once it is complete
//!  pipe, device, terminal ────► written in place
//!  -, /dev/stdout ────────────► standard output, which then carries nothing else
//! ```
//!
//! Symbolic links are followed to the file that they name, whether it exists or not.

use super::Failure;
use rustix::fs::{Access, access};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// What users write for standard output.
const STANDARD_OUTPUT: &str = "-";
/// Permissions of a new file, less those that the user's mask takes away.
const NEW_FILE: u32 = 0o666;
/// Symbolic links that are followed one after the other, as many as Linux follows.
const LINKS_MAX: usize = 40;

/// A place that a command will write to.
#[derive(Clone, Debug)]
pub struct Target {
    /// As the user wrote it.
    path: PathBuf,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    StandardOutput,
    /// Something that is no regular file: it is opened and written.
    Special(PathBuf),
    /// A regular file, there or not.
    File(PathBuf),
}

impl Target {
    /// Looks at a place before the work whose result it gets.
    ///
    /// # Errors
    /// It is a folder, or nothing may be written there.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let place = place(path).map_err(|error| failed(path, &error))?;
        Ok(Self { path: path.to_owned(), place })
    }

    pub fn is_standard_output(&self) -> bool {
        self.place == Place::StandardOutput
    }

    /// Whether both are the same regular file.
    pub fn is_file(&self, other: &Path) -> bool {
        matches!(&self.place, Place::File(path) if other.canonicalize().is_ok_and(|other| other == *path))
    }

    /// The regular file that is written or replaced, with its links followed.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            _ => None,
        }
    }

    /// Writes all of the content. What was there stays until that has succeeded.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        if let Place::File(_) = self.place {
            let mut draft = self.clone().draft()?;
            draft.file.as_file_mut().write_all(bytes).map_err(|error| failed(&self.path, &error))?;
            return draft.finish();
        }
        self.copy(bytes)
    }

    /// A file that is filled step by step, and gets its place when it is complete.
    pub fn draft(self) -> Result<Draft, Failure> {
        let folder = match &self.place {
            Place::File(path) => path.parent().unwrap_or(Path::new("/")).to_owned(),
            _ => std::env::temp_dir(),
        };
        let permissions = Permissions::from_mode(NEW_FILE);
        let file =
            Builder::new().prefix(".lpu-").suffix(".part").permissions(permissions).tempfile_in(folder);
        let file = file.map_err(|error| failed(&self.path, &error))?;
        Ok(Draft { target: self, file })
    }

    /// Writes to what is no regular file.
    fn copy(&self, mut content: impl Read) -> Result<(), Failure> {
        let copied = match &self.place {
            Place::StandardOutput => {
                let mut out = io::stdout().lock();
                return Ok(io::copy(&mut content, &mut out).and_then(|_| out.flush())?);
            }
            Place::Special(path) | Place::File(path) => {
                OpenOptions::new().write(true).truncate(true).open(path).and_then(|mut out| {
                    io::copy(&mut content, &mut out)?;
                    out.flush()
                })
            }
        };
        copied.map_err(|error| failed(&self.path, &error))
    }
}

/// A file that is being filled. Without [`Draft::finish`] it is removed, and the target keeps what it had.
#[derive(Debug)]
pub struct Draft {
    target: Target,
    file: NamedTempFile,
}

impl Draft {
    /// The name under which the file is filled.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The file, for who writes it from the start.
    pub fn reopen(&self) -> Result<File, Failure> {
        self.file.reopen().map_err(|error| failed(&self.target.path, &error))
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.file.as_file().metadata().is_ok_and(|found| found.len() == 0)
    }

    /// Puts the content in its place.
    pub fn finish(self) -> Result<(), Failure> {
        let Self { target, file } = self;
        let failed = |error: io::Error| failed(&target.path, &error);
        match &target.place {
            Place::File(path) => {
                if let Ok(old) = fs::metadata(path) {
                    keep_owner_and_permissions(file.as_file(), &old).map_err(failed)?;
                }
                file.as_file().sync_all().map_err(failed)?;
                file.persist(path).map(|_| ()).map_err(|error| failed(error.error))
            }
            _ => target.copy(file.reopen().map_err(failed)?),
        }
    }
}

/// Writes a file whole: what was there stays until that has succeeded.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Target::new(path)?.write(bytes)
}

fn keep_owner_and_permissions(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Only root may give files away; others may at least write a new one where they may write the folder.
        _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
    file.set_permissions(old.permissions())
}

fn place(path: &Path) -> io::Result<Place> {
    if path == Path::new(STANDARD_OUTPUT) {
        return Ok(Place::StandardOutput);
    }
    let path = follow(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    if folder.starts_with("/proc") {
        // Links of open files: what they name cannot be replaced under its name.
        let own = Path::new("/proc/self/fd").canonicalize().is_ok_and(|own| own == folder);
        let is_standard_output = own && path.ends_with("1");
        return Ok(if is_standard_output { Place::StandardOutput } else { Place::Special(path) });
    }
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(found) => {
            access(&path, Access::WRITE_OK)?;
            Ok(if found.is_file() { Place::File(path) } else { Place::Special(path) })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            access(folder, Access::WRITE_OK)?;
            Ok(Place::File(path))
        }
        Err(error) => Err(error),
    }
}

/// The path behind symbolic links. The last name need not exist; its folder must.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Some(name) = path.file_name() else { return path.canonicalize() };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
        let real = folder.join(name);
        match fs::read_link(&real) {
            Ok(link) if !folder.starts_with("/proc") => path = folder.join(link),
            _ => return Ok(real),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        ErrorKind::NotFound => "Create the folder first, or name a file in another one",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "Free some space, or name a file on another disk"
        }
        ErrorKind::BrokenPipe => "Its reader has closed it",
        _ => "Name a file that you may write, in a folder that you may write",
    };
    Failure::input(format!("cannot write {}: {error}. {advice}", path.display()))
}

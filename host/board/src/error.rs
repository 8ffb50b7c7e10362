//! What can go wrong between a board's description and a running bitstream.

use std::path::Path;

/// Why a build or a board did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something that the user can mend: a name, a missing tool, a full disk, a cable.
    #[error("{0}")]
    Input(String),
    /// A tool or the design failed: a clock was missed, a router gave up.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// A file that could not be written or read.
    pub(super) fn file(path: &Path, error: &std::io::Error) -> Self {
        let next = match error.kind() {
            std::io::ErrorKind::StorageFull => {
                ": free some space, or name a folder on another disk with --out or XDG_CACHE_HOME; what is finished is kept"
            }
            std::io::ErrorKind::PermissionDenied => {
                ": name a folder that you may write with --out or XDG_CACHE_HOME"
            }
            _ => "",
        };
        Self::Input(format!("cannot use {}: {error}{next}", path.display()))
    }
}

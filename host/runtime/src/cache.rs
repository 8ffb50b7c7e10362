//! Where files lie that can be made again.

use etcetera::{BaseStrategy, base_strategy::Xdg};
use std::path::PathBuf;

/// A user without a home.
#[derive(Debug, thiserror::Error)]
#[error("expected HOME or XDG_CACHE_HOME for the cache folder, found neither: set one of them")]
pub struct NoHome;

/// The folder of this project in the user's cache folder: `$XDG_CACHE_HOME/lpu`, by default `~/.cache/lpu`.
///
/// # Errors
/// The user has no home folder.
pub fn folder() -> Result<PathBuf, NoHome> {
    Ok(Xdg::new().map_err(|_| NoHome)?.cache_dir().join("lpu"))
}

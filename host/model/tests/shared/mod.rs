//! The pretrained models that tests use where they are present; they are not part of the repository.

use std::path::PathBuf;

/// The folder of a shared model: `$LPU_SHARED/models/NAME`, else `../shared/models/NAME` beside the workspace.
/// `None`, with a printed line, where it is absent: the test then has nothing to compare with.
pub fn model_folder(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("LPU_SHARED").map_or_else(beside, PathBuf::from);
    let folder = shared.join("models").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: the shared model {name} is absent (set LPU_SHARED to the folder that holds models/)");
    None
}

//! The fuzzers' corpus, fed on the stable compiler: nothing panics, everything returns, and no file costs more than twice its size.

use lpu_runtime::chat;
use peak_alloc::PeakAlloc;
use std::path::{Path, PathBuf};

#[path = "../../../fuzz/feed.rs"]
mod feed;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What any file may cost: buffers and error texts, whatever its size.
const CONSTANT_BYTES: usize = 1 << 20;
/// A template may make texts as long as its fuel pays for, 64 bytes each.
const TEMPLATE_BYTES: usize = 64 * chat::FUEL_MAX as usize;

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).expect("the corpus is committed");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    assert!(files.len() >= 8, "{} has {} files", folder.display(), files.len());
    files
}

/// A folder of the corpus, what it is fed to, and what its files may cost.
type Target = (&'static str, fn(&[u8]), usize);

/// One test, because the allocator counts for all threads.
#[test]
fn hostile_files_are_refused_or_harmless_and_cost_little_memory() {
    let targets: [Target; 5] = [
        ("gguf", feed::gguf, CONSTANT_BYTES),
        ("hugging_face", feed::hugging_face, CONSTANT_BYTES),
        ("llama2c", feed::llama2c, CONSTANT_BYTES),
        ("image", feed::image, CONSTANT_BYTES),
        ("chat_template", feed::chat_template, TEMPLATE_BYTES),
    ];
    for (target, feed, constant) in targets {
        for path in corpus(target) {
            let data = std::fs::read(&path).expect("the corpus can be read");
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            feed(&data);
            let cost = MEMORY.peak_usage().saturating_sub(before);
            let most = 2 * data.len() + constant;
            assert!(cost <= most, "{}: {cost} bytes; expected at most {most}", path.display());
        }
    }
}

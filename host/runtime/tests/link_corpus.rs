//! The inputs that fuzzing keeps of the serial link, each taken once more; and as many random ones, made of them.

#[path = "../../../fuzz/link.rs"]
mod link;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::path::Path;

/// Damaged copies of each input.
const COPIES: u64 = 40;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder is read").path()).collect();
    files.sort();
    assert!(files.len() > 5, "{} holds a corpus", folder.display());
    files.iter().map(|file| std::fs::read(file).expect("the file is read")).collect()
}

/// Takes each input, then copies with some bytes changed, taken out or put in.
fn replay(target: &str, take: impl Fn(&[u8])) {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for input in corpus(target) {
        take(&input);
        for _ in 0..COPIES {
            let mut copy = input.clone();
            for _ in 0..1 + random.next_u32() % 4 {
                let place = random.next_u32() as usize % copy.len();
                match random.next_u32() % 3 {
                    0 => copy[place] = random.next_u32() as u8,
                    1 => copy.insert(place, random.next_u32() as u8),
                    _ if copy.len() > 1 => _ = copy.remove(place),
                    _ => {}
                }
            }
            take(&copy);
        }
    }
}

#[test]
fn boards_take_the_corpus() {
    replay("link_board", link::board);
}

#[test]
fn hosts_take_the_corpus() {
    replay("link_host", link::host);
}

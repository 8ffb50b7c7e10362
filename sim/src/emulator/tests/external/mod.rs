//! What transfers move and when, on a small chip with external memory: frames of 390 cycles with a refresh of 8 and eleven slots of 32.

mod device;
mod formats;
mod moves;
mod timing;

use super::*;
use crate::device::HostPort;
use lpu_isa::host::Space;

const CHIP: Geometry = Geometry::NANO_SDRAM;
/// Bits and bytes of a granule.
const GRANULE: usize = 512;
const BYTES: usize = 64;

fn transfer(granules: i32, transfer: Transfer) -> Instruction {
    op(control(0, granules, 1), Op::Transfer(transfer))
}

/// As [`transfer`], with an empty slot before it.
fn turned(granules: i32, transfer: Transfer) -> Instruction {
    op(control(32, granules, 1), Op::Transfer(transfer))
}

/// A program of all queues for the chip with external memory.
pub fn external(
    matrix: &[Instruction],
    vector: &[Instruction],
    transfers: &[Instruction],
    dram: Vec<u8>,
) -> Image {
    let image = image(matrix, vector);
    let words: Vec<Word> =
        transfers.iter().chain(&end(40)).map(|instruction| instruction.encode().expect("fits")).collect();
    Image { geometry: CHIP, transfer: words, dram, ..image }
}

/// Bits of numbers one after the other, little endian, as bytes.
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, width: usize, value: i64) {
        self.0.extend((0..width).map(|bit| value >> bit & 1 == 1));
    }

    fn pad(&mut self, unit: usize) {
        self.0.resize(self.0.len().next_multiple_of(unit), false);
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        self.0.chunks(8).map(byte).collect()
    }
}

/// External memory as the host reads it.
fn dram(emulator: &mut Emulator, address: usize, count: usize) -> Vec<u8> {
    let words = emulator.read(Space::Dram, address as u32 / 8, count / 8).expect("it answers");
    words.iter().flat_map(|word| word[..8].to_vec()).collect()
}

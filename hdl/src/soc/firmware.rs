//! The committed image of the firmware, which `firmware/build.sh` makes.

/// The image's bytes, from address zero.
const BYTES: &[u8] = include_bytes!("../../../firmware/image.bin");

/// The firmware as words of the soft core's memory.
pub fn firmware() -> Vec<u32> {
    BYTES.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect()
}

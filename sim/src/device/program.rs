//! What a program is to a device, and which runs of it make sense: the part of every device that no wire changes.

use super::{DeviceError, HostWord, Identity, RunRequest, from_number};
use lpu_isa::Geometry;
use lpu_isa::arith::{Scalar, WORD_BITS};
use lpu_isa::host::{DRAM_WORD_BYTES, HOST_WORD_BYTES, QUEUE_PART_BITS, Space, scale};
use lpu_isa::image::{self, Image, ModelInfo};
use lpu_isa::instruction::{Word, isa_hash};

/// Factor that spreads seeds: the generator ignores low bits, so that neighbouring numbers would give one text.
const SEED_SPREAD: u32 = 0x9e37_79b9;

/// The seed that the chip takes for a user's.
pub fn spread(seed: u32) -> u32 {
    seed.wrapping_mul(SEED_SPREAD)
}

/// The words of a program, space by space, each from address zero.
pub fn program_words(image: &Image) -> Vec<(Space, Vec<HostWord>)> {
    let mut spaces = chip_words(image);
    if image.geometry.has_external_memory() {
        spaces.push((Space::Dram, dram_words(&image.dram)));
    }
    spaces
}

/// The words of a program but those of external memory, which may be a thousand times as many.
pub(super) fn chip_words(image: &Image) -> Vec<(Space, Vec<HostWord>)> {
    let words = |bytes: Vec<u8>| bytes.as_chunks::<HOST_WORD_BYTES>().0.to_vec();
    let mut spaces = vec![
        (Space::Weights, words(image::pack_nines(&image.weights))),
        (Space::Vmem, words(image::pack_words(&image.vmem))),
        (Space::MatrixQueue, queue_words(&image.matrix)),
        (Space::VectorQueue, queue_words(&image.vector)),
    ];
    if image.geometry.has_external_memory() {
        spaces.push((Space::TransferQueue, queue_words(&image.transfer)));
    }
    spaces
}

/// External memory, eight bytes a word.
pub(super) fn dram_words(bytes: &[u8]) -> Vec<HostWord> {
    let word = |bytes: &[u8]| {
        let mut word = HostWord::default();
        word[..bytes.len()].copy_from_slice(bytes);
        word
    };
    bytes.chunks(DRAM_WORD_BYTES).map(word).collect()
}

/// Every part of every instruction; the chip ignores parts that an instruction does not have.
fn queue_words(queue: &[Word]) -> Vec<HostWord> {
    let parts = |word: &Word| {
        let mut parts = word.to_vec();
        parts.resize(1 << QUEUE_PART_BITS, 0);
        parts
    };
    queue.iter().flat_map(parts).map(from_number).collect()
}

impl Identity {
    /// Checks that an image is for this device.
    ///
    /// # Errors
    /// Another instruction set or geometry, or a section that is too large.
    pub fn check(&self, image: &Image) -> Result<(), DeviceError> {
        let expected = isa_hash(&image.geometry);
        if self.isa_hash != expected {
            return Err(DeviceError::Isa { found: self.isa_hash, expected });
        }
        let Geometry { name, mxm_lanes, vxm_lanes, .. } = image.geometry;
        if self.geometry_hash != image.geometry.hash() {
            return Err(DeviceError::Geometry { image: name, device: self.geometry_hash });
        }
        let sections = [
            ("weights", image.weights.len(), image.geometry.weight_rows * mxm_lanes),
            ("vector memory", image.vmem.len(), image.geometry.vmem_rows * vxm_lanes),
            ("matrix queue", image.matrix.len(), image.geometry.matrix_queue_depth),
            ("vector queue", image.vector.len(), image.geometry.vector_queue_depth),
            ("transfer queue", image.transfer.len(), image.geometry.transfer_queue_depth),
            (
                "external memory",
                image.dram.len(),
                image.geometry.dram_granules * image.geometry.granule_bytes(),
            ),
        ];
        let larger = sections.iter().find(|(_, found, room)| found > room);
        larger.map_or(Ok(()), |section| Err(DeviceError::TooLarge(section.0)))
    }
}

/// A loaded program, as far as runs depend on it.
#[derive(Clone, Debug)]
pub struct Loaded {
    geometry: Geometry,
    /// Facts about the model.
    pub model: ModelInfo,
}

impl Loaded {
    /// The program of an image.
    pub fn new(image: &Image) -> Self {
        Self { geometry: image.geometry, model: image.model.clone() }
    }

    /// The positions that a request executes at most.
    ///
    /// # Errors
    /// It begins outside the context, has a token that the model lacks, or nothing to do.
    pub fn limit(&self, request: &RunRequest) -> Result<usize, DeviceError> {
        let Self { geometry, model } = self;
        let context = (model.context as usize).min(geometry.positions);
        if request.start_position >= context {
            return Err(DeviceError::Position { found: request.start_position, context: context as u32 });
        }
        if let Some(&found) = request.prompt.iter().find(|&&token| u32::from(token) >= model.vocab) {
            return Err(DeviceError::Token { found, vocab: model.vocab });
        }
        let limit = request.limit.min(context - request.start_position);
        if limit == 0 { Err(DeviceError::NothingToDo) } else { Ok(limit) }
    }

    /// The inverse temperature of a request, as the chip's register holds it.
    pub fn scale(&self, request: &RunRequest) -> u32 {
        // Without sampling the logits stay as they are.
        let factor = request.sampling.unwrap_or(Scalar::ONE);
        (scale::MANTISSA.put(factor.mantissa as u64) | scale::EXPONENT.put(factor.exponent as u64)) as u32
    }

    /// The memory that holds the logits, and where: first host word and host words of each group of rows.
    pub fn logits_parts(&self) -> (Space, Vec<(usize, usize)>) {
        let (geometry, model) = (&self.geometry, &self.model);
        let first = model.logits_row as usize;
        let rows = (model.vocab as usize).div_ceil(geometry.vxm_lanes);
        if !geometry.has_external_memory() {
            let words = geometry.host_words_per_vmem_row();
            return (Space::Vmem, vec![(first * words, rows * words)]);
        }
        let words = geometry.granule_bytes() / DRAM_WORD_BYTES;
        let group = if model.logits_rows == 0 { rows.max(1) } else { model.logits_rows as usize };
        let part = |number: usize| {
            let address = (first + number * model.logits_step as usize) * words;
            let bits = group.min(rows - number * group) * geometry.vxm_lanes * WORD_BITS as usize;
            (address, bits.div_ceil(DRAM_WORD_BYTES * 8))
        };
        (Space::Dram, (0..rows.div_ceil(group)).map(part).collect())
    }

    /// The logits in the bytes of these words, part by part.
    pub fn logits(&self, parts: &[Vec<u8>]) -> Vec<i32> {
        let logits = parts.iter().flat_map(|bytes| match self.geometry.has_external_memory() {
            true => dram_logits(bytes),
            false => image::unpack(bytes, WORD_BITS).collect(),
        });
        logits.take(self.model.vocab as usize).collect()
    }
}

/// The words of vector memory in host words of external memory.
fn dram_logits(bytes: &[u8]) -> Vec<i32> {
    let words = bytes.as_chunks::<HOST_WORD_BYTES>().0.iter().flat_map(|word| &word[..DRAM_WORD_BYTES]);
    let packed: Vec<u8> = words.copied().collect();
    let width = WORD_BITS as usize;
    let signed = |raw: u64| (raw as i32) << (32 - WORD_BITS) >> (32 - WORD_BITS);
    let count = packed.len() * 8 / width;
    (0..count).map(|index| signed(lpu_isa::transfer::bits(&packed, index * width, width))).collect()
}

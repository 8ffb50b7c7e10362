//! The program image: all that a chip must hold to run a model, and what its host must know of it.
//!
//! Layout, little endian: magic `LPUIMAGE`, format version (u32), [`isa_hash`] (u64), the geometry's sizes and its clock
//! (u64 each), then the sections in the order of [`Image`]'s fields, each with its length in front, then the [`Fnv`] hash of everything before it.

use crate::hash::Fnv;
use crate::instruction::{PARTS, Queue, Word, isa_hash};
use crate::{Geometry, host};
use alloc::string::String;
use alloc::vec::Vec;

/// First bytes of an image.
pub const MAGIC: [u8; 8] = *b"LPUIMAGE";
/// Version of the layout.
pub const VERSION: u32 = 4;
/// Largest size of a geometry: keeps products of sizes small.
const SIZE_MAX: usize = 1 << 28;

/// A compiled program with its memories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The chip it is made for.
    pub geometry: Geometry,
    /// Facts about the model.
    pub model: ModelInfo,
    /// Matrix queue.
    pub matrix: Vec<Word>,
    /// Vector queue.
    pub vector: Vec<Word>,
    /// Transfer queue; empty on chips without external memory.
    pub transfer: Vec<Word>,
    /// Weight memory from row 0, `mxm_lanes` nine-bit integers a row.
    pub weights: Vec<i16>,
    /// Vector memory from row 0, `vxm_lanes` words a row.
    pub vmem: Vec<i32>,
    /// External memory from granule 0.
    pub dram: Vec<u8>,
    /// The tokenizer in llama2.c's format, or nothing.
    pub tokenizer: Vec<u8>,
}

/// What a host must know of a model to run it and to report on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelInfo {
    /// Name shown to users.
    pub name: String,
    /// Tokens of the vocabulary.
    pub vocab: u32,
    /// Positions that can be executed.
    pub context: u32,
    /// Parameters of the model.
    pub parameters: u64,
    /// Vector memory row of the first logits; on chips with external memory their first granule.
    pub logits_row: u32,
    /// Fraction bits of a logit (natural units).
    pub logit_fraction_bits: u32,
    /// Token before the first one, or [`host::NO_TOKEN`].
    pub bos: u32,
    /// Token that ends a text, or [`host::NO_TOKEN`].
    pub eos: u32,
    /// Multiply-accumulates of one token apart from attention.
    pub macs: u64,
    /// Further multiply-accumulates per position seen, the current one included.
    pub macs_per_position: u64,
    /// Rows of logits that lie together; zero: all.
    pub logits_rows: u32,
    /// Granules from one such group of rows to the next.
    pub logits_step: u32,
    /// The position at which runs begin: 1 if keys and values of position 0, where `bos` stands, are part of the image.
    pub first_position: u32,
}

/// Why bytes are not an image for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// The first bytes are not [`MAGIC`].
    NotAnImage,
    /// Another layout version.
    Version(u32),
    /// Compiled for another instruction set, whose hash this is.
    Isa { found: u64, expected: u64 },
    /// The bytes end inside this section.
    Truncated(&'static str),
    /// Bytes stand after the end.
    Trailing(usize),
    /// The hash at the end does not match: the file was damaged.
    Damaged,
    /// A section holds what it cannot: its name.
    Invalid(&'static str),
}

impl core::fmt::Display for ImageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotAnImage => {
                write!(f, "expected a program image beginning with `LPUIMAGE`, found other bytes")
            }
            Self::Version(found) => {
                write!(
                    f,
                    "expected image version {VERSION}, found {found}: compile the model again with this tool"
                )
            }
            Self::Isa { found, expected } => write!(
                f,
                "expected an image for instruction set {expected:016x}, found one for {found:016x}: compile the model again"
            ),
            Self::Truncated(section) => {
                write!(f, "the image ends inside its section `{section}`: copy it again")
            }
            Self::Trailing(bytes) => {
                write!(f, "{bytes} bytes stand after the end of the image: copy it again")
            }
            Self::Damaged => {
                write!(f, "the image's checksum does not match its contents: copy or compile it again")
            }
            Self::Invalid(section) => {
                write!(f, "the image's section `{section}` holds an impossible value: compile it again")
            }
        }
    }
}

impl core::error::Error for ImageError {}

/// Packs nine-bit integers, eight to a host word.
pub fn pack_nines(values: &[i16]) -> Vec<u8> {
    pack(values.iter().map(|&value| value as u64 & 0x1ff), 8, 9, values.len())
}

/// Packs words, four to a host word.
pub fn pack_words(values: &[i32]) -> Vec<u8> {
    pack(values.iter().map(|&value| value as u64 & 0x3ffff), 4, 18, values.len())
}

fn pack(mut values: impl Iterator<Item = u64>, per_word: usize, bits: u32, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count.div_ceil(per_word) * host::HOST_WORD_BYTES);
    for _ in 0..count.div_ceil(per_word) {
        let mut word = 0u128;
        for lane in 0..per_word {
            word |= u128::from(values.next().unwrap_or(0)) << (lane as u32 * bits);
        }
        bytes.extend_from_slice(&word.to_le_bytes()[..host::HOST_WORD_BYTES]);
    }
    bytes
}

/// The signed integers of `bits` bits in host words.
pub fn unpack(bytes: &[u8], bits: u32) -> impl Iterator<Item = i32> + '_ {
    let per_word = 72 / bits;
    bytes.chunks_exact(host::HOST_WORD_BYTES).flat_map(move |chunk| {
        let mut word = [0u8; 16];
        word[..host::HOST_WORD_BYTES].copy_from_slice(chunk);
        let word = u128::from_le_bytes(word);
        (0..per_word).map(move |lane| {
            let raw = (word >> (lane * bits)) as u64 & ((1 << bits) - 1);
            (((raw << (64 - bits)) as i64) >> (64 - bits)) as i32
        })
    })
}

impl Image {
    /// An image without a program.
    pub fn empty(geometry: Geometry) -> Self {
        Self {
            geometry,
            model: ModelInfo::default(),
            matrix: Vec::new(),
            vector: Vec::new(),
            transfer: Vec::new(),
            weights: Vec::new(),
            vmem: Vec::new(),
            dram: Vec::new(),
            tokenizer: Vec::new(),
        }
    }

    /// The instructions of a queue.
    pub fn queue(&self, queue: Queue) -> &[Word] {
        match queue {
            Queue::Matrix => &self.matrix,
            Queue::Vector => &self.vector,
            Queue::Transfer => &self.transfer,
        }
    }

    /// The image as a file.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&isa_hash(&self.geometry).to_le_bytes());
        for size in self.geometry.sizes() {
            bytes.extend_from_slice(&(size as u64).to_le_bytes());
        }
        bytes.extend_from_slice(&self.geometry.clock_hz.to_le_bytes());
        section(&mut bytes, &self.model.encode());
        for queue in Queue::ALL {
            let words: Vec<u8> =
                self.queue(queue).iter().flatten().flat_map(|part| part.to_le_bytes()).collect();
            section(&mut bytes, &words);
        }
        section(&mut bytes, &pack_nines(&self.weights));
        section(&mut bytes, &pack_words(&self.vmem));
        section(&mut bytes, &self.dram);
        section(&mut bytes, &self.tokenizer);
        let hash = Fnv::new().bytes(&bytes).finish();
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes
    }

    /// Reads an image; checks layout, checksum, instruction set and section sizes. Whether its program is legal is the
    /// verifier's question.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        if bytes.len() < 8 || bytes[..8] != MAGIC {
            return Err(ImageError::NotAnImage);
        }
        let mut reader = Reader { bytes: &bytes[8..] };
        let version = reader.u64_of(4, "version")? as u32;
        if version != VERSION {
            return Err(ImageError::Version(version));
        }
        let isa = reader.u64_of(8, "instruction set")?;
        let invalid = ImageError::Invalid("geometry");
        let mut sizes = [0; Geometry::SIZES.len()];
        for size in &mut sizes {
            let number = reader.u64_of(8, "geometry")?;
            *size = usize::try_from(number).ok().filter(|&size| size <= SIZE_MAX).ok_or(invalid)?;
        }
        let clock_hz = reader.u64_of(8, "geometry")?;
        let geometry = Geometry::of_sizes(sizes, clock_hz).ok_or(invalid)?;
        if isa != isa_hash(&geometry) {
            return Err(ImageError::Isa { found: isa, expected: isa_hash(&geometry) });
        }
        let model = reader.section("model")?;
        let matrix = queue(reader.section("matrix queue")?).ok_or(ImageError::Invalid("matrix queue"))?;
        let vector = queue(reader.section("vector queue")?).ok_or(ImageError::Invalid("vector queue"))?;
        let transfer =
            queue(reader.section("transfer queue")?).ok_or(ImageError::Invalid("transfer queue"))?;
        let weights = reader.section("weights")?;
        let vmem = reader.section("vector memory")?;
        let dram = reader.section("external memory")?.to_vec();
        let tokenizer = reader.section("tokenizer")?.to_vec();
        let end = bytes.len() - reader.bytes.len();
        let hash = reader.u64_of(8, "checksum")?;
        if !reader.bytes.is_empty() {
            return Err(ImageError::Trailing(reader.bytes.len()));
        }
        if hash != Fnv::new().bytes(&bytes[..end]).finish() {
            return Err(ImageError::Damaged);
        }
        let image = Self {
            geometry,
            model: ModelInfo::decode(model).ok_or(ImageError::Invalid("model"))?,
            matrix,
            vector,
            transfer,
            weights: unpack(weights, 9).map(|value| value as i16).collect(),
            vmem: unpack(vmem, 18).collect(),
            dram,
            tokenizer,
        };
        image.check_sizes()?;
        Ok(image)
    }

    fn check_sizes(&self) -> Result<(), ImageError> {
        let Geometry {
            mxm_lanes,
            vxm_lanes,
            weight_rows,
            vmem_rows,
            matrix_queue_depth,
            vector_queue_depth,
            transfer_queue_depth,
            ..
        } = self.geometry;
        let fits =
            |values: usize, lanes: usize, rows: usize| values.is_multiple_of(lanes) && values / lanes <= rows;
        if !fits(self.weights.len(), mxm_lanes, weight_rows) {
            return Err(ImageError::Invalid("weights"));
        }
        if !fits(self.vmem.len(), vxm_lanes, vmem_rows) {
            return Err(ImageError::Invalid("vector memory"));
        }
        if self.matrix.len() > matrix_queue_depth {
            return Err(ImageError::Invalid("matrix queue"));
        }
        if self.vector.len() > vector_queue_depth {
            return Err(ImageError::Invalid("vector queue"));
        }
        if self.transfer.len() > transfer_queue_depth {
            return Err(ImageError::Invalid("transfer queue"));
        }
        if self.dram.len() > self.geometry.dram_granules * self.geometry.granule_bytes() {
            return Err(ImageError::Invalid("external memory"));
        }
        Ok(())
    }

    /// Names the image: equal programs, memories and geometry have equal hashes.
    pub fn hash(&self) -> u64 {
        let bytes = self.encode();
        Fnv::new().bytes(&bytes).finish()
    }
}

impl ModelInfo {
    fn encode(&self) -> Vec<u8> {
        let numbers = [
            u64::from(self.vocab),
            u64::from(self.context),
            self.parameters,
            u64::from(self.logits_row),
            u64::from(self.logit_fraction_bits),
            u64::from(self.bos),
            u64::from(self.eos),
            self.macs,
            self.macs_per_position,
            u64::from(self.first_position),
            u64::from(self.logits_rows),
            u64::from(self.logits_step),
        ];
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, name) = bytes.split_at_checked(96)?;
        let mut numbers = numbers
            .chunks_exact(8)
            .map(|chunk| u64::from_le_bytes(chunk.try_into().expect("chunks of eight bytes")));
        let mut next = || numbers.next().expect("twelve numbers");
        Some(Self {
            vocab: u32::try_from(next()).ok()?,
            context: u32::try_from(next()).ok()?,
            parameters: next(),
            logits_row: u32::try_from(next()).ok()?,
            logit_fraction_bits: u32::try_from(next()).ok()?,
            bos: u32::try_from(next()).ok()?,
            eos: u32::try_from(next()).ok()?,
            macs: next(),
            macs_per_position: next(),
            first_position: u32::try_from(next()).ok()?,
            logits_rows: u32::try_from(next()).ok()?,
            logits_step: u32::try_from(next()).ok()?,
            name: core::str::from_utf8(name).ok()?.into(),
        })
    }
}

fn queue(bytes: &[u8]) -> Option<Vec<Word>> {
    let chunks = bytes.chunks_exact(PARTS * 8);
    if !chunks.remainder().is_empty() {
        return None;
    }
    let part = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().expect("chunks of eight bytes"));
    Some(
        chunks
            .map(|chunk| {
                let mut word = [0; PARTS];
                for (value, bytes) in word.iter_mut().zip(chunk.chunks_exact(8)) {
                    *value = part(bytes);
                }
                word
            })
            .collect(),
    )
}

fn section(bytes: &mut Vec<u8>, contents: &[u8]) {
    bytes.extend_from_slice(&(contents.len() as u64).to_le_bytes());
    bytes.extend_from_slice(contents);
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, section: &'static str) -> Result<&'a [u8], ImageError> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or(ImageError::Truncated(section))?;
        self.bytes = tail;
        Ok(head)
    }

    fn u64_of(&mut self, count: usize, section: &'static str) -> Result<u64, ImageError> {
        let mut number = [0; 8];
        number[..count].copy_from_slice(self.take(count, section)?);
        Ok(u64::from_le_bytes(number))
    }

    fn section(&mut self, name: &'static str) -> Result<&'a [u8], ImageError> {
        let length = usize::try_from(self.u64_of(8, name)?).map_err(|_| ImageError::Truncated(name))?;
        self.take(length, name)
    }
}

//! External memory: when granules move, and how rows lie in them.
//!
//! Time is divided into *frames* that begin anew at each segment: at the activation of a token's first instructions, and of those after each
//! meeting of the queues. A frame is `dram_refresh` cycles in which one refresh is executed, then as many *slots* as fit. A slot moves one
//! *granule*: a burst of eight beats in each bank, each bank opened for it and closed after it, so that no address is faster than another.
//!
//! ```text
//!  segment start
//!  |<- refresh ->|<- slot 0 ->|<- slot 1 ->| ... |<- refresh ->|<- slot S ->| ...
//!  |<--------------------- frame -------------------->|
//! ```
//!
//! Between two slots that move in opposite directions, with no refresh between them, one slot stays empty: a rule for programs.
//!
//! The bits of a run follow one another, little endian. A row of format `Rows` is its lanes. A row of codes is the next part of its result's
//! blocks. A block is a scale (16 bits, signed where there is no offset), an offset (16 bits signed) where there is one, and 32 codes.

use crate::Geometry;
use crate::arith::{WEIGHT_BITS, WORD_BITS, round_shift, saturate};
use crate::instruction::{Format, Transfer, Way};

/// Codes of a block.
pub const BLOCK_CODES: usize = 32;
/// Bits of a block's scale, and of its offset.
pub const SCALE_BITS: usize = 16;
/// Fraction bits that an offset has less than a product.
pub const OFFSET_SHIFT: u32 = 4;

/// The frames of a segment. Cycles count from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    frame: i64,
    refresh: i64,
    granule: i64,
    slots: i64,
}

impl Frames {
    /// The frames of a chip that has external memory.
    pub const fn of(geometry: &Geometry) -> Self {
        Self {
            frame: geometry.dram_frame as i64,
            refresh: geometry.dram_refresh as i64,
            granule: geometry.dram_granule_cycles as i64,
            slots: geometry.frame_slots() as i64,
        }
    }

    /// Number of the first slot that begins in a cycle or after it.
    pub const fn slot_from(&self, cycle: i64) -> i64 {
        let (frame, rest) = (cycle.div_euclid(self.frame), cycle.rem_euclid(self.frame) - self.refresh);
        let within = if rest <= 0 { 0 } else { (rest + self.granule - 1) / self.granule };
        let slot = frame * self.slots + if within < self.slots { within } else { self.slots };
        if slot < 0 { 0 } else { slot }
    }

    /// The cycle in which a slot begins.
    pub const fn begin(&self, slot: i64) -> i64 {
        slot / self.slots * self.frame + self.refresh + slot % self.slots * self.granule
    }

    /// The cycle in which it ends.
    pub const fn end(&self, slot: i64) -> i64 {
        self.begin(slot) + self.granule
    }
}

/// How the rows of a transfer lie in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Lanes of a row.
    pub lanes: usize,
    /// Bits of a lane in the chip's memory.
    pub lane_bits: u32,
    /// Bits of a code, or of a lane without blocks.
    code_bits: usize,
    /// Bits before the codes of a block; none without blocks.
    header_bits: usize,
    /// Codes of a result, without the zeros that fill its last row.
    codes: usize,
    rows_per_result: usize,
    blocks: bool,
    word_bits: usize,
    granule_bits: usize,
    run: usize,
}

impl Layout {
    /// The layout of a transfer on a chip. Rows go back as they are, whatever the format says.
    pub const fn of(geometry: &Geometry, transfer: &Transfer) -> Self {
        let (lanes, lane_bits) = match transfer.way {
            Way::Weights | Way::Kv | Way::FromKv => (geometry.mxm_lanes, WEIGHT_BITS),
            Way::Vmem | Way::FromVmem => (geometry.vxm_lanes, WORD_BITS),
        };
        let format = match transfer.way {
            Way::FromKv | Way::FromVmem => Format::Rows,
            _ => transfer.format,
        };
        let blocks = !matches!(format, Format::Rows);
        let code_bits = match format {
            Format::Rows => lane_bits as usize,
            Format::Codes4 => 4,
            Format::Codes5 => 5,
            Format::Codes6 => 6,
            Format::Codes8 => 8,
        };
        let blocks_of_result = if transfer.blocks == 0 { 1 } else { transfer.blocks as usize };
        let codes = if blocks { blocks_of_result * BLOCK_CODES } else { lanes };
        Self {
            lanes,
            lane_bits,
            code_bits,
            header_bits: if blocks { SCALE_BITS * (1 + transfer.offset_codes as usize) } else { 0 },
            codes,
            rows_per_result: codes.div_ceil(lanes),
            blocks,
            word_bits: geometry.dram_bits,
            granule_bits: geometry.granule_bytes() * 8,
            run: if transfer.run == 0 { 1 } else { transfer.run as usize },
        }
    }

    /// Rows of a run.
    pub const fn run(&self) -> usize {
        self.run
    }

    /// Bits of a granule.
    pub const fn granule_bits(&self) -> usize {
        self.granule_bits
    }

    /// Bits of a code, where rows are blocks of codes.
    pub const fn block_code_bits(&self) -> Option<u32> {
        if self.blocks { Some(self.code_bits as u32) } else { None }
    }

    /// Rows that one result takes.
    pub const fn rows_per_result(&self) -> usize {
        self.rows_per_result
    }

    /// Bits of a block with its header.
    pub const fn block_bits(&self) -> usize {
        self.header_bits + BLOCK_CODES * self.code_bits
    }

    /// Granules of a run.
    pub const fn run_granules(&self) -> usize {
        self.row_bits(self.run - 1).1.div_ceil(self.granule_bits)
    }

    /// First bit of a row within its run, and the bit after its last. The first row of a block takes the block's header.
    pub const fn row_bits(&self, row: usize) -> (usize, usize) {
        let first = row % self.rows_per_result * self.lanes;
        let end = if first + self.lanes < self.codes { first + self.lanes } else { self.codes };
        let begin = row / self.rows_per_result * self.result_bits();
        (begin + self.code_at(first), begin + self.code_end(end - 1))
    }

    /// Codes of a row that are not zeros to fill it: the number of its first code within the result, and how many.
    pub const fn row_codes(&self, row: usize) -> (usize, usize) {
        let first = row % self.rows_per_result * self.lanes;
        let left = self.codes - first;
        (first, if left < self.lanes { left } else { self.lanes })
    }

    /// First bit of a result within its run.
    pub const fn result_begin(&self, row: usize) -> usize {
        row / self.rows_per_result * self.result_bits()
    }

    /// Granule of a run and word of this granule that holds a bit.
    pub const fn word_of(&self, bit: usize) -> (usize, usize) {
        (bit / self.granule_bits, bit % self.granule_bits / self.word_bits)
    }

    const fn result_bits(&self) -> usize {
        if self.blocks { self.codes / BLOCK_CODES * self.block_bits() } else { self.codes * self.code_bits }
    }

    /// The bit after the last one of a code within its result.
    const fn code_end(&self, code: usize) -> usize {
        let header = if self.blocks { code / BLOCK_CODES * self.block_bits() + self.header_bits } else { 0 };
        header + if self.blocks { code % BLOCK_CODES + 1 } else { code + 1 } * self.code_bits
    }

    /// First bit that a code takes within its result, with the header where it begins a block.
    const fn code_at(&self, code: usize) -> usize {
        if !self.blocks {
            return code * self.code_bits;
        }
        let within = code % BLOCK_CODES;
        let header = if within == 0 { 0 } else { self.header_bits };
        code / BLOCK_CODES * self.block_bits() + header + within * self.code_bits
    }
}

/// What a code of a block stands for, in a lane of `lane_bits`: `saturate(round_shift(scale * q + offset * 2^4, shift))`. `q` is the code if the
/// block has an offset, else the code less half its range, and then the scale is signed.
pub const fn decode(
    scale: u16,
    offset: Option<i16>,
    code: u32,
    code_bits: u32,
    shift: u32,
    lane_bits: u32,
) -> i32 {
    let (product, base) = match offset {
        Some(offset) => (code as i64 * scale as i64, (offset as i64) << OFFSET_SHIFT),
        None => ((code as i64 - (1 << (code_bits - 1))) * scale as i16 as i64, 0),
    };
    saturate(round_shift(product + base, shift), lane_bits) as i32
}

/// The `width` bits from bit `at` on, little endian; bits beyond the bytes are zero.
pub fn bits(bytes: &[u8], at: usize, width: usize) -> u64 {
    let mut word = 0u128;
    let mut index = 0;
    while index < 9 {
        if let Some(&byte) = bytes.get(at / 8 + index) {
            word |= (byte as u128) << (8 * index);
        }
        index += 1;
    }
    (word >> (at % 8)) as u64 & (u64::MAX >> (64 - width))
}

/// Replaces the `width` bits from bit `at` on.
pub fn put_bits(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    let mut bit = 0;
    while bit < width {
        let (byte, shift) = ((at + bit) / 8, (at + bit) % 8);
        let count = if width - bit < 8 - shift { width - bit } else { 8 - shift };
        let mask = ((1u16 << count) - 1) as u8;
        let part = (value >> bit) as u8 & mask;
        bytes[byte] = bytes[byte] & !(mask << shift) | part << shift;
        bit += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_refreshes_and_one_another() {
        for geometry in Geometry::EXTERNAL {
            let frames = Frames::of(&geometry);
            let mut expected = 0;
            for slot in 0..500 {
                let begin = frames.begin(slot);
                assert_eq!(frames.slot_from(begin), slot);
                assert_eq!(frames.slot_from(begin - 1), slot);
                assert_eq!(frames.slot_from(begin + 1), slot + 1);
                let first = slot % geometry.frame_slots() as i64 == 0;
                let frame = slot / geometry.frame_slots() as i64 * geometry.dram_frame as i64;
                if first {
                    assert!(begin >= expected + geometry.dram_refresh as i64);
                    expected = frame + geometry.dram_refresh as i64;
                }
                assert_eq!(begin, expected);
                expected = frames.end(slot);
            }
        }
    }

    #[test]
    fn rows_of_codes_follow_one_another_and_end_with_their_result() {
        let chip = Geometry::ECP5_DDR3;
        let transfer = Transfer {
            format: Format::Codes4,
            offset_codes: true,
            blocks: 9,
            run: 10,
            ..Transfer::default()
        };
        let layout = Layout::of(&chip, &transfer);
        assert_eq!((layout.block_bits(), layout.rows_per_result()), (160, 5));
        assert_eq!(layout.row_bits(0), (0, 320));
        assert_eq!(layout.row_bits(4), (1280, 1440));
        assert_eq!(layout.row_bits(5), (1440, 1760));
        assert_eq!(layout.row_codes(4), (256, 32));
        assert_eq!(layout.run_granules(), 3);
        assert_eq!(layout.word_of(1440), (1, 6));
        let narrow = Layout::of(&Geometry::NANO_SDRAM, &Transfer { blocks: 1, run: 2, ..transfer });
        assert_eq!((narrow.row_bits(0), narrow.row_bits(1)), ((0, 96), (96, 160)));
    }

    #[test]
    fn rows_without_blocks_are_their_lanes() {
        let transfer = Transfer { way: Way::Kv, run: 16, ..Transfer::default() };
        let layout = Layout::of(&Geometry::ECP5_DDR3, &transfer);
        assert_eq!((layout.row_bits(3), layout.run_granules()), ((1728, 2304), 9));
        let words = Layout::of(&Geometry::ECP5_DDR3, &Transfer { way: Way::FromVmem, run: 1, ..transfer });
        assert_eq!(words.row_bits(0), (0, 288));
    }

    #[test]
    fn codes_stand_for_multiples_of_their_scale() {
        assert_eq!(decode(1 << 10, None, 0, 4, 10, 9), -8);
        assert_eq!(decode(-1024i16 as u16, None, 0, 4, 10, 9), 8);
        assert_eq!(decode(1 << 10, Some(-64), 15, 4, 10, 9), 14);
        assert_eq!(decode(u16::MAX, Some(0), 255, 8, 0, 9), 255);
    }

    #[test]
    fn bits_come_back() {
        let mut bytes = [0xff; 40];
        for (at, width, value) in
            [(3, 9, 0x155), (12, 64, 0x0123_4567_89ab_cdef), (200, 1, 0), (301, 18, 0x2_aaaa)]
        {
            put_bits(&mut bytes, at, width, value);
            assert_eq!(bits(&bytes, at, width), value);
        }
        assert_eq!(bits(&bytes, 0, 3), 7);
    }
}

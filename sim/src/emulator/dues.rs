//! In which cycles the rows of a transfer are issued: with the word that brings a row's last bit to the chip, or takes its first one back.

use lpu_isa::Geometry;
use lpu_isa::instruction::{Transfer, Way};
use lpu_isa::transfer::{BLOCK_CODES, Frames, Layout};

/// The cycles of the rows to come, one after the other, without a division each.
#[derive(Clone, Debug)]
pub(super) struct Dues {
    layout: Layout,
    frames: Frames,
    segment: i64,
    to_chip: bool,
    word_bits_log2: u32,
    granule_cycles: i64,
    frame_slots: usize,
    /// Bits of a row, and of a result's last one, where they are the same for all results.
    row_bits: Option<[usize; 2]>,
    /// Row that comes next: its number in the run and within its result, its first bit.
    k: usize,
    number: usize,
    bit: usize,
    /// First slot of the run, and granules of each.
    run_slot: i64,
    run_granules: i64,
    /// Slot of the row's granule, its place in the frame, its begin, and the first word of the run after it.
    slot: i64,
    place: usize,
    begin: i64,
    words: usize,
    due: i64,
}

impl Dues {
    /// The rows of a transfer whose first granule has this slot, counted from the start of the segment.
    pub fn new(geometry: &Geometry, transfer: &Transfer, layout: Layout, segment: i64, slot: i64) -> Self {
        let last = layout.row_bits(layout.rows_per_result() - 1);
        let uniform = layout.block_code_bits().is_none() || layout.lanes.is_multiple_of(BLOCK_CODES);
        let mut dues = Self {
            layout,
            frames: Frames::of(geometry),
            segment,
            to_chip: matches!(transfer.way, Way::Weights | Way::Kv | Way::Vmem),
            word_bits_log2: geometry.dram_bits.ilog2(),
            granule_cycles: geometry.dram_granule_cycles as i64,
            frame_slots: geometry.frame_slots(),
            row_bits: uniform.then_some([layout.row_bits(0).1, last.1 - last.0]),
            k: 0,
            number: 0,
            bit: 0,
            run_slot: slot,
            run_granules: layout.run_granules() as i64,
            slot,
            place: 0,
            begin: 0,
            words: 0,
            due: 0,
        };
        dues.begin_run(slot);
        dues
    }

    /// Cycle of the row that comes next.
    pub fn due(&self) -> i64 {
        self.due
    }

    /// Goes on to the row after it.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.bit = self.end();
        self.k += 1;
        self.number = if self.number + 1 == self.layout.rows_per_result() { 0 } else { self.number + 1 };
        if self.k == self.layout.run() {
            self.begin_run(self.run_slot + self.run_granules);
        } else {
            self.set_due();
        }
    }

    #[cold]
    fn begin_run(&mut self, slot: i64) {
        (self.run_slot, self.slot) = (slot, slot);
        (self.k, self.number, self.bit) = (0, 0, 0);
        self.place = slot as usize % self.frame_slots;
        self.begin = self.segment + self.frames.begin(slot);
        self.words = self.granule_cycles as usize;
        self.set_due();
    }

    #[inline(always)]
    fn set_due(&mut self) {
        let bit = if self.to_chip { self.end() - 1 } else { self.bit };
        let word = bit >> self.word_bits_log2;
        while word >= self.words {
            self.next_granule();
        }
        self.due = self.begin + (word + self.granule_cycles as usize - self.words) as i64;
    }

    /// Cycle of the last of some rows, if they are equally long and all in one frame, where they come at a steady rate; fewer of them if the frame
    /// ends before.
    pub fn steady(&self, rows: usize) -> Option<(usize, i64)> {
        let [row, last_row] = self.row_bits.filter(|_| self.to_chip)?;
        let granules_after = self.frame_slots - 1 - self.place;
        let frame_end = (self.words + granules_after * self.granule_cycles as usize) << self.word_bits_log2;
        let rows = rows.min(self.layout.run() - self.k).min((frame_end - self.bit) / row);
        if rows == 0 || row != last_row {
            return None;
        }
        let word = (self.bit + rows * row - 1) >> self.word_bits_log2;
        Some((rows, self.begin + (word + self.granule_cycles as usize - self.words) as i64))
    }

    /// Goes on by rows that are [`Dues::steady`].
    pub fn skip(&mut self, rows: usize) {
        self.k += rows - 1;
        self.number = (self.number + rows - 1) % self.layout.rows_per_result();
        self.bit += (rows - 1) * (self.end() - self.bit);
        self.advance();
    }

    /// First bit after the row that comes next.
    #[inline(always)]
    fn end(&self) -> usize {
        let last = self.number + 1 == self.layout.rows_per_result();
        match self.row_bits {
            Some([row, last_row]) => self.bit + if last { last_row } else { row },
            None => self.layout.row_bits(self.k).1,
        }
    }

    #[inline(always)]
    fn next_granule(&mut self) {
        self.slot += 1;
        self.place += 1;
        self.words += self.granule_cycles as usize;
        self.begin += self.granule_cycles;
        if self.place == self.frame_slots {
            self.next_frame();
        }
    }

    #[cold]
    fn next_frame(&mut self) {
        self.place = 0;
        self.begin = self.segment + self.frames.begin(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_isa::instruction::Format;

    /// Against the layout's and the frames' own formulas, at every phase of a frame, in three runs.
    #[test]
    fn rows_are_issued_with_their_word() {
        for geometry in Geometry::EXTERNAL {
            for (way, format, blocks) in [
                (Way::Weights, Format::Codes4, 3),
                (Way::Weights, Format::Codes8, 1),
                (Way::Kv, Format::Codes5, 2),
                (Way::Vmem, Format::Codes6, 3),
                (Way::Vmem, Format::Rows, 0),
                (Way::FromKv, Format::Rows, 0),
                (Way::FromVmem, Format::Rows, 0),
            ] {
                let transfer = Transfer { way, format, blocks, run: 70, ..Transfer::default() };
                let layout = Layout::of(&geometry, &transfer);
                let frames = Frames::of(&geometry);
                for slot in 0..geometry.frame_slots() as i64 {
                    let mut dues = Dues::new(&geometry, &transfer, layout, 1000, slot);
                    for row in 0..3 * 70 {
                        let (first, end) = layout.row_bits(row % 70);
                        let back = matches!(way, Way::FromKv | Way::FromVmem);
                        let (granule, word) = layout.word_of(if back { first } else { end - 1 });
                        let granule = row / 70 * layout.run_granules() + granule;
                        let expected = 1000 + frames.begin(slot + granule as i64) + word as i64;
                        assert_eq!(
                            dues.due(),
                            expected,
                            "{} {way:?} {format:?}, slot {slot}, row {row}",
                            geometry.name
                        );
                        if let Some((rows, last)) = dues.steady(70) {
                            let mut walked = dues.clone();
                            (1..rows).for_each(|_| walked.advance());
                            assert_eq!(
                                walked.due(),
                                last,
                                "{} {way:?}, {rows} rows from {row}",
                                geometry.name
                            );
                            walked.advance();
                            let mut skipped = dues.clone();
                            skipped.skip(rows);
                            assert_eq!(format!("{walked:?}"), format!("{skipped:?}"));
                        }
                        dues.advance();
                    }
                }
            }
        }
    }
}

//! What external memory holds: something, or what nobody ever wrote.
//!
//! # Invariants
//! 1. A part of a granule counts as known only when all its bits are: in the image, or written by a row that was known.
//! 2. A granule that was read as the image holds it is never written, and the other way round: every run reads the same.

use std::rc::Rc;

/// Parts of a granule that are known or not: as many as a word has bits.
const PARTS: usize = u64::BITS as usize;
/// Granules of a page.
const PAGE: usize = 512;

/// Which parts of external memory hold something. Pages that no token wrote hold what the image holds, and take no room.
/// Copies share their pages.
#[derive(Clone)]
pub(super) struct Dram {
    /// Bits of a granule, of the image from bit 0, and of a part.
    granule_bits: usize,
    image_bits: usize,
    part_bits: usize,
    pages: Vec<Option<Rc<Page>>>,
    /// A bit for each granule: whether it was read as the image holds it.
    constants: Vec<u64>,
}

/// Granules that tokens wrote, with others around them.
#[derive(Clone)]
struct Page {
    /// For each granule, a bit for each part that is known.
    known: [u64; PAGE],
    /// The last token that wrote it; 0 for none.
    token: [u32; PAGE],
}

impl Dram {
    pub fn new(granules: usize, granule_bits: usize, image_bytes: usize) -> Self {
        Self {
            granule_bits,
            image_bits: image_bytes * 8,
            part_bits: part_bits(granule_bits),
            pages: vec![None; granules.div_ceil(PAGE)],
            constants: vec![0; granules.div_ceil(PARTS)],
        }
    }

    /// The first granule of a range that holds nothing in some part.
    pub fn unknown(&self, first: usize, count: usize) -> Option<usize> {
        let mut granule = first;
        while granule < first + count {
            let next = (granule / PAGE + 1) * PAGE;
            let end = next.min(first + count);
            let found = match &self.pages[granule / PAGE] {
                None => Some(granule.max(self.image_bits / self.granule_bits)).filter(|&found| found < end),
                Some(page) => (granule..end).find(|at| page.known[at % PAGE] != self.whole()),
            };
            if found.is_some() {
                return found;
            }
            granule = next;
        }
        None
    }

    /// Whether all parts of a range of bits are known.
    pub fn knows(&self, first: usize, end: usize) -> bool {
        (first / self.part_bits..end.div_ceil(self.part_bits)).all(|part| self.part(part))
    }

    /// Reads granules that must not change from run to run: what the image holds no token writes, all else this token wrote. The first granule
    /// that an earlier token wrote over the image's.
    pub fn read(&mut self, token: u32, first: usize, count: usize) -> Option<usize> {
        let held = self.image_bits / self.granule_bits;
        for granule in first..(first + count).min(held) {
            let page = self.pages[granule / PAGE].as_ref();
            match page.map_or(0, |page| page.token[granule % PAGE]) {
                0 => self.constants[granule / PARTS] |= 1 << (granule % PARTS),
                writer if writer != token => return Some(granule),
                _ => {}
            }
        }
        None
    }

    /// The first of some granules that was read as the image holds it.
    pub fn constant(&self, first: usize, count: usize) -> Option<usize> {
        (first..first + count).find(|granule| self.constants[granule / PARTS] >> (granule % PARTS) & 1 == 1)
    }

    /// Writes a range of bits. The parts at its ends it may share with others: the first one is known if it was before,
    /// the last one if this is.
    pub fn write(&mut self, token: u32, first: usize, end: usize, known: bool) {
        for part in first / self.part_bits..end.div_ceil(self.part_bits) {
            let shared = part * self.part_bits < first;
            let known = known && (!shared || self.part(part));
            self.put(token, part, known);
        }
    }

    /// All parts of a granule.
    fn whole(&self) -> u64 {
        u64::MAX >> (PARTS - self.parts())
    }

    /// Parts of a granule.
    fn parts(&self) -> usize {
        self.granule_bits / self.part_bits
    }

    fn part(&self, part: usize) -> bool {
        let (granule, bit) = (part / self.parts(), part % self.parts());
        match self.pages.get(granule / PAGE) {
            Some(Some(page)) => page.known[granule % PAGE] >> bit & 1 == 1,
            Some(None) => (part + 1) * self.part_bits <= self.image_bits,
            None => false,
        }
    }

    fn put(&mut self, token: u32, part: usize, known: bool) {
        let (granule, bit) = (part / self.parts(), part % self.parts());
        let page = granule / PAGE;
        if self.pages[page].is_none() {
            let known = std::array::from_fn(|at| self.of_image(page * PAGE + at));
            self.pages[page] = Some(Rc::new(Page { known, token: [0; PAGE] }));
        }
        if let Some(page) = &mut self.pages[page] {
            let page = Rc::make_mut(page);
            let word = &mut page.known[granule % PAGE];
            *word = *word & !(1 << bit) | u64::from(known) << bit;
            page.token[granule % PAGE] = token;
        }
    }

    /// The parts of a granule that the image holds.
    fn of_image(&self, granule: usize) -> u64 {
        let held =
            (self.image_bits / self.part_bits).saturating_sub(granule * self.parts()).min(self.parts());
        if held == 0 { 0 } else { u64::MAX >> (PARTS - held) }
    }
}

/// The smallest part of which a granule is a whole number, `PARTS` at most.
fn part_bits(granule_bits: usize) -> usize {
    let mut bits = granule_bits.div_ceil(PARTS).max(1);
    while !granule_bits.is_multiple_of(bits) {
        bits += 1;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_image_and_tokens_wrote_is_known_and_nothing_else() {
        // 16-bit parts; the image ends in granule 2.
        let mut dram = Dram::new(2000, 1024, 300);
        assert_eq!(dram.unknown(0, 2), None);
        assert_eq!(dram.unknown(0, 3), Some(2));
        assert_eq!(dram.unknown(1500, 1), Some(1500));
        assert!(dram.knows(0, 2400) && !dram.knows(0, 2401));
        let before = dram.clone();
        dram.write(1, 1500 * 1024, 1500 * 1024 + 576, true);
        dram.write(1, 1500 * 1024 + 576, 1501 * 1024, false);
        assert!(dram.knows(1500 * 1024, 1500 * 1024 + 576) && !dram.knows(1500 * 1024, 1500 * 1024 + 577));
        dram.write(1, 1500 * 1024 + 576, 1501 * 1024, true);
        assert_eq!((dram.unknown(1500, 1), before.unknown(1500, 1)), (None, Some(1500)));
        dram.write(1, 1024, 1040, false);
        assert_eq!(dram.unknown(0, 2), Some(1));
    }

    #[test]
    fn a_part_that_rows_share_is_known_if_all_are() {
        let mut dram = Dram::new(1, 1024, 0);
        dram.write(1, 0, 72, false);
        dram.write(1, 72, 144, true);
        assert!(!dram.knows(64, 80) && dram.knows(80, 144));
        dram.write(1, 0, 72, true);
        dram.write(1, 72, 144, false);
        assert!(dram.knows(0, 64) && !dram.knows(64, 80));
    }

    #[test]
    fn what_the_image_holds_is_read_or_written() {
        let mut dram = Dram::new(100, 1024, 10 * 128);
        assert_eq!(dram.read(1, 0, 4), None);
        assert_eq!((dram.constant(4, 90), dram.constant(2, 3)), (None, Some(2)));
        dram.write(1, 5 * 1024, 6 * 1024, true);
        dram.write(1, 50 * 1024, 51 * 1024, true);
        assert_eq!((dram.read(1, 4, 3), dram.constant(5, 1)), (None, None));
        // The next token reads what this one wrote over the image's.
        assert_eq!((dram.read(2, 4, 3), dram.read(2, 50, 1)), (Some(5), None));
    }

    #[test]
    fn parts_fill_granules_of_any_size() {
        assert_eq!([64, 176, 512, 1024].map(part_bits), [1, 4, 8, 16]);
    }
}

//! External memory: bytes that images share, and pages of those that were written since.
//!
//! A clone shares both; a page is copied when one of two clones writes it. Bytes that nobody wrote are zero and take no room.

use std::sync::Arc;

/// Bytes of a page.
const PAGE: usize = 1 << 16;

/// External memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Dram {
    /// What an image held, never written.
    base: Arc<Vec<u8>>,
    /// Pages that were written.
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
}

impl Dram {
    /// Memory that begins with these bytes.
    pub fn new(base: Arc<Vec<u8>>) -> Self {
        Self { base, pages: Vec::new() }
    }

    /// Replaces bytes from an address on.
    pub fn write(&mut self, address: usize, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            let at = address + bytes.len() - left.len();
            let page = self.page_to_write(at / PAGE);
            let part = left.len().min(PAGE - at % PAGE);
            page[at % PAGE..at % PAGE + part].copy_from_slice(&left[..part]);
            left = &left[part..];
        }
    }

    /// Bytes from an address on; the buffer holds them if they do not lie together.
    pub fn read<'a>(&'a self, address: usize, count: usize, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        let (first, last) = (address / PAGE, (address + count).saturating_sub(1) / PAGE);
        let end = address + count;
        if first == last
            && let Some(page) = self.page(first)
        {
            return &page[address % PAGE..][..count];
        }
        if end <= self.base.len() && (first..=last).all(|page| self.page(page).is_none()) {
            return &self.base[address..end];
        }
        buffer.clear();
        while buffer.len() < count {
            let at = address + buffer.len();
            let part = (count - buffer.len()).min(PAGE - at % PAGE);
            let source = match self.page(at / PAGE) {
                Some(page) => &page[at % PAGE..][..part],
                None => self.base.get(at..self.base.len().min(at + part)).unwrap_or_default(),
            };
            buffer.extend_from_slice(source);
            buffer.resize(at + part - address, 0);
        }
        buffer
    }

    fn page(&self, number: usize) -> Option<&[u8; PAGE]> {
        self.pages.get(number)?.as_deref()
    }

    fn page_to_write(&mut self, number: usize) -> &mut [u8; PAGE] {
        if self.pages.len() <= number {
            self.pages.resize(number + 1, None);
        }
        let base = &self.base;
        let page = self.pages[number].get_or_insert_with(|| {
            let mut page = Arc::new([0; PAGE]);
            let begin = (number * PAGE).min(base.len());
            let known = &base[begin..(begin + PAGE).min(base.len())];
            Arc::make_mut(&mut page)[..known.len()].copy_from_slice(known);
            page
        });
        Arc::make_mut(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(dram: &Dram, address: usize, count: usize) -> Vec<u8> {
        dram.read(address, count, &mut Vec::new()).to_vec()
    }

    /// Reads are held against one flat array through writes over page borders and beyond the image's end.
    #[test]
    fn reads_see_writes_over_the_image_and_zeros_beyond() {
        let base: Vec<u8> = (0..2 * PAGE + 100).map(|at| at as u8 ^ 0x5a).collect();
        let mut flat = base.clone();
        flat.resize(4 * PAGE, 0);
        let mut dram = Dram::new(Arc::new(base));
        for (step, (address, count)) in
            [(PAGE - 3, 7), (2 * PAGE + 90, 40), (3 * PAGE - 1, 2), (5, 0), (17, 1)].into_iter().enumerate()
        {
            let written: Vec<u8> = (0..count).map(|at| (at * 3 + step + 1) as u8).collect();
            dram.write(address, &written);
            flat[address..address + count].copy_from_slice(&written);
            for at in [0, PAGE - 10, PAGE, 2 * PAGE - 5, 2 * PAGE + 80, 3 * PAGE - 20] {
                assert_eq!(bytes(&dram, at, 60), flat[at..at + 60], "step {step}, from {at}");
            }
        }
        assert_eq!(bytes(&dram, 0, 4 * PAGE), flat);
        assert_eq!(bytes(&dram, 10 * PAGE, 9), [0; 9]);
    }

    #[test]
    fn clones_share_what_neither_wrote() {
        let base = Arc::new(vec![7; 3 * PAGE]);
        let mut dram = Dram::new(Arc::clone(&base));
        dram.write(PAGE, &[1]);
        let mut other = dram.clone();
        assert_eq!(Arc::strong_count(&base), 3);
        other.write(PAGE + 1, &[2]);
        other.write(0, &[3]);
        assert_eq!(bytes(&dram, PAGE, 2), [1, 7]);
        assert_eq!(bytes(&other, PAGE, 2), [1, 2]);
        assert_eq!((bytes(&dram, 0, 1), bytes(&other, 0, 1)), (vec![7], vec![3]));
        assert!(dram.pages[0].is_none(), "what is only read is not copied");
    }
}

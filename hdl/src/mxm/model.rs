//! What the matrix side computes, without any cycle: one call for each beat, row and write, in the order in which they
//! happen.

use lpu_isa::Geometry;
use lpu_isa::arith::{WORD_BITS, WORD_MIN, dot, kv_decode, round_shift, saturate};
use lpu_isa::instruction::{Clear, Dot, Emit, Gather, Index, Memory};

/// A row that leaves for vector memory, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub address: u64,
    pub lanes: Vec<i64>,
    pub saturated: bool,
}

/// State of the matrix side, and of the instruction that is going on.
pub struct Model {
    pub geometry: Geometry,
    pub weights: Vec<Vec<i16>>,
    pub kv: Vec<Vec<i16>>,
    pub act: Vec<Vec<i16>>,
    sums: Vec<i32>,
    next_entry: usize,
    entry: usize,
    emitted: u64,
    maximum: i64,
}

impl Model {
    pub fn new(geometry: &Geometry) -> Self {
        let rows = |count: usize| vec![vec![0; geometry.mxm_lanes]; count];
        Self {
            geometry: *geometry,
            weights: rows(geometry.weight_rows),
            kv: rows(geometry.kv_rows),
            act: rows(geometry.act_entries),
            sums: vec![0; geometry.vxm_lanes],
            next_entry: 0,
            entry: 0,
            emitted: 0,
            maximum: 0,
        }
    }

    /// The matrix row that a beat reads, as numbers; `offsets` are those of weight and KV rows. The second result tells
    /// whether the address was inside memory.
    pub fn matrix_row(&self, dot: &Dot, k: i64, offsets: [i64; 2]) -> (usize, Vec<i16>, bool) {
        let (offset, rows) = match dot.memory {
            Memory::Weights => (offsets[0], self.geometry.weight_rows as i64),
            Memory::Kv => (offsets[1], self.geometry.kv_rows as i64),
        };
        let address = i64::from(dot.row) + if dot.offset { offset } else { 0 } + k * i64::from(dot.row_step);
        let row = address.rem_euclid(rows) as usize;
        let numbers = match dot.memory {
            Memory::Weights => self.weights[row].clone(),
            Memory::Kv => self.kv[row].iter().map(|code| kv_decode(*code)).collect(),
        };
        (row, numbers, (0..rows).contains(&address))
    }

    /// The entry that a beat multiplies by; to be called once a beat, in order.
    pub fn entry(&mut self, dot: &Dot, k: i64) -> usize {
        let entries = self.geometry.act_entries;
        self.entry = match (k, dot.entry_continue, dot.entry_advance) {
            (0, false, _) => dot.entry as usize % entries,
            (0, true, _) | (_, _, true) => self.next_entry,
            (_, _, false) => self.entry,
        };
        self.next_entry = (self.entry + 1) % entries;
        self.entry
    }

    /// One beat with the operands that it read: the row that it emits, if any.
    pub fn beat(
        &mut self,
        instruction: &Dot,
        k: i64,
        last: bool,
        position: usize,
        matrix: &[i16],
        act: &[i16],
    ) -> Option<Row> {
        let (lanes, width) = (self.geometry.vxm_lanes, 1usize << instruction.tap);
        let results = self.geometry.mxm_lanes / width;
        let lane = lane_of(instruction, k, results, lanes);
        if k == 0 {
            self.emitted = 0;
        }
        let replaces = match instruction.clear {
            Clear::Never => false,
            Clear::Always => true,
            Clear::First => k == 0,
        };
        for i in 0..results {
            let at = i * width..(i + 1) * width;
            let base = if replaces { 0 } else { self.sums[lane + i] };
            self.sums[lane + i] = base.wrapping_add(dot(&matrix[at.clone()], &act[at]));
        }
        emits(instruction, lane, results, lanes, last).then(|| self.emit(instruction, last, position))
    }

    fn emit(&mut self, instruction: &Dot, last: bool, position: usize) -> Row {
        let lanes = self.geometry.vxm_lanes;
        let exact: Vec<i64> =
            self.sums.iter().map(|sum| round_shift(i64::from(*sum), instruction.shift)).collect();
        let mut words: Vec<i64> = exact.iter().map(|sum| saturate(*sum, WORD_BITS)).collect();
        let saturated = words != exact;
        if instruction.mask && last {
            words[position % lanes + 1..].fill(WORD_MIN.into());
        }
        let most = words.iter().copied().max().unwrap_or(0);
        self.maximum = if self.emitted == 0 { most } else { self.maximum.max(most) };
        let address = u64::from(instruction.store) + self.emitted;
        self.emitted += 1;
        Row { address, lanes: words, saturated }
    }

    /// The maximum over the rows of the instruction that just ended.
    pub fn maximum(&self) -> i64 {
        self.maximum
    }

    /// One chunk of a gather, and whether its matrix row was inside memory.
    pub fn gather(&self, gather: &Gather, k: i64, token: usize, position: usize) -> (Row, bool) {
        let (groups, lanes) = (self.geometry.groups(), self.geometry.vxm_lanes);
        let item = match gather.index {
            Index::Token => token,
            Index::Position => position,
        };
        let chunk = (item << gather.chunks) + k as usize;
        let row = gather.row as usize + chunk / groups;
        let from = chunk % groups * lanes;
        let words = self.weights[row % self.geometry.weight_rows][from..from + lanes].iter();
        let lanes = words.map(|weight| i64::from(*weight)).collect();
        let address = u64::from(gather.store) + k as u64;
        (Row { address, lanes, saturated: false }, row < self.geometry.weight_rows)
    }
}

/// First lane of a beat's results.
pub fn lane_of(dot: &Dot, k: i64, results: usize, lanes: usize) -> usize {
    (dot.lane as usize + if dot.lane_advance { k as usize * results } else { 0 }) % lanes
}

/// Whether a beat emits the row of sums.
pub fn emits(dot: &Dot, lane: usize, results: usize, lanes: usize, last: bool) -> bool {
    let wraps = lane + results == lanes;
    match dot.emit {
        Emit::Never => false,
        Emit::Wrap => wraps,
        Emit::Last => last,
        Emit::WrapOrLast => wraps || last,
    }
}

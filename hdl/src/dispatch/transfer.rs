//! The way of rows between external memory and the chip's memories. They are as late behind their slots as the sides are behind the queues.
//!
//! ```text
//!  rows that come ─►[reg]─►[reg]─► sides ─►[reg]─► write ports           rows that go ─►[reg]─► narrow, wide
//!  rows to read ───►[reg]─►[reg]─►   "      "         "        ─► memory ───┘
//!        cycle -3   -2     -1                0                  2          3
//! ```
//!
//! | port                        | dir | width  | meaning                                              | cycle |
//! |-----------------------------|-----|--------|------------------------------------------------------|------:|
//! | `cells[c]`, `weights`, `kv`, `vmem`, `row` | in | | of the slice: a row that comes                   |    -3 |
//! | `reads_kv`, `reads_vmem`, `read_row` | in | 1, 1, 24 | of the slice: a row that goes                 |    -3 |
//! | `cell_1[c]`                 | out | 36     | the row that comes                                   |    -1 |
//! | `weights_1`, `weights_row_1` | out | 1, `MATRIX_ROW` | it is written to weight memory in the next cycle | -1 |
//! | `kv_1`, `kv_back_1`, `kv_row_1` | out | 1, 1, `MATRIX_ROW` | KV memory is written, is read, in the next cycle | -1 |
//! | `vmem_1`, `vmem_back_1`, `vmem_row_1` | out | 1, 1, `VMEM_ROW` | the same of vector memory               |    -1 |
//! | `kv_back[c]`, `vmem_back[c]` | in | 36     | rows that go                                         |     2 |
//! | `narrow[c]`, `wide[c]`      | out | 36     | the same                                             |     3 |
//! | `weights_0` ... `cell_0[c]` | out |        | what is written in this cycle, for traces            |     0 |
//!
//! Cycle 0 is that of the port: `transfer_store_port`, `TRANSFER_SAMPLE` of `lpu_isa::timing`.
//!
//! # Invariants
//! 1. A row that comes and one that goes may be under way at once; where they want one port, its memory tells.

use super::DISPATCH_CYCLES;
use crate::dialect::*;
use crate::dram::decode::ROW;
use crate::dram::pack::ROW_READ;
use crate::mxm::MatrixSide;
use crate::primitives::Delay;
use crate::widths::{MATRIX_ROW, VMEM_ROW};
use lpu_isa::Geometry;

/// Registers before the sides, which have one more.
const BEFORE: usize = DISPATCH_CYCLES - 1;

const _: () = assert!(BEFORE + MatrixSide::BACK_LATENCY + 1 == ROW_READ);

/// The registers between external memory and the sides.
#[derive(LogicBlock, Default)]
pub struct TransferDispatch {
    pub clock: Signal<In, Clock>,
    pub cells: Vec<Signal<In, Bits<36>>>,
    pub weights: Signal<In, Bit>,
    pub kv: Signal<In, Bit>,
    pub vmem: Signal<In, Bit>,
    pub row: Signal<In, Bits<ROW>>,
    pub reads_kv: Signal<In, Bit>,
    pub reads_vmem: Signal<In, Bit>,
    pub read_row: Signal<In, Bits<24>>,
    pub cell_1: Vec<Signal<Out, Bits<36>>>,
    pub weights_1: Signal<Out, Bit>,
    pub weights_row_1: Signal<Out, Bits<MATRIX_ROW>>,
    pub kv_1: Signal<Out, Bit>,
    pub kv_back_1: Signal<Out, Bit>,
    pub kv_row_1: Signal<Out, Bits<MATRIX_ROW>>,
    pub vmem_1: Signal<Out, Bit>,
    pub vmem_back_1: Signal<Out, Bit>,
    pub vmem_row_1: Signal<Out, Bits<VMEM_ROW>>,
    pub kv_back: Vec<Signal<In, Bits<36>>>,
    pub vmem_back: Vec<Signal<In, Bits<36>>>,
    pub narrow: Vec<Signal<Out, Bits<36>>>,
    pub wide: Vec<Signal<Out, Bits<36>>>,
    pub weights_0: Signal<Out, Bit>,
    pub kv_0: Signal<Out, Bit>,
    pub vmem_0: Signal<Out, Bit>,
    pub row_0: Signal<Out, Bits<ROW>>,
    pub cell_0: Vec<Signal<Out, Bits<36>>>,
    kv_row: Signal<Local, Bits<MATRIX_ROW>>,
    vmem_row: Signal<Local, Bits<VMEM_ROW>>,
    cell_later: Vec<Delay<36>>,
    weights_later: Delay<1, BEFORE>,
    row_later: Delay<ROW>,
    kv_later: Delay<1, BEFORE>,
    kv_back_later: Delay<1, BEFORE>,
    kv_row_later: Delay<MATRIX_ROW>,
    vmem_later: Delay<1, BEFORE>,
    vmem_back_later: Delay<1, BEFORE>,
    vmem_row_later: Delay<VMEM_ROW>,
    narrow_held: Vec<DFF<Bits<36>>>,
    wide_held: Vec<DFF<Bits<36>>>,
    weights_held: DFF<Bit>,
    kv_held: DFF<Bit>,
    vmem_held: DFF<Bit>,
    row_held: DFF<Bits<ROW>>,
    cell_held: Vec<DFF<Bits<36>>>,
    kind: Kind<Self>,
}

impl TransferDispatch {
    /// Cycles from inputs to the cycle of the port.
    pub const LATENCY: usize = DISPATCH_CYCLES;

    /// The registers of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let (narrow, wide) = (geometry.mxm_lanes / 4, geometry.vxm_lanes / 2);
        Self {
            cells: many(narrow.max(wide)),
            cell_1: many(narrow.max(wide)),
            cell_later: (0..narrow.max(wide)).map(|_| Delay::new(BEFORE)).collect(),
            cell_0: many(narrow.max(wide)),
            cell_held: many(narrow.max(wide)),
            row_later: Delay::new(BEFORE),
            kv_row_later: Delay::new(BEFORE),
            vmem_row_later: Delay::new(BEFORE),
            kv_back: many(narrow),
            narrow: many(narrow),
            narrow_held: many(narrow),
            vmem_back: many(wide),
            wide: many(wide),
            wide_held: many(wide),
            ..Self::default()
        }
    }
}

impl Logic for TransferDispatch {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, weights_later, row_later, kv_later, kv_back_later, kv_row_later, vmem_later);
        clock!(self, clock, vmem_back_later, vmem_row_later);
        dff_setup!(self, clock, weights_held, kv_held, vmem_held, row_held);
        self.kv_row.next = bit_cast::<MATRIX_ROW, ROW>(self.row.val());
        if self.reads_kv.val() {
            self.kv_row.next = bit_cast::<MATRIX_ROW, 24>(self.read_row.val());
        }
        self.vmem_row.next = bit_cast::<VMEM_ROW, ROW>(self.row.val());
        if self.reads_vmem.val() {
            self.vmem_row.next = bit_cast::<VMEM_ROW, 24>(self.read_row.val());
        }
        self.weights_later.x.next = self.weights.val().into();
        self.row_later.x.next = self.row.val();
        self.kv_later.x.next = self.kv.val().into();
        self.kv_back_later.x.next = self.reads_kv.val().into();
        self.kv_row_later.x.next = self.kv_row.val();
        self.vmem_later.x.next = self.vmem.val().into();
        self.vmem_back_later.x.next = self.reads_vmem.val().into();
        self.vmem_row_later.x.next = self.vmem_row.val();
        self.weights_1.next = self.weights_later.y.val().get_bit(0);
        self.weights_row_1.next = bit_cast::<MATRIX_ROW, ROW>(self.row_later.y.val());
        self.kv_1.next = self.kv_later.y.val().get_bit(0);
        self.kv_back_1.next = self.kv_back_later.y.val().get_bit(0);
        self.kv_row_1.next = self.kv_row_later.y.val();
        self.vmem_1.next = self.vmem_later.y.val().get_bit(0);
        self.vmem_back_1.next = self.vmem_back_later.y.val().get_bit(0);
        self.vmem_row_1.next = self.vmem_row_later.y.val();
        for c in 0..self.cells.len() {
            clock!(self, clock, cell_later[c]);
            self.cell_later[c].x.next = self.cells[c].val();
            self.cell_1[c].next = self.cell_later[c].y.val();
        }

        for c in 0..self.narrow.len() {
            clock!(self, clock, narrow_held[c]);
            self.narrow_held[c].d.next = self.kv_back[c].val();
            self.narrow[c].next = self.narrow_held[c].q.val();
        }
        for c in 0..self.wide.len() {
            clock!(self, clock, wide_held[c]);
            self.wide_held[c].d.next = self.vmem_back[c].val();
            self.wide[c].next = self.wide_held[c].q.val();
        }

        // Traces: a board leaves them open, and synthesis takes their registers away.
        self.weights_held.d.next = self.weights_later.y.val().get_bit(0);
        self.kv_held.d.next = self.kv_later.y.val().get_bit(0);
        self.vmem_held.d.next = self.vmem_later.y.val().get_bit(0);
        self.row_held.d.next = self.row_later.y.val();
        self.weights_0.next = self.weights_held.q.val();
        self.kv_0.next = self.kv_held.q.val();
        self.vmem_0.next = self.vmem_held.q.val();
        self.row_0.next = self.row_held.q.val();
        for c in 0..self.cells.len() {
            clock!(self, clock, cell_held[c]);
            self.cell_held[c].d.next = self.cell_later[c].y.val();
            self.cell_0[c].next = self.cell_held[c].q.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    const CHIP: Geometry = Geometry { vmem_rows: 512, ..Geometry::NANO_SDRAM };
    const CELLS: usize = 4;

    /// A cycle: a row that comes (to weights, KV, vector memory or nowhere), one that goes (of KV, of vector memory or none), and cells.
    struct Cycle {
        comes: u64,
        row: u64,
        goes: u64,
        read_row: u64,
        cells: Vec<u64>,
    }

    #[test]
    fn rows_come_and_go_in_their_cycles() {
        let bench = Bench::new(&emit(&mut TransferDispatch::new(&CHIP), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut cycle = || Cycle {
            comes: random.below(4),
            row: random.below(512),
            goes: random.below(3),
            read_row: random.below(512),
            cells: (0..CELLS).map(|_| random.unsigned(36)).collect(),
        };
        let cycles: Vec<Cycle> = (0..5_000).map(|_| cycle()).collect();
        let mut stimulus = bench.stimulus();
        for Cycle { comes, row, goes, read_row, cells } in &cycles {
            stimulus.cycle().set("row", *row).set("read_row", *read_row);
            for (way, port) in ["weights", "kv", "vmem"].into_iter().enumerate() {
                stimulus.set(port, (*comes == way as u64).into());
            }
            stimulus.set("reads_kv", (*goes == 0).into()).set("reads_vmem", (*goes == 1).into());
            for (c, cell) in cells.iter().enumerate() {
                stimulus.set(&format!("cells${c}"), *cell);
                stimulus.set(&format!("kv_back${c}"), !cell & 0xf_ffff_ffff);
                stimulus.set(&format!("vmem_back${c}"), cell ^ 0x5a5a);
            }
        }
        let response = bench.run(stimulus.idle(TransferDispatch::LATENCY)).unwrap();
        for (t, Cycle { comes, row, goes, read_row, cells }) in cycles.iter().enumerate() {
            let before = |name: &str| response.get(t + BEFORE, name);
            let at = |name: &str| response.get(t + TransferDispatch::LATENCY, name);
            for (way, port) in ["weights", "kv", "vmem"].into_iter().enumerate() {
                let found = (before(&format!("{port}_1")), at(&format!("{port}_0")));
                assert_eq!(found, [(0, 0), (1, 1)][usize::from(*comes == way as u64)], "cycle {t}, {port}");
            }
            assert_eq!((before("weights_row_1"), at("row_0")), (*row, *row), "cycle {t}");
            for (which, port) in ["kv", "vmem"].into_iter().enumerate() {
                let reads = *goes == which as u64;
                assert_eq!(before(&format!("{port}_back_1")) == 1, reads, "cycle {t}, {port}");
                let place = if reads { *read_row } else { *row };
                assert_eq!(before(&format!("{port}_row_1")), place, "cycle {t}, {port}");
            }
            for (c, cell) in cells.iter().enumerate() {
                assert_eq!((before(&format!("cell_1${c}")), at(&format!("cell_0${c}"))), (*cell, *cell));
                assert_eq!(response.get(t + 1, &format!("narrow${c}")), !cell & 0xf_ffff_ffff, "cycle {t}");
                assert_eq!(response.get(t + 1, &format!("wide${c}")), cell ^ 0x5a5a, "cycle {t}");
            }
        }
    }

    /// Needs no model: without a row under way, nothing is written or read.
    #[test]
    fn silence_stays_silent() {
        let bench = Bench::new(&emit(&mut TransferDispatch::new(&CHIP), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        for _ in 0..500 {
            stimulus.cycle().set("row", random.below(512)).set("read_row", random.below(512));
            stimulus.set("cells$0", random.unsigned(36)).set("kv_back$0", random.unsigned(36));
        }
        let response = bench.run(&stimulus).unwrap();
        for port in ["weights_1", "kv_1", "kv_back_1", "vmem_1", "vmem_back_1", "weights_0", "kv_0", "vmem_0"]
        {
            assert!((0..500).all(|t| response.get(t, port) == 0), "{port}");
        }
    }
}

//! The machine's memories. Rows are contiguous; KV memory keeps each code's value beside it, because it is read far
//! more often than written.

use super::dram::Dram;
use super::noise::Noise;
use crate::trace::{Event, Location, Origin, Sink};
use lpu_isa::Geometry;
use lpu_isa::arith::{Scalar, kv_decode};
use lpu_isa::host::Fault;

/// Everything that a token can change, and what it reads.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) geometry: Geometry,
    pub(super) weights: Vec<i16>,
    pub(super) kv_codes: Vec<i16>,
    pub(super) kv_values: Vec<i16>,
    pub(super) vmem: Vec<i32>,
    pub(super) dram: Dram,
    pub(super) vreg: Vec<i32>,
    pub(super) act: Vec<i16>,
    pub(super) sums: Vec<i32>,
    pub(super) maxima: Vec<Scalar>,
    pub(super) reductions: Vec<Scalar>,
    pub(super) inverse_temperature: Scalar,
    pub(super) noise: Noise,
    /// Entry that a `Dot` with `entry_continue` begins with.
    pub(super) next_entry_read: usize,
    /// Entry that a `Vector` with `entry_continue` begins with.
    pub(super) next_entry_written: usize,
    /// Best candidate for the next token: value and number.
    pub(super) best: Option<(i32, usize)>,
    pub(super) faults: Fault,
    pub(super) saturations: u64,
    /// Input token of the position that is executed.
    pub(super) token: usize,
    /// Position that is executed.
    pub(super) position: usize,
    /// Room for bytes of external memory that do not lie together.
    pub(super) buffer: Vec<u8>,
}

impl State {
    /// All zero, as after reset.
    pub fn new(geometry: &Geometry) -> Self {
        let Geometry { mxm_lanes, vxm_lanes, .. } = *geometry;
        Self {
            geometry: *geometry,
            weights: vec![0; geometry.weight_rows * mxm_lanes],
            kv_codes: vec![0; geometry.kv_rows * mxm_lanes],
            kv_values: vec![0; geometry.kv_rows * mxm_lanes],
            vmem: vec![0; geometry.vmem_rows * vxm_lanes],
            dram: Dram::default(),
            vreg: vec![0; geometry.vreg_rows * vxm_lanes],
            act: vec![0; geometry.act_entries * mxm_lanes],
            sums: vec![0; vxm_lanes],
            maxima: vec![Scalar::default(); geometry.scalars],
            reductions: vec![Scalar::default(); geometry.scalars],
            inverse_temperature: Scalar::default(),
            noise: Noise::new(geometry),
            next_entry_read: 0,
            next_entry_written: 0,
            best: None,
            faults: Fault::default(),
            saturations: 0,
            token: 0,
            position: 0,
            buffer: Vec::new(),
        }
    }

    /// A row of weight memory.
    pub fn weight_row(&self, row: usize) -> &[i16] {
        row_of(&self.weights, row, self.geometry.mxm_lanes)
    }

    /// A row of KV memory, as codes.
    pub fn kv_row(&self, row: usize) -> &[i16] {
        row_of(&self.kv_codes, row, self.geometry.mxm_lanes)
    }

    /// A row of vector memory.
    pub fn vmem_row(&self, row: usize) -> &[i32] {
        row_of(&self.vmem, row, self.geometry.vxm_lanes)
    }

    /// A vector register.
    pub fn vreg_row(&self, row: usize) -> &[i32] {
        row_of(&self.vreg, row, self.geometry.vxm_lanes)
    }

    /// An entry of the activation file.
    pub fn act_entry(&self, entry: usize) -> &[i16] {
        row_of(&self.act, entry, self.geometry.mxm_lanes)
    }

    /// The row of sums of the matrix unit.
    pub fn sums(&self) -> &[i32] {
        &self.sums
    }

    /// A scalar as vector instructions number it: maxima, reductions, one, inverse temperature. Other numbers read as zero.
    pub fn scalar(&self, number: usize) -> Scalar {
        let scalars = self.geometry.scalars;
        match number {
            _ if number < scalars => self.maxima[number],
            _ if number < 2 * scalars => self.reductions[number - scalars],
            _ if number == 2 * scalars => Scalar::ONE,
            _ if number == 2 * scalars + 1 => self.inverse_temperature,
            _ => Scalar::default(),
        }
    }

    pub(super) fn set_kv(&mut self, index: usize, code: i16) {
        self.kv_codes[index] = code;
        self.kv_values[index] = kv_decode(code);
    }

    pub(super) fn raise(&mut self, fault: Fault) {
        self.faults.0 |= fault.0;
    }

    /// The row of vector memory at an address. One outside memory is a fault; it falls on some row inside.
    pub(super) fn vmem_address(&mut self, row: i64) -> usize {
        let (row, inside) = wrapped(row, self.geometry.vmem_rows);
        if !inside {
            self.raise(Fault::VMEM_ADDRESS);
        }
        row
    }

    /// The row of a matrix memory at an address. One outside memory is a fault, but of weight memory as the ring that it is where there is
    /// external memory; it falls on some row inside.
    pub(super) fn matrix_address(&mut self, row: i64, rows: usize, ring: bool) -> usize {
        let (row, inside) = wrapped(row, rows);
        if !inside && !ring {
            self.raise(Fault::MATRIX_ADDRESS);
        }
        row
    }
}

fn row_of<T>(memory: &[T], row: usize, width: usize) -> &[T] {
    &memory[row * width..][..width]
}

/// The row that an address falls on, and whether that is the address itself.
fn wrapped(row: i64, rows: usize) -> (usize, bool) {
    match usize::try_from(row) {
        Ok(row) if row < rows => (row, true),
        _ => (row.rem_euclid(rows as i64) as usize, false),
    }
}

/// One issue of an instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issue {
    /// Cycle, counted from the start of the token.
    pub cycle: i64,
    /// Number of the issue, from 0.
    pub k: i64,
    /// Whether it is the instruction's last.
    pub last: bool,
    /// The instruction.
    pub origin: Origin,
}

impl Issue {
    /// Tells a sink of a write whose port is used `port` cycles after the issue.
    pub fn tell<S: Sink>(&self, sink: &mut S, position: usize, port: i64, location: Location, lanes: &[i32]) {
        if S::ON {
            let cycle = self.cycle + port;
            sink.event(Event { position, cycle, origin: Some(self.origin), location, lanes });
        }
    }

    /// As [`Issue::tell`], for lanes of narrower memories.
    pub fn tell_narrow<S: Sink>(
        &self,
        sink: &mut S,
        position: usize,
        port: i64,
        location: Location,
        lanes: &[i16],
    ) {
        if S::ON {
            let lanes: Vec<i32> = lanes.iter().map(|&lane| i32::from(lane)).collect();
            self.tell(sink, position, port, location, &lanes);
        }
    }
}

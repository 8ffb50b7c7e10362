//! What a `Vector` instruction computes: operands, function, registers. Where the result stream goes is in `sxm.rs`.

use super::kernel::{self, Operands, saturated, words};
use super::queue::Block;
use super::state::{Issue, State};
use super::sxm::result_row;
use crate::trace::{Location, Sink};
use lpu_isa::arith::{Scalar, WORD_BITS};
use lpu_isa::host::Fault;
use lpu_isa::instruction::{B, C, Destination, Vector, VmemIndex, X};
use lpu_isa::timing;
use multiversion::multiversion;
use std::ops::Range;

/// Lanes of the widest vector unit.
pub(super) const LANES_MAX: usize = 128;

/// What a `Vector` carries from issue to issue.
#[derive(Clone, Debug)]
pub(super) struct VectorRun {
    /// Address offsets of the loop.
    pub offsets: [i64; 2],
    /// Activation entry written last.
    pub entry: usize,
    /// Lane-wise sums of a reduction.
    pub sums: [i32; LANES_MAX],
}

/// Operand addresses of one issue.
#[derive(Clone, Copy)]
struct Reads {
    vmem: usize,
    a: usize,
    bc: usize,
    scalar: usize,
}

/// Issues one by one, on the vector unit of the machine that runs this. Never part of its caller, so that the call costs the stack of one width
/// and not of all.
#[multiversion(targets("x86_64+avx2"), attrs(inline(never)))]
fn vector_of<const V: usize, S: Sink>(
    state: &mut State,
    vector: &Vector,
    run: &mut VectorRun,
    issues: Issues,
    sink: &mut S,
) {
    for k in issues.ks {
        let cycle = issues.first.cycle + (k - issues.first.k) * issues.interval;
        state.vector_row::<V, S>(
            vector,
            run,
            Issue { cycle, k, last: k + 1 == issues.all, ..issues.first },
            sink,
        );
    }
}

/// Issues of an instruction from one on.
struct Issues {
    first: Issue,
    ks: Range<i64>,
    /// Cycles from one to the next.
    interval: i64,
    /// How many the instruction has.
    all: i64,
}

impl State {
    pub(super) fn begin_vector(&self, vector: &Vector, block: &Block) -> VectorRun {
        let entry = vector.entry as usize & (self.geometry.act_entries - 1);
        VectorRun { offsets: block.offsets, entry, sums: [0; LANES_MAX] }
    }

    /// Issues from one on: how many, the cycles from one to the next, and how many the instruction has. The width is a constant to the
    /// compiler, which unrolls with it.
    pub(super) fn vector<S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        (count, interval, all): (i64, i64, i64),
        sink: &mut S,
    ) {
        let each = Issues { first: issue, ks: issue.k..issue.k + count, interval, all };
        match self.geometry.vxm_lanes {
            4 => vector_of::<4, S>(self, vector, run, each, sink),
            8 => vector_of::<8, S>(self, vector, run, each, sink),
            16 => vector_of::<16, S>(self, vector, run, each, sink),
            32 => vector_of::<32, S>(self, vector, run, each, sink),
            64 => vector_of::<64, S>(self, vector, run, each, sink),
            _ => vector_of::<LANES_MAX, S>(self, vector, run, each, sink),
        }
    }

    #[inline(always)]
    fn vector_row<const V: usize, S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        sink: &mut S,
    ) {
        let reads = self.reads(vector, run, issue.k);
        let operands = self.operands::<V>(vector, reads, issue);
        let (mut y, saturated) = kernel::compute(vector, &operands);
        self.saturations += u64::from(saturated);
        if vector.relu {
            y = y.map(|lane| lane.max(0));
        }
        if vector.write {
            let advance = if vector.target_advance { issue.k as usize } else { 0 };
            let row = register(vector.target as usize + advance, self.geometry.vreg_rows);
            self.vreg[row * V..][..V].copy_from_slice(&y);
            issue.tell(sink, self.position, timing::VREG_EFFECT - 1, Location::Vreg(row), &y);
        }
        self.send(vector, run, issue, &y, sink);
        self.reduce(vector, run, issue, &y, sink);
    }

    /// Rows of vector memory that issues read and write.
    pub(super) fn vmem_rows_used(
        &self,
        vector: &Vector,
        run: &VectorRun,
        ks: Range<i64>,
    ) -> [Option<Range<i64>>; 2] {
        let last = ks.end - 1;
        let span = |a: i64, b: i64| a.min(b)..a.max(b) + 1;
        let read = self.vmem_read(vector, run, ks.start)..self.vmem_read(vector, run, last) + 1;
        let written = span(result_row(vector, run, ks.start), result_row(vector, run, last));
        [reads_vmem(vector).then_some(read), (vector.destination == Destination::Vmem).then_some(written)]
    }

    /// Row of vector memory that an issue reads, before it wraps.
    fn vmem_read(&self, vector: &Vector, run: &VectorRun, k: i64) -> i64 {
        let width = self.geometry.vxm_lanes;
        let index = match vector.vmem_index {
            VmemIndex::None => 0,
            VmemIndex::TokenRow => self.token / width,
            VmemIndex::PositionRow => self.position / width,
            VmemIndex::PositionLane => self.position % width,
        };
        let offset = if vector.vmem_offset { run.offsets[0] } else { 0 };
        let advance = if vector.vmem_advance { k } else { 0 };
        i64::from(vector.vmem) + offset + index as i64 + advance
    }

    #[inline(always)]
    fn reads(&mut self, vector: &Vector, run: &VectorRun, k: i64) -> Reads {
        let advance = |advances: bool| if advances { k } else { 0 };
        let vmem = self.vmem_read(vector, run, k);
        let rows = self.geometry.vreg_rows;
        Reads {
            a: register(vector.a as usize + advance(vector.a_advance) as usize, rows),
            bc: register(vector.bc as usize + advance(vector.bc_advance) as usize, rows),
            scalar: vector.scalar as usize + k as usize * vector.scalar_step as usize,
            vmem: if reads_vmem(vector) { self.vmem_address(vmem) } else { 0 },
        }
    }

    #[inline(always)]
    fn operands<const V: usize>(&mut self, vector: &Vector, reads: Reads, issue: Issue) -> Operands<V> {
        let row = |memory: &[i32], row: usize| -> [i32; V] {
            let mut lanes = [0; V];
            lanes.copy_from_slice(&memory[row * V..][..V]);
            lanes
        };
        let mut x = match vector.x {
            X::Vmem => row(&self.vmem, reads.vmem),
            X::VregA => words(row(&self.vreg, reads.a), vector.x_shift),
        };
        if vector.swap {
            x.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
        }
        let scalar = self.scalar(reads.scalar);
        if vector.subtract {
            x = x.map(|lane| saturated(lane.wrapping_sub(scalar.mantissa), WORD_BITS));
        }
        let mut upper = Scalar { mantissa: scalar.mantissa, exponent: 0 };
        let mut lower = upper;
        let b = match vector.b {
            B::Vmem => row(&self.vmem, reads.vmem),
            B::VregA => words(row(&self.vreg, reads.a), 0),
            B::VregB => words(row(&self.vreg, reads.bc), 0),
            B::X => x,
            B::Scalar | B::ScalarPair => {
                lower = scalar;
                upper = if vector.b == B::Scalar { scalar } else { self.scalar(reads.scalar + 1) };
                std::array::from_fn(|lane| if lane < V / 2 { lower.mantissa } else { upper.mantissa })
            }
        };
        let c = match vector.c {
            C::Zero => [0; V],
            C::VregB => row(&self.vreg, reads.bc),
            C::Vmem => row(&self.vmem, reads.vmem),
            C::Noise => {
                let mut noise = [0; V];
                if !self.noise.take(issue.cycle, &mut noise) {
                    self.raise(Fault::NOISE_UNDERRUN);
                }
                noise
            }
        };
        Operands { x, b, c, exponents: [lower.exponent, upper.exponent] }
    }
}

fn reads_vmem(vector: &Vector) -> bool {
    vector.x == X::Vmem || vector.b == B::Vmem || vector.c == C::Vmem
}

/// The register at an address; one outside the file falls on some register inside.
fn register(row: usize, rows: usize) -> usize {
    if row < rows { row } else { row % rows }
}

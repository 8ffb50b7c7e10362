//! Where a vector result goes: activation file, KV memory, vector memory, the choice of the next token, reductions.

use super::kernel::saturated;
use super::state::{Issue, State};
use super::vector::VectorRun;
use crate::trace::{Location, Sink};
use lpu_isa::arith::{self, ACT_BITS, KV_BITS, Scalar, WORD_BITS};
use lpu_isa::instruction::{Destination, Reduce, Scaling, Vector};
use lpu_isa::timing;

impl State {
    /// Sends a result row to its destination.
    #[inline(always)]
    pub(super) fn send<const V: usize, S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        y: &[i32; V],
        sink: &mut S,
    ) {
        match vector.destination {
            Destination::None => {}
            Destination::Act => self.send_act(vector, run, issue, y, sink),
            Destination::Key => self.send_key(vector, run, issue, y, sink),
            Destination::Value => self.send_value(vector, run, issue, y, sink),
            Destination::Vmem => self.send_vmem(vector, run, issue, y, sink),
            Destination::Argmax => self.compare(vector, run, issue, y),
        }
    }

    #[inline(always)]
    fn count_unless_fits<const V: usize>(&mut self, lanes: &[i32; V], bits: u32) {
        // A lane fits if the bits above its sign bit equal the sign.
        let excess = lanes.iter().fold(0, |excess, &lane| excess | (lane >> (bits - 1)) ^ (lane >> 31));
        self.saturations += u64::from(excess != 0);
    }

    #[inline(always)]
    fn send_act<const V: usize, S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        y: &[i32; V],
        sink: &mut S,
    ) {
        let entry_mask = self.geometry.act_entries - 1;
        if issue.k == 0 && vector.entry_continue {
            run.entry = self.next_entry_written;
        } else if issue.k > 0 && vector.entry_advance {
            run.entry = (run.entry + 1) & entry_mask;
        }
        self.next_entry_written = (run.entry + 1) & entry_mask;
        let z = source_row(vector, issue.k, y);
        self.count_unless_fits(&z, ACT_BITS);
        let lanes = z.map(|lane| saturated(lane, ACT_BITS) as i16);
        let half = V / 2;
        let base = run.entry * self.geometry.mxm_lanes;
        for h in written_halves(vector, first_half(vector, issue.k), self.geometry.halves()) {
            let written = &lanes[h % 2 * half..][..half];
            self.act[base + h * half..][..half].copy_from_slice(written);
            let location = Location::Act { entry: run.entry, lane: h * half };
            issue.tell_narrow(sink, self.position, timing::ACT_EFFECT - 1, location, written);
        }
    }

    /// Row of KV memory that this issue writes.
    fn kv_target(&mut self, vector: &Vector, run: &VectorRun, k: i64) -> usize {
        let row = result_row(vector, run, k) + (self.position >> vector.positions) as i64;
        self.matrix_address(row, self.geometry.kv_rows, false)
    }

    #[inline(always)]
    fn send_key<const V: usize, S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        y: &[i32; V],
        sink: &mut S,
    ) {
        let row = self.kv_target(vector, run, issue.k);
        let halves = self.geometry.halves();
        let within = self.position & ((1 << vector.positions) - 1);
        let start = first_half(vector, issue.k) + (within * (halves >> vector.positions)) as i64;
        let z = source_row(vector, issue.k, y);
        self.count_unless_fits(&z, KV_BITS);
        let codes = z.map(arith::kv_encode);
        let half = V / 2;
        let base = row * self.geometry.mxm_lanes;
        for h in written_halves(vector, start, halves) {
            let written = &codes[h % 2 * half..][..half];
            for (j, &code) in written.iter().enumerate() {
                self.set_kv(base + h * half + j, code);
            }
            let location = Location::Kv { row, lane: h * half };
            issue.tell_narrow(sink, self.position, timing::KV_EFFECT - 1, location, written);
        }
    }

    fn send_value<const V: usize, S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        y: &[i32; V],
        sink: &mut S,
    ) {
        let row = self.kv_target(vector, run, issue.k);
        let groups = self.geometry.groups();
        let sub = sub_at(vector, issue.k);
        self.count_unless_fits(y, KV_BITS);
        for group in 0..groups {
            let code = arith::kv_encode(y[(sub * groups + group) % V]);
            let lane = group * V + self.position % V;
            self.set_kv(row * self.geometry.mxm_lanes + lane, code);
            let location = Location::Kv { row, lane };
            issue.tell(sink, self.position, timing::KV_EFFECT - 1, location, &[i32::from(code)]);
        }
    }

    #[inline(always)]
    fn send_vmem<const V: usize, S: Sink>(
        &mut self,
        vector: &Vector,
        run: &VectorRun,
        issue: Issue,
        y: &[i32; V],
        sink: &mut S,
    ) {
        let row = self.vmem_address(result_row(vector, run, issue.k));
        self.count_unless_fits(y, WORD_BITS);
        let out = y.map(|lane| saturated(lane, WORD_BITS));
        self.vmem[row * V..][..V].copy_from_slice(&out);
        issue.tell(sink, self.position, timing::RESULT_STORE_PORT, Location::Vmem(row), &out);
    }

    /// Compares a row of candidates with the best so far: larger wins, of equals the lower number.
    #[inline(always)]
    fn compare(&mut self, vector: &Vector, run: &VectorRun, issue: Issue, y: &[i32]) {
        if vector.restart && issue.k == 0 {
            self.best = None;
        }
        let row = result_row(vector, run, issue.k);
        let first = row.rem_euclid(1 << 24) as usize * y.len();
        let valid = if issue.last && vector.tail != 0 { vector.tail as usize } else { y.len() };
        for (lane, &value) in y.iter().enumerate().take(valid) {
            let number = first + lane;
            let better = match self.best {
                None => true,
                Some((best, holder)) => value > best || (value == best && number < holder),
            };
            if better {
                self.best = Some((value, number));
            }
        }
    }

    /// Sums the instruction's rows and, after the last, writes the scalar.
    #[inline(always)]
    pub(super) fn reduce<S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        y: &[i32],
        sink: &mut S,
    ) {
        let lanes = match vector.reduce {
            Reduce::None => return,
            Reduce::All => 0..y.len(),
            Reduce::TokenLane => self.token % y.len()..self.token % y.len() + 1,
            Reduce::PositionLane => self.position % y.len()..self.position % y.len() + 1,
        };
        for (sum, &lane) in run.sums[lanes.clone()].iter_mut().zip(&y[lanes]) {
            *sum = sum.wrapping_add(lane);
        }
        if !issue.last {
            return;
        }
        let total: i64 =
            run.sums[..y.len()].iter().map(|&sum| i64::from(sum)).sum::<i64>() + i64::from(vector.bias);
        let positive = total.clamp(0, i64::from(u32::MAX)) as u32;
        let scalar = match vector.scaling {
            Scaling::Plain => Scalar {
                mantissa: arith::saturate(arith::round_shift(total, vector.sum_shift), WORD_BITS) as i32,
                exponent: 0,
            },
            Scaling::Reciprocal => arith::reciprocal(positive),
            Scaling::ReciprocalSqrt => arith::reciprocal_sqrt(positive),
        };
        let number = vector.reduction as usize % self.geometry.scalars;
        self.reductions[number] = scalar;
        let port = timing::reduction_effect(&self.geometry) - 1;
        let location = Location::Scalar(self.geometry.scalars + number);
        issue.tell(sink, self.position, port, location, &[scalar.mantissa, scalar.exponent]);
    }
}

fn sub_at(vector: &Vector, k: i64) -> usize {
    vector.sub as usize + if vector.sub_advance { k as usize } else { 0 }
}

/// The row that is sent: the result, or one half of it twice.
fn source_row<const V: usize>(vector: &Vector, k: i64, y: &[i32; V]) -> [i32; V] {
    let mut z = *y;
    if vector.half {
        let first = sub_at(vector, k) % 2 * (V / 2);
        z.copy_within(first..first + V / 2, V / 2 - first);
    }
    z
}

fn first_half(vector: &Vector, k: i64) -> i64 {
    i64::from(vector.start) + k * i64::from(vector.start_step)
}

/// The half rows that are written: `2^length` from `start`, again after every `2^period`.
fn written_halves(vector: &Vector, start: i64, halves: usize) -> impl Iterator<Item = usize> {
    let (length, period_mask) = (1i64 << vector.length, (1i64 << vector.period) - 1);
    (0..halves).filter(move |&h| (h as i64 - start) & period_mask < length)
}

/// Row that an issue writes, or number of the row that it compares, as far as every destination has it.
pub(super) fn result_row(vector: &Vector, run: &VectorRun, k: i64) -> i64 {
    let offset = if vector.row_offset { run.offsets[1] } else { 0 };
    i64::from(vector.row) + offset + k * i64::from(vector.row_step)
}

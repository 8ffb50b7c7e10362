//! Where a vector result goes: activation file, KV memory, vector memory, the choice of the next token, reductions.

use super::state::{Issue, State};
use super::vector::VectorRun;
use crate::trace::{Location, Sink};
use lpu_isa::arith::{self, ACT_BITS, KV_BITS, Scalar, WORD_BITS};
use lpu_isa::instruction::{Destination, Reduce, Scaling, Vector};
use lpu_isa::timing;

impl State {
    /// Sends a result row to its destination.
    pub(super) fn send<S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        y: &[i32],
        sink: &mut S,
    ) {
        match vector.destination {
            Destination::None => {}
            Destination::Act => self.send_act(vector, run, issue, y, sink),
            Destination::Key => self.send_key(vector, run, issue, y, sink),
            Destination::Value => self.send_value(vector, run, issue, y, sink),
            Destination::Vmem => self.send_vmem(vector, issue, y, sink),
            Destination::Argmax => self.compare(vector, issue, y),
        }
    }

    fn count_unless_fits(&mut self, lanes: impl IntoIterator<Item = i32>, bits: u32) {
        let fits = |lane: i32| lane >> (bits - 1) == lane >> 31;
        self.saturations += u64::from(!lanes.into_iter().all(fits));
    }

    fn send_act<S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        y: &[i32],
        sink: &mut S,
    ) {
        let entry_mask = self.geometry.act_entries - 1;
        if issue.k == 0 && vector.entry_continue {
            run.entry = self.next_entry_written;
        } else if issue.k > 0 && vector.entry_advance {
            run.entry = (run.entry + 1) & entry_mask;
        }
        self.next_entry_written = (run.entry + 1) & entry_mask;
        let start = first_half(vector, issue.k);
        let lane_of = source_lanes(vector, issue.k, y.len());
        self.count_unless_fits((0..y.len()).map(|lane| y[lane_of(lane)]), ACT_BITS);
        let half = y.len() / 2;
        let base = run.entry * self.geometry.mxm_lanes;
        for h in written_halves(vector, start, self.geometry.halves()) {
            let out = &mut self.act[base + h * half..][..half];
            for (j, out) in out.iter_mut().enumerate() {
                *out = arith::saturate(i64::from(y[lane_of(h % 2 * half + j)]), ACT_BITS) as i16;
            }
            let location = Location::Act { entry: run.entry, lane: h * half };
            issue.tell_narrow(sink, self.position, timing::ACT_EFFECT - 1, location, out);
        }
    }

    /// Row of KV memory that this issue writes.
    fn kv_target(&mut self, vector: &Vector, run: &VectorRun, k: i64) -> usize {
        let offset = if vector.row_offset { run.offsets[1] } else { 0 };
        let row = i64::from(vector.row)
            + offset
            + k * i64::from(vector.row_step)
            + (self.position >> vector.positions) as i64;
        self.matrix_address(row, self.geometry.kv_rows)
    }

    fn send_key<S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        y: &[i32],
        sink: &mut S,
    ) {
        let row = self.kv_target(vector, run, issue.k);
        let halves = self.geometry.halves();
        let within = self.position & ((1 << vector.positions) - 1);
        let start = first_half(vector, issue.k) + (within * (halves >> vector.positions)) as i64;
        let lane_of = source_lanes(vector, issue.k, y.len());
        self.count_unless_fits((0..y.len()).map(|lane| y[lane_of(lane)]), KV_BITS);
        let half = y.len() / 2;
        let base = row * self.geometry.mxm_lanes;
        for h in written_halves(vector, start, halves) {
            let first = base + h * half;
            for j in 0..half {
                self.set_kv(first + j, arith::kv_encode(y[lane_of(h % 2 * half + j)]));
            }
            let location = Location::Kv { row, lane: h * half };
            let codes = &self.kv_codes[first..][..half];
            issue.tell_narrow(sink, self.position, timing::KV_EFFECT - 1, location, codes);
        }
    }

    fn send_value<S: Sink>(
        &mut self,
        vector: &Vector,
        run: &mut VectorRun,
        issue: Issue,
        y: &[i32],
        sink: &mut S,
    ) {
        let row = self.kv_target(vector, run, issue.k);
        let (groups, width) = (self.geometry.groups(), y.len());
        let sub = sub_at(vector, issue.k);
        self.count_unless_fits(y.iter().copied(), KV_BITS);
        for group in 0..groups {
            let code = arith::kv_encode(y[(sub * groups + group) % width]);
            let lane = group * width + self.position % width;
            self.set_kv(row * self.geometry.mxm_lanes + lane, code);
            let location = Location::Kv { row, lane };
            issue.tell(sink, self.position, timing::KV_EFFECT - 1, location, &[i32::from(code)]);
        }
    }

    fn send_vmem<S: Sink>(&mut self, vector: &Vector, issue: Issue, y: &[i32], sink: &mut S) {
        let row = self.vmem_address(i64::from(vector.row) + issue.k * i64::from(vector.row_step));
        self.count_unless_fits(y.iter().copied(), WORD_BITS);
        let out = &mut self.vmem[row * y.len()..][..y.len()];
        for (out, &lane) in out.iter_mut().zip(y) {
            *out = arith::saturate(i64::from(lane), WORD_BITS) as i32;
        }
        issue.tell(sink, self.position, timing::RESULT_STORE_PORT, Location::Vmem(row), out);
    }

    /// Compares a row of candidates with the best so far: larger wins, of equals the lower number.
    fn compare(&mut self, vector: &Vector, issue: Issue, y: &[i32]) {
        if vector.restart && issue.k == 0 {
            self.best = None;
        }
        let row = i64::from(vector.row) + issue.k * i64::from(vector.row_step);
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

/// The lane of the result that stands in each lane of the row sent.
fn source_lanes(vector: &Vector, k: i64, width: usize) -> impl Fn(usize) -> usize {
    let half = width / 2;
    let chosen = vector.half.then(|| sub_at(vector, k) % 2 * half);
    move |lane| chosen.map_or(lane, |first| first + lane % half)
}

fn first_half(vector: &Vector, k: i64) -> i64 {
    i64::from(vector.start) + k * i64::from(vector.start_step)
}

/// The half rows that are written: `2^length` from `start`, again after every `2^period`.
fn written_halves(vector: &Vector, start: i64, halves: usize) -> impl Iterator<Item = usize> {
    let (length, period) = (1i64 << vector.length, 1i64 << vector.period);
    (0..halves).filter(move |&h| (h as i64 - start).rem_euclid(period) < length)
}

//! The host's way into the matrix memories: eight lanes of a row at a time, while no token runs.
//!
//! ```text
//!  write, octet, data ─►[reg]─► half rows, row, lanes ─► the vector side's way to the memories (`Distribute`)
//!  read, row, octet ─►[reg]─► access, chunk ─► RowAddress ─► the memories ... Gather ─► word
//!  cycle t             t + 1                     t + 2                                  t + 13
//!
//!  word ─► octet ─►[reg]─► codes ─►[reg]─► which ─►[reg]─► read_data
//!                   t + 14          t + 15          t + 16
//! ```
//!
//! | port           | dir | width      | meaning                                            | cycle   |
//! |----------------|-----|------------|----------------------------------------------------|---------|
//! | `write`, `read`| in  | 1          | strobes                                            | `t`     |
//! | `kv`           | in  | 1          | KV memory rather than weights                      | `t`     |
//! | `row`          | in  | 24         | row                                                | `t`     |
//! | `octet`        | in  | `OCTET`    | which eight lanes of it                            | `t`     |
//! | `data`         | in  | 72         | lanes written, the first in the low bits           | `t`     |
//! | `access`       | out | 1          | read strobe for the address generator              | `t + 1` |
//! | `chunk`        | out | `GROUP`    | group of lanes that holds the octet                | `t + 1` |
//! | `issue`        | out | 1          | strobe: the row comes from the address generator   | `t + 2` |
//! | `from_kv`      | out | 1          | what is read is in KV memory                       | `t + 2` |
//! | `writes_weights`, `writes_kv` | out | 1 | strobes                                       | `t + 1` |
//! | `halves`       | out | `HALVES`   | half rows that hold the octet                      | `t + 1` |
//! | `row_1`        | out | `MATRIX_ROW` | row read or written                              | `t + 1` |
//! | `lane[i]`      | out | 9          | lane `i` of the octet                              | `t + 1` |
//! | `word[j]`      | in  | 10         | matrix operands of the chunk read                  | `t + 13` |
//! | `read_data`    | out | 72         | lanes read                                         | `t + 16` |
//!
//! # Invariants
//! 1. A vector row has 8 or 16 lanes, so an octet is one or two whole half rows.
//! 2. A command comes after the data of the read before it.
//! 3. KV codes come back from the decoder as numbers; encoding them again gives each code back, for no two share one.

use crate::dialect::*;
use crate::primitives::vector::kv_encode::KvEncode;
use crate::primitives::{Extend, JoinLanes};
use crate::widths::{GROUP, HALVES, MATRIX_ROW, OCTET};
use lpu_isa::Geometry;

/// Lanes of a host word.
const OCTET_LANES: usize = 8;

/// Host access to weights and KV codes.
#[derive(LogicBlock, Default)]
pub struct HostAccess {
    pub clock: Signal<In, Clock>,
    pub write: Signal<In, Bit>,
    pub read: Signal<In, Bit>,
    pub kv: Signal<In, Bit>,
    pub row: Signal<In, Bits<24>>,
    pub octet: Signal<In, Bits<OCTET>>,
    pub data: Signal<In, Bits<72>>,
    pub access: Signal<Out, Bit>,
    pub chunk: Signal<Out, Bits<GROUP>>,
    pub issue: Signal<Out, Bit>,
    pub from_kv: Signal<Out, Bit>,
    pub writes_weights: Signal<Out, Bit>,
    pub writes_kv: Signal<Out, Bit>,
    pub halves: Signal<Out, Bits<HALVES>>,
    pub row_1: Signal<Out, Bits<MATRIX_ROW>>,
    pub lane: [Signal<Out, Bits<9>>; OCTET_LANES],
    pub word: Vec<Signal<In, Bits<10>>>,
    pub read_data: Signal<Out, Bits<72>>,
    upper: Signal<Local, Bits<OCTET>>,
    weights_held: DFF<Bit>,
    kv_held: DFF<Bit>,
    octet_held: DFF<Bits<OCTET>>,
    access_held: DFF<Bit>,
    issue_held: DFF<Bit>,
    is_kv: DFF<Bit>,
    row_held: DFF<Bits<MATRIX_ROW>>,
    data_held: DFF<Bits<72>>,
    half: JoinLanes<HALVES, 1, HALVES>,
    number: [Signal<Local, Bits<10>>; OCTET_LANES],
    number_held: [DFF<Bits<10>>; OCTET_LANES],
    code_held: [DFF<Bits<9>>; OCTET_LANES],
    weight_held: [DFF<Bits<9>>; OCTET_LANES],
    wide: [Extend<10, 24>; OCTET_LANES],
    encode: [KvEncode; OCTET_LANES],
    read_lane: JoinLanes<OCTET_LANES, 9, 72>,
    read_held: DFF<Bits<72>>,
    _octets: usize,
    _octets_per_chunk: usize,
    _halves_per_octet: usize,
    _chunk_bits: usize,
    kind: Kind<Self>,
}

impl HostAccess {
    /// Cycles from `read` to `read_data`.
    pub const LATENCY: usize = 16;

    /// The host's access to a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        assert!(lanes == 8 || lanes == 16, "the host reaches chips of 8 or 16 vector lanes, not {lanes}");
        let octets_per_chunk = lanes / OCTET_LANES;
        Self {
            word: many(lanes),
            _octets: geometry.mxm_lanes / OCTET_LANES,
            _octets_per_chunk: octets_per_chunk,
            _halves_per_octet: 2 / octets_per_chunk,
            _chunk_bits: octets_per_chunk.ilog2() as usize,
            kind: Kind::named(format!("host_access_{lanes}")),
            ..Self::default()
        }
    }
}

impl Logic for HostAccess {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, weights_held, kv_held, octet_held, row_held, data_held, read_held);
        dff_setup!(self, clock, access_held, issue_held, is_kv);
        self.access_held.d.next = self.read.val();
        self.access.next = self.access_held.q.val();
        self.issue_held.d.next = self.access_held.q.val();
        self.issue.next = self.issue_held.q.val();
        for low in self._chunk_bits..(self._chunk_bits + 1) {
            self.upper.next = self.octet_held.q.val() >> low.to_bits::<1>();
        }
        self.chunk.next = bit_cast::<GROUP, OCTET>(self.upper.val());
        self.weights_held.d.next = self.write.val() & !self.kv.val();
        self.kv_held.d.next = self.write.val() & self.kv.val();
        if self.write.val() | self.read.val() {
            self.octet_held.d.next = self.octet.val();
            self.is_kv.d.next = self.kv.val();
        }
        self.from_kv.next = self.is_kv.q.val();
        self.row_held.d.next = self.row.val().get_bits::<MATRIX_ROW>(0);
        self.data_held.d.next = self.data.val();
        self.writes_weights.next = self.weights_held.q.val();
        self.writes_kv.next = self.kv_held.q.val();
        self.row_1.next = self.row_held.q.val();
        for i in 0..OCTET_LANES {
            self.lane[i].next = self.data_held.q.val().get_bits::<9>(9 * i);
        }

        for h in 0..HALVES {
            self.half.lane[h].next = false.into();
        }
        for per in self._halves_per_octet..(self._halves_per_octet + 1) {
            for o in 0..self._octets {
                for i in 0..self._halves_per_octet {
                    self.half.lane[per * o + i].next =
                        (self.octet_held.q.val() == o.to_bits::<OCTET>()).into();
                }
            }
        }
        self.halves.next = self.half.bus.val();

        for i in 0..OCTET_LANES {
            self.number[i].next = self.word[i].val();
        }
        for o in 1..self._octets_per_chunk {
            if self.octet_held.q.val().get_bit(0) {
                for i in 0..OCTET_LANES {
                    self.number[i].next = self.word[8 * o + i].val();
                }
            }
        }
        for i in 0..OCTET_LANES {
            clock!(self, clock, number_held[i], code_held[i], weight_held[i]);
            self.number_held[i].d.next = self.number[i].val();
            self.wide[i].x.next = self.number_held[i].q.val();
            self.encode[i].x.next = self.wide[i].y.val();
            self.code_held[i].d.next = self.encode[i].code.val();
            self.weight_held[i].d.next = self.number_held[i].q.val().get_bits::<9>(0);
            self.read_lane.lane[i].next = self.weight_held[i].q.val();
            if self.is_kv.q.val() {
                self.read_lane.lane[i].next = self.code_held[i].q.val();
            }
        }
        self.read_held.d.next = self.read_lane.bus.val();
        self.read_data.next = self.read_held.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use lpu_isa::arith::kv_decode;

    fn bench(chip: &Geometry) -> Bench {
        Bench::new(&emit(&mut HostAccess::new(chip), "host_access").unwrap()).unwrap()
    }

    fn write_goes_to_its_half_rows(chip: &Geometry) {
        let (bench, mut random) = (bench(chip), Random::from_seed_variable());
        let (mut stimulus, mut writes) = (bench.stimulus(), vec![]);
        for _ in 0..2000 {
            let lanes: Vec<i64> = (0..8).map(|_| random.signed(9)).collect();
            let (octet, kv, row) =
                (random.below(chip.mxm_lanes as u64 / 8), random.below(2), random.below(1024));
            stimulus.cycle().set("write", 1).set("octet", octet).set("kv", kv).set("row", row);
            stimulus.set_lanes("data", 9, &lanes);
            writes.push((octet, kv, row, lanes));
        }
        let response = bench.run(stimulus.idle(1)).unwrap();
        for (t, (octet, kv, row, lanes)) in writes.into_iter().enumerate() {
            let half = chip.vxm_lanes as u64 / 2;
            let halves =
                (0..chip.halves() as u64).filter(|h| h * half / 8 == octet).fold(0, |mask, h| mask | 1 << h);
            let found =
                ["writes_weights", "writes_kv", "row_1", "halves"].map(|name| response.get(t + 1, name));
            assert_eq!(found, [1 - kv, kv, row, halves], "write {t}");
            let data: Vec<i64> = (0..8).map(|i| response.signed(t + 1, &format!("lane${i}"))).collect();
            assert_eq!(data, lanes, "write {t}");
        }
    }

    #[test]
    fn writes_go_to_their_half_rows() {
        Geometry::ALL.iter().for_each(write_goes_to_its_half_rows);
    }

    /// Every code comes back from the number that it stands for, and every weight as it is.
    #[test]
    fn reads_give_codes_back() {
        let chip = Geometry::ULX3S_85F;
        let bench = bench(&chip);
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        let word_after = HostAccess::LATENCY - 3;
        for (kv, octet) in [(0, 0), (0, 1), (1, 2), (1, 3)] {
            for first in (-256..256).step_by(8) {
                stimulus.cycle().set("read", 1).set("kv", kv).set("octet", octet);
                let codes: Vec<i64> = (first..first + 8).collect();
                expected.push((stimulus.cycles() - 1 + HostAccess::LATENCY, codes.clone()));
                stimulus.idle(word_after);
                for (i, code) in codes.into_iter().enumerate() {
                    let number = if kv == 1 { i64::from(kv_decode(code as i16)) } else { code };
                    stimulus.set_signed(&format!("word${}", 8 * (octet % 2) as usize + i), number);
                }
                // The next command comes after the data.
                stimulus.idle(HostAccess::LATENCY - word_after);
            }
        }
        let response = bench.run(stimulus.idle(HostAccess::LATENCY)).unwrap();
        for (at, codes) in expected {
            assert_eq!(response.signed_lanes(at, "read_data", 9), codes, "cycle {at}");
        }
    }
}

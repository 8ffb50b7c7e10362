//! The host port: commands as bytes in, host words to and from the spaces, answers as bytes out.
//!
//! ```text
//!  in_data ─►[shift register]─┬─► header ─► space, address, count ─► is it allowed? ─►[reg]─► one strobe per target
//!                             └─► host word ───────────────────────────────────────►[reg]─► data
//!  out_data ◄─[shift register]◄─[reg]◄─ one of the answers ◄───────────────── READ_CYCLES after a read strobe
//! ```
//!
//! | port                        | dir | width | meaning                                                       | cycle |
//! |-----------------------------|-----|-------|---------------------------------------------------------------|-------|
//! | `in_data`, `in_valid`       | in  | 8, 1  | a byte of the host                                            | `t`   |
//! | `in_ready`                  | out | 1     | it is taken in this cycle                                     | `t`   |
//! | `out_data`, `out_valid`     | out | 8, 1  | a byte for the host; stays until it is taken                  | `t`   |
//! | `out_ready`                 | in  | 1     | it is taken in this cycle                                     | `t`   |
//! | `running`                   | in  | 1     | a token runs: memories are refused                            |       |
//! | `prompt_full`               | in  | 1     | a prompt token would be lost                                  |       |
//! | `register_write`, `token_push`, `record_pop` | out | 1 | strobes                                          | `s`   |
//! | `matrix_write`, `matrix_read`, `vmem_write`, `vmem_read` | out | 1 | strobes of the memories              | `s`   |
//! | `matrix_queue_write`, `vector_queue_write` | out | 1 | strobes of the instruction memories                | `s`   |
//! | `kv`                        | out | 1     | KV memory rather than weight memory                           | `s`   |
//! | `address`                   | out | 24    | of the host word in its space                                 | `s`   |
//! | `matrix_row`, `octet`       | out | 24, `OCTET` | the address as row and group of eight lanes             | `s`   |
//! | `vmem_row`, `quad`          | out | `VMEM_ROW`, `QUAD` | the address as row and group of four lanes       | `s`   |
//! | `queue_index`, `queue_part` | out | `QUEUE_INDEX`, 3 | the address as instruction and part                | `s`   |
//! | `data`                      | out | 72    | the word written                                              | `s`   |
//! | `matrix_word`, `vmem_word`  | in  | 72    | answers of the memories                                       | `s + READ_CYCLES` |
//! | `register_word`, `record_word` | in | 64  | answers of the sequencer                                      | `s + READ_CYCLES` |
//! | `refused`                   | out | 1     | strobe: `HOST_ACCESS`                                         |       |
//!
//! With external memory:
//!
//! | port                        | dir | width | meaning                                                       | cycle |
//! |-----------------------------|-----|-------|---------------------------------------------------------------|-------|
//! | `transfer_queue_write`      | out | 1     | strobe of the transfer queue's instruction memory             | `s`   |
//! | `dram_write`, `dram_read`   | out | 1     | strobes of external memory                                    | `s`   |
//! | `dram_done`                 | in  | 1     | strobe: it has written, or `dram_word` is what it has read; nothing goes on before | |
//! | `dram_word`                 | in  | 72    | answer of external memory                                     | from `dram_done` on |
//!
//! Addresses hold from before a strobe to the answer; the register read follows the address and has no strobe.
//!
//! # Invariants
//! 1. Every word of a read is answered with nine bytes, zeros where it is refused; nothing else is ever sent.
//! 2. A command byte that is none costs a fault and its seven bytes.

use crate::dialect::*;
use crate::widths::{OCTET, QUAD, QUEUE_INDEX, VMEM_ROW};
use lpu_isa::Geometry;
use lpu_isa::host::{
    COMMAND_READ, COMMAND_WRITE, DRAM_WORD_BYTES, HEADER_BYTES, HOST_WORD_BYTES, QUEUE_PART_BITS, Space,
};

/// Cycles from a new place to the answer whether it may be reached.
const LOOK_CYCLES: usize = 2;

/// What the port is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
enum Phase {
    Header,
    Decode,
    Word,
    Look,
    Check,
    Execute,
    Wait,
    Answer,
}

/// The host port.
#[derive(LogicBlock, Default)]
pub struct HostPort {
    pub clock: Signal<In, Clock>,
    pub in_data: Signal<In, Bits<8>>,
    pub in_valid: Signal<In, Bit>,
    pub in_ready: Signal<Out, Bit>,
    pub out_data: Signal<Out, Bits<8>>,
    pub out_valid: Signal<Out, Bit>,
    pub out_ready: Signal<In, Bit>,
    pub running: Signal<In, Bit>,
    pub prompt_full: Signal<In, Bit>,
    pub register_write: Signal<Out, Bit>,
    pub token_push: Signal<Out, Bit>,
    pub record_pop: Signal<Out, Bit>,
    pub matrix_write: Signal<Out, Bit>,
    pub matrix_read: Signal<Out, Bit>,
    pub vmem_write: Signal<Out, Bit>,
    pub vmem_read: Signal<Out, Bit>,
    pub matrix_queue_write: Signal<Out, Bit>,
    pub vector_queue_write: Signal<Out, Bit>,
    pub kv: Signal<Out, Bit>,
    pub address: Signal<Out, Bits<24>>,
    pub matrix_row: Signal<Out, Bits<24>>,
    pub octet: Signal<Out, Bits<OCTET>>,
    pub vmem_row: Signal<Out, Bits<VMEM_ROW>>,
    pub quad: Signal<Out, Bits<QUAD>>,
    pub queue_index: Signal<Out, Bits<QUEUE_INDEX>>,
    pub queue_part: Signal<Out, Bits<3>>,
    pub data: Signal<Out, Bits<72>>,
    pub matrix_word: Signal<In, Bits<72>>,
    pub vmem_word: Signal<In, Bits<72>>,
    pub register_word: Signal<In, Bits<64>>,
    pub record_word: Signal<In, Bits<64>>,
    pub refused: Signal<Out, Bit>,
    pub transfer_queue_write: Vec<Signal<Out, Bit>>,
    pub dram_write: Vec<Signal<Out, Bit>>,
    pub dram_read: Vec<Signal<Out, Bit>>,
    pub dram_done: Vec<Signal<In, Bit>>,
    pub dram_word: Vec<Signal<In, Bits<72>>>,
    command_write: Fixed<{ COMMAND_WRITE as u64 }, 8>,
    command_read: Fixed<{ COMMAND_READ as u64 }, 8>,
    header_last: Fixed<{ HEADER_BYTES as u64 - 1 }, 4>,
    word_last: Fixed<{ HOST_WORD_BYTES as u64 - 1 }, 4>,
    look_last: Fixed<{ LOOK_CYCLES as u64 - 1 }, 4>,
    read_wait: Setting<8>,
    space_registers: Fixed<{ Space::Registers as u64 }, 8>,
    space_weights: Fixed<{ Space::Weights as u64 }, 8>,
    space_kv: Fixed<{ Space::Kv as u64 }, 8>,
    space_vmem: Fixed<{ Space::Vmem as u64 }, 8>,
    space_matrix_queue: Fixed<{ Space::MatrixQueue as u64 }, 8>,
    space_vector_queue: Fixed<{ Space::VectorQueue as u64 }, 8>,
    space_tokens_in: Fixed<{ Space::TokensIn as u64 }, 8>,
    space_tokens_out: Fixed<{ Space::TokensOut as u64 }, 8>,
    weights_words: Setting<25>,
    kv_words: Setting<25>,
    vmem_words: Setting<25>,
    matrix_queue_words: Setting<25>,
    vector_queue_words: Setting<25>,
    octet_bits: Setting<5>,
    octet_mask: Setting<OCTET>,
    quad_bits: Setting<5>,
    quad_mask: Setting<QUAD>,
    register_write_held: DFF<Bit>,
    token_push_held: DFF<Bit>,
    record_pop_held: DFF<Bit>,
    matrix_write_held: DFF<Bit>,
    matrix_read_held: DFF<Bit>,
    vmem_write_held: DFF<Bit>,
    vmem_read_held: DFF<Bit>,
    matrix_queue_write_held: DFF<Bit>,
    vector_queue_write_held: DFF<Bit>,
    kv_held: DFF<Bit>,
    place_held: DFF<Bits<24>>,
    data_held: DFF<Bits<72>>,
    answer: DFF<Bits<72>>,
    phase: DFF<Phase>,
    shift: DFF<Bits<72>>,
    shifted_in: Signal<Local, Bits<72>>,
    bytes: DFF<Bits<4>>,
    writes: DFF<Bit>,
    space: DFF<Bits<8>>,
    place: DFF<Bits<24>>,
    left: DFF<Bits<16>>,
    waits_left: DFF<Bits<8>>,
    /// No wait is left: known a cycle ahead, for the shift register hangs on it.
    waited: DFF<Bit>,
    allowed: DFF<Bit>,
    refused_held: DFF<Bit>,
    in_range: DFF<Bit>,
    memory: Signal<Local, Bit>,
    queue: Signal<Local, Bit>,
    executes: Signal<Local, Bit>,
    is_registers: DFF<Bit>,
    is_tokens_in: DFF<Bit>,
    is_tokens_out: DFF<Bit>,
    is_weights: DFF<Bit>,
    is_kv: DFF<Bit>,
    is_vmem: DFF<Bit>,
    is_matrix_queue: DFF<Bit>,
    is_vector_queue: DFF<Bit>,
    place_wide: Signal<Local, Bits<25>>,
    // With external memory, one of each.
    space_dram: Vec<Setting<8>>,
    space_transfer_queue: Vec<Setting<8>>,
    dram_words: Vec<Setting<25>>,
    transfer_queue_words: Vec<Setting<25>>,
    is_dram: Vec<DFF<Bit>>,
    is_transfer_queue: Vec<DFF<Bit>>,
    in_external: Vec<DFF<Bit>>,
    transfer_queue_write_held: Vec<DFF<Bit>>,
    dram_write_held: Vec<DFF<Bit>>,
    dram_read_held: Vec<DFF<Bit>>,
    /// External memory has not done yet what it was asked for.
    dram_waits: Vec<DFF<Bit>>,
    kind: Kind<Self>,
}

impl HostPort {
    /// Cycles from the last byte of a written word to its strobe.
    pub const LATENCY: usize = 3;

    /// The port of a chip whose spaces answer within `read_cycles`.
    pub fn new(geometry: &Geometry, read_cycles: usize) -> Self {
        let words = |count: usize| Setting::new(count);
        let (octets, quads) = (geometry.host_words_per_weight_row(), geometry.host_words_per_vmem_row());
        Self {
            read_wait: Setting::new(read_cycles + 1),
            weights_words: words(geometry.weight_rows * octets),
            kv_words: words(geometry.kv_rows * octets),
            vmem_words: words(geometry.vmem_rows * quads),
            matrix_queue_words: words(geometry.matrix_queue_depth << QUEUE_PART_BITS),
            vector_queue_words: words(geometry.vector_queue_depth << QUEUE_PART_BITS),
            octet_bits: Setting::new(octets.ilog2()),
            octet_mask: Setting::new(octets - 1),
            quad_bits: Setting::new(quads.ilog2()),
            quad_mask: Setting::new(quads - 1),
            ..Self::external(geometry)
        }
    }

    /// What external memory needs, if there is one.
    fn external(geometry: &Geometry) -> Self {
        let count = usize::from(geometry.has_external_memory());
        let one = |value: usize| (0..count).map(|_| Setting::new(value)).collect();
        let words = |value: usize| (0..count).map(|_| Setting::new(value)).collect();
        Self {
            transfer_queue_write: many(count),
            dram_write: many(count),
            dram_read: many(count),
            dram_done: many(count),
            dram_word: many(count),
            space_dram: one(Space::Dram as usize),
            space_transfer_queue: one(Space::TransferQueue as usize),
            dram_words: words(geometry.dram_granules * geometry.granule_bytes() / DRAM_WORD_BYTES),
            transfer_queue_words: words(geometry.transfer_queue_depth << QUEUE_PART_BITS),
            is_dram: many(count),
            is_transfer_queue: many(count),
            in_external: many(count),
            transfer_queue_write_held: many(count),
            dram_write_held: many(count),
            dram_read_held: many(count),
            dram_waits: many(count),
            ..Self::default()
        }
    }
}

#[allow(clippy::collapsible_match, reason = "Rust-HDL drops the guard of a match arm")]
impl Logic for HostPort {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, phase, shift, bytes, writes, space, place, left, waits_left, waited, allowed);
        dff_setup!(self, clock, refused_held, place_held, data_held, answer, register_write_held);
        dff_setup!(self, clock, token_push_held, record_pop_held, matrix_write_held, matrix_read_held);
        dff_setup!(self, clock, vmem_write_held, vmem_read_held, matrix_queue_write_held);
        dff_setup!(self, clock, vector_queue_write_held, kv_held, is_registers, is_weights, is_kv, is_vmem);
        dff_setup!(self, clock, is_matrix_queue, is_vector_queue, is_tokens_in, is_tokens_out, in_range);

        // The address as each space sees it.
        self.is_registers.d.next = self.space.q.val() == self.space_registers.val();
        self.is_tokens_in.d.next = self.space.q.val() == self.space_tokens_in.val();
        self.is_tokens_out.d.next = self.space.q.val() == self.space_tokens_out.val();
        self.is_weights.d.next = self.space.q.val() == self.space_weights.val();
        self.is_kv.d.next = self.space.q.val() == self.space_kv.val();
        self.is_vmem.d.next = self.space.q.val() == self.space_vmem.val();
        self.is_matrix_queue.d.next = self.space.q.val() == self.space_matrix_queue.val();
        self.is_vector_queue.d.next = self.space.q.val() == self.space_vector_queue.val();
        self.memory.next = self.is_weights.q.val() | self.is_kv.q.val() | self.is_vmem.q.val();
        self.queue.next = self.is_matrix_queue.q.val() | self.is_vector_queue.q.val();
        self.place_wide.next = bit_cast::<25, 24>(self.place.q.val());
        self.in_range.d.next = (self.is_weights.q.val() & (self.place_wide.val() < self.weights_words.val()))
            | (self.is_kv.q.val() & (self.place_wide.val() < self.kv_words.val()))
            | (self.is_vmem.q.val() & (self.place_wide.val() < self.vmem_words.val()))
            | (self.is_matrix_queue.q.val() & (self.place_wide.val() < self.matrix_queue_words.val()))
            | (self.is_vector_queue.q.val() & (self.place_wide.val() < self.vector_queue_words.val()));
        self.place_held.d.next = self.place.q.val();
        self.data_held.d.next = self.shift.q.val();
        self.address.next = self.place_held.q.val();
        self.matrix_row.next = self.place_held.q.val() >> self.octet_bits.val();
        self.octet.next = self.place_held.q.val().get_bits::<OCTET>(0) & self.octet_mask.val();
        self.vmem_row.next = bit_cast::<VMEM_ROW, 24>(self.place_held.q.val() >> self.quad_bits.val());
        self.quad.next = self.place_held.q.val().get_bits::<QUAD>(0) & self.quad_mask.val();
        self.queue_index.next = self.place_held.q.val().get_bits::<QUEUE_INDEX>(3);
        self.queue_part.next = self.place_held.q.val().get_bits::<3>(0);
        self.data.next = self.data_held.q.val();

        // Strobes.
        self.executes.next = (self.phase.q.val() == Phase::Execute) & self.allowed.q.val();
        self.register_write_held.d.next =
            self.executes.val() & self.writes.q.val() & self.is_registers.q.val();
        self.token_push_held.d.next = self.executes.val() & self.writes.q.val() & self.is_tokens_in.q.val();
        self.record_pop_held.d.next = self.executes.val() & !self.writes.q.val() & self.is_tokens_out.q.val();
        self.matrix_write_held.d.next =
            self.executes.val() & self.writes.q.val() & (self.is_weights.q.val() | self.is_kv.q.val());
        self.matrix_read_held.d.next =
            self.executes.val() & !self.writes.q.val() & (self.is_weights.q.val() | self.is_kv.q.val());
        self.kv_held.d.next = self.is_kv.q.val();
        self.vmem_write_held.d.next = self.executes.val() & self.writes.q.val() & self.is_vmem.q.val();
        self.vmem_read_held.d.next = self.executes.val() & !self.writes.q.val() & self.is_vmem.q.val();
        self.matrix_queue_write_held.d.next =
            self.executes.val() & self.writes.q.val() & self.is_matrix_queue.q.val();
        self.vector_queue_write_held.d.next =
            self.executes.val() & self.writes.q.val() & self.is_vector_queue.q.val();
        self.register_write.next = self.register_write_held.q.val();
        self.token_push.next = self.token_push_held.q.val();
        self.record_pop.next = self.record_pop_held.q.val();
        self.matrix_write.next = self.matrix_write_held.q.val();
        self.matrix_read.next = self.matrix_read_held.q.val();
        self.vmem_write.next = self.vmem_write_held.q.val();
        self.vmem_read.next = self.vmem_read_held.q.val();
        self.matrix_queue_write.next = self.matrix_queue_write_held.q.val();
        self.vector_queue_write.next = self.vector_queue_write_held.q.val();
        self.kv.next = self.kv_held.q.val();
        self.refused.next = self.refused_held.q.val();

        // The answer of the space, a cycle before it is wanted.
        self.answer.d.next = bit_cast::<72, 64>(self.register_word.val());
        if self.is_weights.q.val() | self.is_kv.q.val() {
            self.answer.d.next = self.matrix_word.val();
        }
        if self.is_vmem.q.val() {
            self.answer.d.next = self.vmem_word.val();
        }
        if self.is_tokens_out.q.val() {
            self.answer.d.next = bit_cast::<72, 64>(self.record_word.val());
        }

        // Bytes.
        self.in_ready.next = (self.phase.q.val() == Phase::Header) | (self.phase.q.val() == Phase::Word);
        self.out_valid.next = self.phase.q.val() == Phase::Answer;
        self.out_data.next = self.shift.q.val().get_bits::<8>(0);
        self.shifted_in.next = bit_cast::<72, 64>(self.shift.q.val().get_bits::<64>(8))
            | (bit_cast::<72, 8>(self.in_data.val()) << 64);

        self.refused_held.d.next = false;
        match self.phase.q.val() {
            Phase::Header => {
                if self.in_valid.val() {
                    self.shift.d.next = self.shifted_in.val();
                    self.bytes.d.next = self.bytes.q.val() + 1;
                    if self.bytes.q.val() == self.header_last.val() {
                        self.bytes.d.next = 0.into();
                        self.phase.d.next = Phase::Decode;
                    }
                }
            }
            Phase::Decode => {
                // The header's seven bytes fill the shift register from the top.
                self.writes.d.next = self.shift.q.val().get_bits::<8>(16) == self.command_write.val();
                self.space.d.next = self.shift.q.val().get_bits::<8>(24);
                self.place.d.next = self.shift.q.val().get_bits::<24>(32);
                self.left.d.next = self.shift.q.val().get_bits::<16>(56);
                self.phase.d.next = Phase::Header;
                if self.shift.q.val().get_bits::<8>(16) == self.command_write.val() {
                    if self.shift.q.val().get_bits::<16>(56).any() {
                        self.phase.d.next = Phase::Word;
                    }
                } else if self.shift.q.val().get_bits::<8>(16) == self.command_read.val() {
                    if self.shift.q.val().get_bits::<16>(56).any() {
                        self.phase.d.next = Phase::Look;
                    }
                } else {
                    self.refused_held.d.next = true;
                }
            }
            Phase::Word => {
                if self.in_valid.val() {
                    self.shift.d.next = self.shifted_in.val();
                    self.bytes.d.next = self.bytes.q.val() + 1;
                    if self.bytes.q.val() == self.word_last.val() {
                        self.bytes.d.next = 0.into();
                        self.phase.d.next = Phase::Check;
                    }
                }
            }
            Phase::Look => {
                // The space is known after a cycle, whether the place is in it after two.
                self.bytes.d.next = self.bytes.q.val() + 1;
                if self.bytes.q.val() == self.look_last.val() {
                    self.bytes.d.next = 0.into();
                    self.phase.d.next = Phase::Check;
                }
            }
            Phase::Check => {
                self.allowed.d.next = self.is_registers.q.val()
                    | (self.memory.val() & self.in_range.q.val() & !self.running.val())
                    | (self.queue.val() & self.in_range.q.val() & !self.running.val() & self.writes.q.val())
                    | (self.is_tokens_in.q.val() & self.writes.q.val() & !self.prompt_full.val())
                    | (self.is_tokens_out.q.val() & !self.writes.q.val());
                self.phase.d.next = Phase::Execute;
            }
            Phase::Execute => {
                self.refused_held.d.next = !self.allowed.q.val();
                self.waits_left.d.next = self.read_wait.val();
                self.waited.d.next = self.read_wait.val() == 0;
                self.phase.d.next = Phase::Wait;
                if self.writes.q.val() {
                    self.place.d.next = self.place.q.val() + 1;
                    self.left.d.next = self.left.q.val() - 1;
                    self.phase.d.next = Phase::Word;
                    if self.left.q.val() == 1 {
                        self.phase.d.next = Phase::Header;
                    }
                }
            }
            Phase::Wait => {
                self.waits_left.d.next = self.waits_left.q.val() - 1;
                self.waited.d.next = self.waits_left.q.val() == 1;
                if self.waited.q.val() {
                    self.phase.d.next = Phase::Answer;
                    self.shift.d.next = 0.into();
                    if self.allowed.q.val() {
                        self.shift.d.next = self.answer.q.val();
                    }
                }
            }
            Phase::Answer => {
                if self.out_ready.val() {
                    self.shift.d.next = self.shift.q.val() >> 8;
                    self.bytes.d.next = self.bytes.q.val() + 1;
                    if self.bytes.q.val() == self.word_last.val() {
                        self.bytes.d.next = 0.into();
                        self.place.d.next = self.place.q.val() + 1;
                        self.left.d.next = self.left.q.val() - 1;
                        self.phase.d.next = Phase::Look;
                        if self.left.q.val() == 1 {
                            self.phase.d.next = Phase::Header;
                        }
                    }
                }
            }
            _ => {}
        }

        for e in 0..self.is_dram.len() {
            dff_setup!(self, clock, is_dram[e], is_transfer_queue[e], in_external[e], dram_waits[e]);
            clock!(self, clock, transfer_queue_write_held[e], dram_write_held[e], dram_read_held[e]);
            self.is_dram[e].d.next = self.space.q.val() == self.space_dram[e].val();
            self.is_transfer_queue[e].d.next = self.space.q.val() == self.space_transfer_queue[e].val();
            self.in_external[e].d.next = (self.is_dram[e].q.val()
                & (self.place_wide.val() < self.dram_words[e].val()))
                | (self.is_transfer_queue[e].q.val()
                    & self.writes.q.val()
                    & (self.place_wide.val() < self.transfer_queue_words[e].val()));
            self.transfer_queue_write_held[e].d.next =
                self.executes.val() & self.writes.q.val() & self.is_transfer_queue[e].q.val();
            self.dram_write_held[e].d.next =
                self.executes.val() & self.writes.q.val() & self.is_dram[e].q.val();
            self.dram_read_held[e].d.next =
                self.executes.val() & !self.writes.q.val() & self.is_dram[e].q.val();
            self.transfer_queue_write[e].next = self.transfer_queue_write_held[e].q.val();
            self.dram_write[e].next = self.dram_write_held[e].q.val();
            self.dram_read[e].next = self.dram_read_held[e].q.val();
            if self.is_dram[e].q.val() {
                self.answer.d.next = self.dram_word[e].val();
            }
            if (self.phase.q.val() == Phase::Check)
                & (self.is_dram[e].q.val() | self.is_transfer_queue[e].q.val())
            {
                self.allowed.d.next = self.in_external[e].q.val() & !self.running.val();
            }
            if self.executes.val() & self.is_dram[e].q.val() {
                self.dram_waits[e].d.next = true;
                self.phase.d.next = Phase::Wait;
            }
            if self.dram_waits[e].q.val() {
                self.phase.d.next = Phase::Wait;
                self.shift.d.next = self.shift.q.val();
                // The word that was read is at hand in the cycle after the next.
                self.waits_left.d.next = 2.into();
                self.waited.d.next = false;
                if self.dram_done[e].val() {
                    self.dram_waits[e].d.next = false;
                    if self.writes.q.val() {
                        self.phase.d.next = Phase::Word;
                        if self.left.q.val() == 0 {
                            self.phase.d.next = Phase::Header;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

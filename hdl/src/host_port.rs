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
//! Addresses hold from before a strobe to the answer; the register read follows the address and has no strobe.
//!
//! # Invariants
//! 1. Every word of a read is answered with nine bytes, zeros where it is refused; nothing else is ever sent.
//! 2. A command byte that is none costs a fault and its seven bytes.

use crate::kind::Kind;
use crate::widths::{OCTET, QUAD, QUEUE_INDEX, VMEM_ROW};
use lpu_isa::Geometry;
use lpu_isa::host::{COMMAND_READ, COMMAND_WRITE, HEADER_BYTES, HOST_WORD_BYTES, QUEUE_PART_BITS, Space};
use rust_hdl::prelude::*;

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
#[derive(LogicBlock)]
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
    command_write: Constant<Bits<8>>,
    command_read: Constant<Bits<8>>,
    header_last: Constant<Bits<4>>,
    word_last: Constant<Bits<4>>,
    look_last: Constant<Bits<4>>,
    read_wait: Constant<Bits<8>>,
    space_registers: Constant<Bits<8>>,
    space_weights: Constant<Bits<8>>,
    space_kv: Constant<Bits<8>>,
    space_vmem: Constant<Bits<8>>,
    space_matrix_queue: Constant<Bits<8>>,
    space_vector_queue: Constant<Bits<8>>,
    space_tokens_in: Constant<Bits<8>>,
    space_tokens_out: Constant<Bits<8>>,
    weights_words: Constant<Bits<25>>,
    kv_words: Constant<Bits<25>>,
    vmem_words: Constant<Bits<25>>,
    matrix_queue_words: Constant<Bits<25>>,
    vector_queue_words: Constant<Bits<25>>,
    octet_bits: Constant<Bits<5>>,
    octet_mask: Constant<Bits<OCTET>>,
    quad_bits: Constant<Bits<5>>,
    quad_mask: Constant<Bits<QUAD>>,
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
    kind: Kind<Self>,
}

impl HostPort {
    /// Cycles from the last byte of a written word to its strobe.
    pub const LATENCY: usize = 3;

    /// The port of a chip whose spaces answer within `read_cycles`.
    pub fn new(geometry: &Geometry, read_cycles: usize) -> Self {
        let space = |space: Space| Constant::new((space as u32).to_bits());
        let words = |count: usize| Constant::new(count.to_bits());
        let (octets, quads) = (geometry.host_words_per_weight_row(), geometry.host_words_per_vmem_row());
        Self {
            clock: Default::default(),
            in_data: Default::default(),
            in_valid: Default::default(),
            in_ready: Default::default(),
            out_data: Default::default(),
            out_valid: Default::default(),
            out_ready: Default::default(),
            running: Default::default(),
            prompt_full: Default::default(),
            register_write: Default::default(),
            token_push: Default::default(),
            record_pop: Default::default(),
            matrix_write: Default::default(),
            matrix_read: Default::default(),
            vmem_write: Default::default(),
            vmem_read: Default::default(),
            matrix_queue_write: Default::default(),
            vector_queue_write: Default::default(),
            kv: Default::default(),
            address: Default::default(),
            matrix_row: Default::default(),
            octet: Default::default(),
            vmem_row: Default::default(),
            quad: Default::default(),
            queue_index: Default::default(),
            queue_part: Default::default(),
            data: Default::default(),
            matrix_word: Default::default(),
            vmem_word: Default::default(),
            register_word: Default::default(),
            record_word: Default::default(),
            refused: Default::default(),
            command_write: Constant::new(u32::from(COMMAND_WRITE).to_bits()),
            command_read: Constant::new(u32::from(COMMAND_READ).to_bits()),
            header_last: Constant::new((HEADER_BYTES - 1).to_bits()),
            word_last: Constant::new((HOST_WORD_BYTES - 1).to_bits()),
            look_last: Constant::new((LOOK_CYCLES - 1).to_bits()),
            read_wait: Constant::new((read_cycles + 1).to_bits()),
            space_registers: space(Space::Registers),
            space_weights: space(Space::Weights),
            space_kv: space(Space::Kv),
            space_vmem: space(Space::Vmem),
            space_matrix_queue: space(Space::MatrixQueue),
            space_vector_queue: space(Space::VectorQueue),
            space_tokens_in: space(Space::TokensIn),
            space_tokens_out: space(Space::TokensOut),
            weights_words: words(geometry.weight_rows * octets),
            kv_words: words(geometry.kv_rows * octets),
            vmem_words: words(geometry.vmem_rows * quads),
            matrix_queue_words: words(geometry.matrix_queue_depth << QUEUE_PART_BITS),
            vector_queue_words: words(geometry.vector_queue_depth << QUEUE_PART_BITS),
            octet_bits: Constant::new(octets.ilog2().to_bits()),
            octet_mask: Constant::new((octets - 1).to_bits()),
            quad_bits: Constant::new(quads.ilog2().to_bits()),
            quad_mask: Constant::new((quads - 1).to_bits()),
            register_write_held: Default::default(),
            token_push_held: Default::default(),
            record_pop_held: Default::default(),
            matrix_write_held: Default::default(),
            matrix_read_held: Default::default(),
            vmem_write_held: Default::default(),
            vmem_read_held: Default::default(),
            matrix_queue_write_held: Default::default(),
            vector_queue_write_held: Default::default(),
            kv_held: Default::default(),
            place_held: Default::default(),
            data_held: Default::default(),
            answer: Default::default(),
            phase: Default::default(),
            shift: Default::default(),
            shifted_in: Default::default(),
            bytes: Default::default(),
            writes: Default::default(),
            space: Default::default(),
            place: Default::default(),
            left: Default::default(),
            waits_left: Default::default(),
            waited: Default::default(),
            allowed: Default::default(),
            refused_held: Default::default(),
            in_range: Default::default(),
            memory: Default::default(),
            queue: Default::default(),
            executes: Default::default(),
            is_registers: Default::default(),
            is_tokens_in: Default::default(),
            is_tokens_out: Default::default(),
            is_weights: Default::default(),
            is_kv: Default::default(),
            is_vmem: Default::default(),
            is_matrix_queue: Default::default(),
            is_vector_queue: Default::default(),
            place_wide: Default::default(),
            kind: Default::default(),
        }
    }
}

#[allow(clippy::collapsible_match, reason = "Rust-HDL drops the guard of a match arm")]
impl Logic for HostPort {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            phase,
            shift,
            bytes,
            writes,
            space,
            place,
            left,
            waits_left,
            waited,
            allowed,
            refused_held
        );
        dff_setup!(
            self,
            clock,
            place_held,
            data_held,
            answer,
            register_write_held,
            token_push_held,
            record_pop_held,
            matrix_write_held,
            matrix_read_held
        );
        dff_setup!(
            self,
            clock,
            vmem_write_held,
            vmem_read_held,
            matrix_queue_write_held,
            vector_queue_write_held,
            kv_held
        );
        dff_setup!(self, clock, is_registers, is_weights, is_kv, is_vmem, is_matrix_queue, is_vector_queue);
        dff_setup!(self, clock, is_tokens_in, is_tokens_out, in_range);

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
    }
}

#[cfg(test)]
mod tests;

//! The registers that the host writes.
//!
//! ```text
//!  write, address ─►[reg]─► which ─►[reg]─┬─►[reg]─► start_position, limit, ...
//!  data ──────────►[reg]────────────►[reg]─┴─►[reg]─► start, stop, go_on, discard, clear_faults     strobes
//! ```
//!
//! | port      | dir | width | meaning                                    | cycle   |
//! |-----------|-----|-------|--------------------------------------------|---------|
//! | `write`   | in  | 1     | strobe                                     | `t`     |
//! | `address` | in  | 24    | [`Register`]; others are ignored           | `t`     |
//! | `data`    | in  | 64    |                                            | `t`     |
//! | `start_position` ... `inverse_temperature` | out | | the registers of the same names | `t + 3` |
//! | `sampling`, `pause` | out | 1 | bits of [`Register::Mode`]             | `t + 3` |
//! | `start`, `stop`, `go_on`, `discard` | out | 1 | strobes, bits of [`Register::Control`] | `t + 3` |
//! | `clear_faults` | out | 32 | strobes, [`Register::Faults`]              | `t + 3` |
//!
//! # Invariants
//! 1. Everything is zero at power-up.

use crate::dialect::*;
use lpu_isa::host::{BitField, Register, control, mode};

/// Registers that can be written, in the order of the kernel.
const WRITABLE: [Register; WRITTEN] = [
    Register::Control,
    Register::Faults,
    Register::StartPosition,
    Register::Limit,
    Register::PromptLength,
    Register::StopToken,
    Register::StopTokenToo,
    Register::Seed,
    Register::Mode,
    Register::InverseTemperature,
];
const WRITTEN: usize = 10;

/// The bits of the control and mode registers, in the order of the kernel.
const _: () = {
    const fn in_order(fields: &[BitField]) -> bool {
        let mut bit = 0;
        while bit < fields.len() && fields[bit].low as usize == bit && fields[bit].width == 1 {
            bit += 1;
        }
        bit == fields.len()
    }
    assert!(in_order(&[control::START, control::STOP, control::CONTINUE, control::DISCARD]));
    assert!(in_order(&[mode::SAMPLE, mode::PAUSE]));
};

/// The written registers.
#[derive(LogicBlock, Default)]
pub struct Settings {
    pub clock: Signal<In, Clock>,
    pub write: Signal<In, Bit>,
    pub address: Signal<In, Bits<24>>,
    pub data: Signal<In, Bits<64>>,
    pub start_position: Signal<Out, Bits<16>>,
    pub limit: Signal<Out, Bits<32>>,
    pub prompt_length: Signal<Out, Bits<32>>,
    pub stop_token: Signal<Out, Bits<16>>,
    pub stop_token_too: Signal<Out, Bits<16>>,
    pub seed: Signal<Out, Bits<32>>,
    pub sampling: Signal<Out, Bit>,
    pub pause: Signal<Out, Bit>,
    pub inverse_temperature: Signal<Out, Bits<24>>,
    pub start: Signal<Out, Bit>,
    pub stop: Signal<Out, Bit>,
    pub go_on: Signal<Out, Bit>,
    pub discard: Signal<Out, Bit>,
    pub clear_faults: Signal<Out, Bits<32>>,
    at: [Setting<24>; WRITTEN],
    which: [DFF<Bit>; WRITTEN],
    write_1: DFF<Bit>,
    address_1: DFF<Bits<24>>,
    data_1: DFF<Bits<64>>,
    data_2: DFF<Bits<64>>,
    start_position_held: DFF<Bits<16>>,
    limit_held: DFF<Bits<32>>,
    prompt_length_held: DFF<Bits<32>>,
    stop_token_held: DFF<Bits<16>>,
    stop_token_too_held: DFF<Bits<16>>,
    seed_held: DFF<Bits<32>>,
    mode: DFF<Bits<2>>,
    inverse_temperature_held: DFF<Bits<24>>,
    control: DFF<Bits<4>>,
    faults: DFF<Bits<32>>,
    kind: Kind<Self>,
}

impl Settings {
    /// Cycles from a write to its register.
    pub const LATENCY: usize = 3;

    /// The registers, each at its address.
    pub fn new() -> Self {
        Self { at: WRITABLE.map(|register| Setting::new(register as u64)), ..Self::default() }
    }
}

impl Logic for Settings {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, start_position_held, limit_held, prompt_length_held, stop_token_held);
        dff_setup!(self, clock, stop_token_too_held, seed_held, mode, inverse_temperature_held, control);
        dff_setup!(self, clock, faults, write_1, address_1, data_1, data_2);
        self.write_1.d.next = self.write.val();
        self.address_1.d.next = self.address.val();
        self.data_1.d.next = self.data.val();
        self.data_2.d.next = self.data_1.q.val();
        // Registers before and behind the decoder: what it writes is all over the chip.
        for r in 0..WRITTEN {
            clock!(self, clock, which[r]);
            self.which[r].d.next = self.write_1.q.val() & (self.address_1.q.val() == self.at[r].val());
        }
        self.control.d.next = 0.into();
        self.faults.d.next = 0.into();
        if self.which[0].q.val() {
            self.control.d.next = self.data_2.q.val().get_bits::<4>(0);
        }
        if self.which[1].q.val() {
            self.faults.d.next = self.data_2.q.val().get_bits::<32>(0);
        }
        if self.which[2].q.val() {
            self.start_position_held.d.next = self.data_2.q.val().get_bits::<16>(0);
        }
        if self.which[3].q.val() {
            self.limit_held.d.next = self.data_2.q.val().get_bits::<32>(0);
        }
        if self.which[4].q.val() {
            self.prompt_length_held.d.next = self.data_2.q.val().get_bits::<32>(0);
        }
        if self.which[5].q.val() {
            self.stop_token_held.d.next = self.data_2.q.val().get_bits::<16>(0);
        }
        if self.which[6].q.val() {
            self.stop_token_too_held.d.next = self.data_2.q.val().get_bits::<16>(0);
        }
        if self.which[7].q.val() {
            self.seed_held.d.next = self.data_2.q.val().get_bits::<32>(0);
        }
        if self.which[8].q.val() {
            self.mode.d.next = self.data_2.q.val().get_bits::<2>(0);
        }
        if self.which[9].q.val() {
            self.inverse_temperature_held.d.next = self.data_2.q.val().get_bits::<24>(0);
        }
        self.start_position.next = self.start_position_held.q.val();
        self.limit.next = self.limit_held.q.val();
        self.prompt_length.next = self.prompt_length_held.q.val();
        self.stop_token.next = self.stop_token_held.q.val();
        self.stop_token_too.next = self.stop_token_too_held.q.val();
        self.seed.next = self.seed_held.q.val();
        self.sampling.next = self.mode.q.val().get_bit(0);
        self.pause.next = self.mode.q.val().get_bit(1);
        self.inverse_temperature.next = self.inverse_temperature_held.q.val();
        self.start.next = self.control.q.val().get_bit(0);
        self.stop.next = self.control.q.val().get_bit(1);
        self.go_on.next = self.control.q.val().get_bit(2);
        self.discard.next = self.control.q.val().get_bit(3);
        self.clear_faults.next = self.faults.q.val();
    }
}

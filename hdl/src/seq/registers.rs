//! The registers that the host reads, and the counters among them.
//!
//! ```text
//!  address ─►[reg]─►(which)─►[reg]─► data
//!                     ▲
//!  status, faults, [cycles], [saturations], constants
//! ```
//!
//! | port         | dir | width | meaning                                             | cycle   |
//! |--------------|-----|-------|-----------------------------------------------------|---------|
//! | `address`    | in  | 24    | [`Register`]; what cannot be read is zero           | `t`     |
//! | `data`       | out | 64    |                                                     | `t + 2` |
//! | `status`     | in  | 5     | bits 4..0 of the status register                    | `t + 1` |
//! | `position`   | in  | 16    | its bits 31..16                                     | `t + 1` |
//! | `faults`     | in  | 32    |                                                     | `t + 1` |
//! | `run_start`  | in  | 1     | strobe: count saturations from zero                 |         |
//! | `saturated`  | in  | 1 x 3 | strobes, one per row with a lane that saturated     |         |
//! | `bitstream`  | in  | 64    | the board's number                                  | `t`     |
//!
//! # Invariants
//! 1. Reading changes nothing.

use crate::kind::Kind;
use lpu_isa::Geometry;
use lpu_isa::host::Register;
use lpu_isa::instruction::ISA_HASH;
use rust_hdl::prelude::*;

/// Bits of the count of saturations.
const SATURATIONS: usize = 40;

/// The read registers.
#[derive(LogicBlock)]
pub struct Registers {
    pub clock: Signal<In, Clock>,
    pub address: Signal<In, Bits<24>>,
    pub status: Signal<In, Bits<5>>,
    pub position: Signal<In, Bits<16>>,
    pub faults: Signal<In, Bits<32>>,
    pub run_start: Signal<In, Bit>,
    pub saturated: [Signal<In, Bit>; 3],
    pub bitstream: Signal<In, Bits<64>>,
    pub data: Signal<Out, Bits<64>>,
    identity: Constant<Bits<64>>,
    isa_hash: Constant<Bits<64>>,
    geometry_hash: Constant<Bits<64>>,
    at_identity: Constant<Bits<24>>,
    at_isa_hash: Constant<Bits<24>>,
    at_geometry_hash: Constant<Bits<24>>,
    at_status: Constant<Bits<24>>,
    at_faults: Constant<Bits<24>>,
    at_cycles: Constant<Bits<24>>,
    at_saturations: Constant<Bits<24>>,
    at_bitstream: Constant<Bits<24>>,
    address_1: DFF<Bits<24>>,
    cycles: DFF<Bits<64>>,
    saturated_now: DFF<Bits<2>>,
    saturations: DFF<Bits<SATURATIONS>>,
    held: DFF<Bits<64>>,
    kind: Kind<Self>,
}

impl Registers {
    /// Cycles from address to data.
    pub const LATENCY: usize = 2;

    /// The registers of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let at = |register: Register| Constant::new((register as u32).to_bits());
        Self {
            clock: Default::default(),
            address: Default::default(),
            status: Default::default(),
            position: Default::default(),
            faults: Default::default(),
            run_start: Default::default(),
            saturated: Default::default(),
            bitstream: Default::default(),
            data: Default::default(),
            identity: Constant::new(u64::from(u32::from_le_bytes(*b"LPU1")).into()),
            isa_hash: Constant::new(ISA_HASH.into()),
            geometry_hash: Constant::new(geometry.hash().into()),
            at_identity: at(Register::Identity),
            at_isa_hash: at(Register::IsaHash),
            at_geometry_hash: at(Register::GeometryHash),
            at_status: at(Register::Status),
            at_faults: at(Register::Faults),
            at_cycles: at(Register::Cycles),
            at_saturations: at(Register::Saturations),
            at_bitstream: at(Register::Bitstream),
            address_1: Default::default(),
            cycles: Default::default(),
            saturated_now: Default::default(),
            saturations: Default::default(),
            held: Default::default(),
            kind: Default::default(),
        }
    }
}

impl Logic for Registers {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, address_1, cycles, saturated_now, saturations, held);
        self.cycles.d.next = self.cycles.q.val() + 1;
        self.saturated_now.d.next = bit_cast::<2, 1>(self.saturated[0].val().into())
            + bit_cast::<2, 1>(self.saturated[1].val().into())
            + bit_cast::<2, 1>(self.saturated[2].val().into());
        self.saturations.d.next =
            self.saturations.q.val() + bit_cast::<SATURATIONS, 2>(self.saturated_now.q.val());
        if self.run_start.val() {
            self.saturations.d.next = 0.into();
        }

        self.address_1.d.next = self.address.val();
        self.held.d.next = 0.into();
        if self.address_1.q.val() == self.at_identity.val() {
            self.held.d.next = self.identity.val();
        }
        if self.address_1.q.val() == self.at_isa_hash.val() {
            self.held.d.next = self.isa_hash.val();
        }
        if self.address_1.q.val() == self.at_geometry_hash.val() {
            self.held.d.next = self.geometry_hash.val();
        }
        if self.address_1.q.val() == self.at_status.val() {
            self.held.d.next =
                bit_cast::<64, 5>(self.status.val()) | (bit_cast::<64, 16>(self.position.val()) << 16);
        }
        if self.address_1.q.val() == self.at_faults.val() {
            self.held.d.next = bit_cast::<64, 32>(self.faults.val());
        }
        if self.address_1.q.val() == self.at_cycles.val() {
            self.held.d.next = self.cycles.q.val();
        }
        if self.address_1.q.val() == self.at_saturations.val() {
            self.held.d.next = bit_cast::<64, SATURATIONS>(self.saturations.q.val());
        }
        if self.address_1.q.val() == self.at_bitstream.val() {
            self.held.d.next = self.bitstream.val();
        }
        self.data.next = self.held.q.val();
    }
}

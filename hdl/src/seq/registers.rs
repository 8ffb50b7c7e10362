//! The registers that the host reads, and the counters among them.
//!
//! ```text
//!  address ─► which ─►[reg]─► choose ─►[reg]─► data
//!                               ▲
//!  status, faults ─►[reg], [cycles], [saturations], constants
//! ```
//!
//! | port         | dir | width | meaning                                             | cycle   |
//! |--------------|-----|-------|-----------------------------------------------------|---------|
//! | `address`    | in  | 24    | [`Register`]; what cannot be read is zero           | `t`     |
//! | `data`       | out | 64    |                                                     | `t + 2` |
//! | `status`     | in  | 5     | bits 4..0 of the status register                    | `t`     |
//! | `position`   | in  | 16    | its bits 31..16                                     | `t`     |
//! | `faults`     | in  | 32    |                                                     | `t`     |
//! | `run_start`  | in  | 1     | strobe: count saturations from zero                 |         |
//! | `saturated`  | in  | 1 x 3 | strobes, one per row with a lane that saturated     |         |
//! | `bitstream`  | in  | 64    | the board's number                                  | `t`     |
//!
//! # Invariants
//! 1. Reading changes nothing.

use crate::dialect::*;
use lpu_isa::Geometry;
use lpu_isa::host::{IDENTITY, Register, status};
use lpu_isa::instruction::isa_hash;

/// Bits of the count of saturations.
const SATURATIONS: usize = 40;
/// Registers that can be read, in the order of their words in the kernel.
const READABLE: [Register; READ] = [
    Register::Identity,
    Register::IsaHash,
    Register::GeometryHash,
    Register::Status,
    Register::Faults,
    Register::Cycles,
    Register::Saturations,
    Register::Bitstream,
];
const READ: usize = 8;

/// The kernel's shift of the position within the status word.
const _: () = assert!(status::POSITION.low == 16 && status::POSITION.width == 16);

/// The read registers.
#[derive(LogicBlock, Default)]
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
    identity: Fixed<IDENTITY, 64>,
    isa_hash: Setting<64>,
    geometry_hash: Setting<64>,
    word: [Signal<Local, Bits<64>>; READ],
    at: [Setting<24>; READ],
    which: [DFF<Bit>; READ],
    status_held: DFF<Bits<5>>,
    position_held: DFF<Bits<16>>,
    faults_held: DFF<Bits<32>>,
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
        Self {
            isa_hash: Setting::new(isa_hash(geometry)),
            geometry_hash: Setting::new(geometry.hash()),
            at: READABLE.map(|register| Setting::new(register as u64)),
            ..Self::default()
        }
    }
}

impl Logic for Registers {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, status_held, position_held, faults_held, cycles, saturated_now, saturations);
        dff_setup!(self, clock, held);
        self.status_held.d.next = self.status.val();
        self.position_held.d.next = self.position.val();
        self.faults_held.d.next = self.faults.val();
        self.cycles.d.next = self.cycles.q.val() + 1;
        self.saturated_now.d.next = bit_cast::<2, 1>(self.saturated[0].val().into())
            + bit_cast::<2, 1>(self.saturated[1].val().into())
            + bit_cast::<2, 1>(self.saturated[2].val().into());
        self.saturations.d.next =
            self.saturations.q.val() + bit_cast::<SATURATIONS, 2>(self.saturated_now.q.val());
        if self.run_start.val() {
            self.saturations.d.next = 0.into();
        }

        // The address is decoded in its own cycle: what remains is to choose one word of eight.
        self.word[0].next = self.identity.val();
        self.word[1].next = self.isa_hash.val();
        self.word[2].next = self.geometry_hash.val();
        self.word[3].next = bit_cast::<64, 5>(self.status_held.q.val())
            | (bit_cast::<64, 16>(self.position_held.q.val()) << 16);
        self.word[4].next = bit_cast::<64, 32>(self.faults_held.q.val());
        self.word[5].next = self.cycles.q.val();
        self.word[6].next = bit_cast::<64, SATURATIONS>(self.saturations.q.val());
        self.word[7].next = self.bitstream.val();
        self.held.d.next = 0.into();
        for r in 0..READ {
            clock!(self, clock, which[r]);
            self.which[r].d.next = self.address.val() == self.at[r].val();
            if self.which[r].q.val() {
                self.held.d.next = self.word[r].val();
            }
        }
        self.data.next = self.held.q.val();
    }
}

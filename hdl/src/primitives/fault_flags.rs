//! The sticky fault flags: one input per fault of the instruction set's table, in the table's order of bits.
//!
//! ```text
//!  one strobe per fault ─►(or)─►[reg]─► flags
//!  clear ───────────────►(and not)┘
//! ```
//!
//! | port            | dir | width | meaning                                        | cycle   |
//! |-----------------|-----|-------|------------------------------------------------|---------|
//! | one per [`Fault`] | in | 1    | strobe, named as the fault                     | `t`     |
//! | `clear`         | in  | 32    | a one clears its flag, unless its strobe comes | `t`     |
//! | `flags`         | out | 32    | bits of [`Fault`]                              | `t + 1` |
//!
//! Faults of external memory have a port where there is such a memory.
//!
//! # Invariants
//! 1. A flag goes only when it is cleared.

use super::value::bits_of;
use crate::dialect::*;
use lpu_isa::Geometry;
use lpu_isa::host::Fault;

/// Declares the block with a port for each fault.
macro_rules! fault_flags {
    ({ $($port:ident: $fault:ident,)+ } external { $($transfer:ident: $external:ident,)+ }) => {
        /// The fault flags.
        #[derive(LogicBlock, Default)]
        pub struct FaultFlags {
            pub clock: Signal<In, Clock>,
            $(pub $port: Signal<In, Bit>,)+
            $(pub $transfer: Vec<Signal<In, Bit>>,)+
            pub clear: Signal<In, Bits<32>>,
            pub flags: Signal<Out, Bits<32>>,
            _external: usize,
            kind: Kind<Self>,
        }

        impl FaultFlags {
            /// Cycles from a strobe to its flag.
            pub const LATENCY: usize = 1;
            /// The strobes with their faults.
            pub const PORTS: &'static [(&'static str, Fault)] = &[$((stringify!($port), Fault::$fault),)+];
            /// Those of external memory.
            pub const EXTERNAL: &'static [(&'static str, Fault)] =
                &[$((concat!(stringify!($transfer), "$0"), Fault::$external),)+];

            /// The flags of a chip.
            pub fn new(geometry: &Geometry) -> Self {
                let external = usize::from(geometry.has_external_memory());
                Self { $($transfer: many(external),)+ _external: external, ..Self::default() }
            }

            /// The strobes that this chip has.
            fn ports(&self) -> Vec<(&'static str, Fault)> {
                let external = Self::EXTERNAL.iter().filter(|_| self._external > 0);
                Self::PORTS.iter().chain(external).copied().collect()
            }

            fn strobes(&self) -> u32 {
                let mut bits = 0;
                $(if self.$port.val() { bits |= Fault::$fault.0; })+
                $(if self.$transfer.iter().any(|strobe| strobe.val()) { bits |= Fault::$external.0; })+
                bits
            }
        }
    };
}

fault_flags! {
    {
        matrix_underrun: MATRIX_UNDERRUN,
        vector_underrun: VECTOR_UNDERRUN,
        illegal_instruction: ILLEGAL_INSTRUCTION,
        vmem_conflict: VMEM_CONFLICT,
        noise_underrun: NOISE_UNDERRUN,
        kv_conflict: KV_CONFLICT,
        act_conflict: ACT_CONFLICT,
        matrix_address: MATRIX_ADDRESS,
        vmem_address: VMEM_ADDRESS,
        host_access: HOST_ACCESS,
        sync_lost: SYNC_LOST,
        scalar_conflict: SCALAR_CONFLICT,
    }
    external {
        transfer_underrun: TRANSFER_UNDERRUN,
        dram_address: DRAM_ADDRESS,
        transfer_conflict: TRANSFER_CONFLICT,
    }
}

impl Logic for FaultFlags {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let flags = self.flags.val().to_u64() as u32 & !(self.clear.val().to_u64() as u32);
            self.flags.next = bits_of(i64::from(flags | self.strobes()));
        }
    }

    fn hdl(&self) -> Verilog {
        let ports = self.ports();
        let bit = |index: u32| {
            let port = ports.iter().find(|(_, fault)| fault.0 == 1 << index);
            port.map_or("1'b0", |(port, _)| port)
        };
        let strobes: Vec<&str> = (0..32).rev().map(bit).collect();
        Verilog::Custom(format!(
            "initial flags = 32'h0;\nalways_ff @(posedge clock) flags <= (flags & ~clear) | {{{}}};",
            strobes.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn every_fault_has_its_port() {
        let all = FaultFlags::new(&Geometry::NANO_SDRAM).ports();
        let mut found: Vec<u32> = all.iter().map(|(_, fault)| fault.0).collect();
        let mut expected: Vec<u32> = Fault::TABLE.iter().map(|(fault, ..)| fault.0).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn flags_stick_until_they_are_cleared() {
        [Geometry::NANO, Geometry::NANO_SDRAM].iter().for_each(flags_of_a_chip_stick);
    }

    fn flags_of_a_chip_stick(chip: &Geometry) {
        let mut flags = FaultFlags::new(chip);
        let ports = flags.ports();
        let bench = Bench::new(&emit(&mut flags, "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        let (mut flags, mut expected) = (0u32, vec![]);
        for _ in 0..5_000 {
            expected.push(flags);
            let clear = if random.below(4) == 0 { random.unsigned(32) as u32 } else { 0 };
            flags &= !clear;
            stimulus.cycle().set("clear", clear.into());
            for (port, fault) in &ports {
                if random.below(16) == 0 {
                    stimulus.set(port, 1);
                    flags |= fault.0;
                }
            }
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, expected) in expected.iter().enumerate() {
            assert_eq!(response.get(t, "flags"), u64::from(*expected), "cycle {t}");
        }
    }
}

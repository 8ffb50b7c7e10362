//! The fields of a queue's operations as ports of their own, cut from the parts of an instruction.
//!
//! ```text
//!  part[0] (part 1 of the instruction) ─┬─► one port per field, named as in the instruction table
//!  part[1] ...                         ─┘
//! ```
//!
//! Wiring only. Operations of one queue share ports where they share names; a test of the table keeps such fields at
//! one place.
//!
//! # Invariants
//! 1. Every field of the table has its port, with the table's width and place: a test walks the table.

use super::value::bits_of;
use crate::dialect::*;
use lpu_isa::instruction::{Dot, Field, Gather, MATRIX_PARTS, PARTS, TRANSFER_PARTS, Transfer, Vector};

/// Declares the payload block of a queue: its parts beyond the first, and ports named as the fields of its operations. Verilog
/// reserves some words, so a port may have a name of its own.
macro_rules! payload {
    ($(#[$meta:meta])* $name:ident[$parts:expr] { $($operation:ident { $($port:ident $(= $field:ident)?),+ $(,)? })+ }) => {
        $(#[$meta])*
        #[derive(LogicBlock, Default)]
        pub struct $name {
            pub part: [Signal<In, Bits<64>>; $parts],
            $($(pub $port: Signal<Out, Bits<{ field!($operation $port $($field)?).width as usize }>>,)+)+
            kind: Kind<Self>,
        }

        impl $name {
            /// Cycles from parts to fields.
            pub const LATENCY: usize = 0;
            /// The ports, and the field that each shows.
            pub const PORTS: &'static [(&'static str, Field)] =
                &[$($((stringify!($port), field!($operation $port $($field)?)),)+)+];
        }

        impl Logic for $name {
            fn update(&mut self) {
                $($(
                let Field { part, low, width, .. } = field!($operation $port $($field)?);
                let bits = self.part[part - 1].val().to_u64() >> low & ((1 << width) - 1);
                self.$port.next = bits_of(bits as i64);
                )+)+
            }

            fn hdl(&self) -> Verilog {
                let line = |(port, Field { part, low, width, .. }): &(&str, Field)| {
                    format!("assign {port} = part${}[{}:{low}];\n", part - 1, low + width - 1)
                };
                Verilog::Custom(Self::PORTS.iter().map(line).collect())
            }
        }
    };
}

/// The field that a port shows.
macro_rules! field {
    ($operation:ident $port:ident $field:ident) => {
        $operation::$field
    };
    ($operation:ident $port:ident) => {
        $operation::$port
    };
}

payload! {
    /// Fields of `Dot` and `Gather`; what they share has one place.
    MatrixPayload[MATRIX_PARTS - 1] {
        Dot {
            memory, offset, row, row_step, entry, entry_continue, entry_advance, tap, lane, lane_advance, clear, emit, shift, mask,
            maximum, scalar, store,
        }
        Gather { index, chunks }
    }
}

payload! {
    /// Fields of `Vector`.
    VectorPayload[PARTS - 1] {
        Vector {
            x, x_shift, swap, subtract, function_code = function, b, c, shift, relu, scalar, scalar_step, vmem_index, vmem_offset,
            vmem_advance, vmem, a, a_advance, bc, bc_advance, write, target, target_advance, destination, half, sub, sub_advance,
            entry, entry_continue, entry_advance, start, length, period, start_step, row, row_step, row_offset, positions, restart,
            tail, reduce, scaling, reduction, sum_shift, bias,
        }
    }
}

payload! {
    /// Fields of `Transfer`.
    TransferPayload[TRANSFER_PARTS - 1] {
        Transfer {
            way, format, offset_codes, step_by, address_offset, row_offset, shift, run, blocks, address, address_step, row, row_step,
            run_step, row_number_step,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use lpu_isa::instruction::{On, TABLE};

    /// Every field of the operations of one queue has a port at its place.
    fn ports_are_the_table(on: On, ports: &[(&str, Field)]) {
        let place = |field: &Field| (field.name, field.part, field.low, field.width);
        let fields = TABLE.iter().filter(|row| row.on == on).flat_map(|row| row.fields);
        for field in fields.filter(|field| !field.external) {
            assert!(ports.iter().any(|(_, shown)| place(shown) == place(field)), "{field:?}");
        }
    }

    #[test]
    fn every_field_has_its_port() {
        ports_are_the_table(On::Matrix, MatrixPayload::PORTS);
        ports_are_the_table(On::Vector, VectorPayload::PORTS);
        ports_are_the_table(On::Transfer, TransferPayload::PORTS);
    }

    fn cuts<B: Block>(mut block: B, ports: &[(&str, Field)], parts: usize) {
        let bench = Bench::new(&emit(&mut block, "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let words: Vec<Vec<u64>> =
            (0..1_000).map(|_| (0..parts).map(|_| random.next_u64()).collect()).collect();
        let mut stimulus = bench.stimulus();
        for words in &words {
            stimulus.cycle();
            words.iter().enumerate().for_each(|(part, &word)| {
                stimulus.set(&format!("part${part}"), word);
            });
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, words) in words.iter().enumerate() {
            for (port, Field { part, low, width, .. }) in ports {
                let expected = words[part - 1] >> low & ((1 << width) - 1);
                assert_eq!(response.get(t, port), expected, "cycle {t}, `{port}`");
            }
        }
    }

    #[test]
    fn ports_show_their_bits() {
        cuts(MatrixPayload::default(), MatrixPayload::PORTS, MATRIX_PARTS - 1);
        cuts(VectorPayload::default(), VectorPayload::PORTS, PARTS - 1);
        cuts(TransferPayload::default(), TransferPayload::PORTS, TRANSFER_PARTS - 1);
    }
}

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
//! 1. Every field of the table has its port, with the table's width: the constructor's test walks the table.

use super::value::bits_of;
use crate::dialect::*;
use crate::icu::layout;

/// Declares the payload block of a queue: its operations, its parts beyond the first, its fields with their widths.
macro_rules! payload {
    ($(#[$meta:meta])* $name:ident of $operations:expr, $parts:literal parts { $($field:ident: $width:literal,)+ }) => {
        $(#[$meta])*
        #[derive(LogicBlock, Default)]
        pub struct $name {
            pub part: [Signal<In, Bits<64>>; $parts],
            $(pub $field: Signal<Out, Bits<$width>>,)+
            kind: Kind<Self>,
        }

        impl $name {
            /// Cycles from parts to fields.
            pub const LATENCY: usize = 0;
            /// Operations whose fields these are.
            pub const OPERATIONS: &'static [&'static str] = &$operations;
            /// The ports: name and width.
            pub const PORTS: &'static [(&'static str, u32)] = &[$((stringify!($field), $width),)+];
        }

        impl Logic for $name {
            fn update(&mut self) {
                $(
                let (part, low) = place(Self::OPERATIONS, stringify!($field));
                let bits = self.part[part].val().to_u64() >> low & ((1 << $width) - 1);
                self.$field.next = bits_of(bits as i64);
                )+
            }

            fn hdl(&self) -> Verilog {
                let mut text = String::new();
                $(
                let (part, low) = place(Self::OPERATIONS, stringify!($field));
                text += &format!("assign {} = part${part}[{}:{low}];\n", stringify!($field), low + $width - 1);
                )+
                Verilog::Custom(text)
            }
        }
    };
}

/// The field that a port shows. Verilog reserves `function`, so that port has a name of its own.
fn field_of(port: &str) -> &str {
    port.strip_suffix("_code").unwrap_or(port)
}

/// Index of the part port and lowest bit of the field that a port shows.
fn place(operations: &[&str], port: &str) -> (usize, u32) {
    let name = field_of(port);
    let mut fields = operations.iter().flat_map(|operation| layout::row(operation).fields);
    let field = fields.find(|field| field.name == name);
    let field = field.unwrap_or_else(|| panic!("no operation of {operations:?} has a field `{name}`"));
    (field.part - 1, field.low)
}

payload! {
    /// Fields of `Dot` and `Gather`.
    MatrixPayload of ["Dot", "Gather"], 3 parts {
        memory: 1, offset: 1, row: 24, row_step: 16,
        entry: 6, entry_continue: 1, entry_advance: 1, tap: 4, lane: 8, lane_advance: 1, clear: 2, emit: 2, shift: 5,
        mask: 1, maximum: 1, scalar: 6, store: 24,
        index: 1, chunks: 4,
    }
}

payload! {
    /// Fields of `Vector`.
    VectorPayload of ["Vector"], 5 parts {
        x: 1, x_shift: 3, swap: 1, subtract: 1, function_code: 2, b: 3, c: 2, shift: 8, relu: 1, scalar: 7, scalar_step: 2,
        vmem_index: 2, vmem_offset: 1, vmem_advance: 1, vmem: 24,
        a: 14, a_advance: 1, bc: 14, bc_advance: 1, write: 1, target: 14, target_advance: 1,
        destination: 3, half: 1, sub: 4, sub_advance: 1, entry: 6, entry_continue: 1, entry_advance: 1,
        start: 10, length: 1, period: 4, start_step: 10,
        row: 24, row_step: 24, row_offset: 1, positions: 4, restart: 1, tail: 8,
        reduce: 2, scaling: 2, reduction: 6, sum_shift: 5, bias: 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use std::collections::BTreeMap;

    /// All fields of the operations by name; fields that share a name share their place.
    fn fields(operations: &[&str]) -> BTreeMap<&'static str, (usize, u32, u32)> {
        let mut found = BTreeMap::new();
        for field in operations.iter().flat_map(|operation| layout::row(operation).fields) {
            let place = (field.part, field.low, field.width);
            assert_eq!(*found.entry(field.name).or_insert(place), place, "`{}` has two places", field.name);
        }
        found
    }

    fn ports_are_the_table(operations: &[&str], ports: &[(&str, u32)]) {
        let expected: BTreeMap<&str, u32> =
            fields(operations).into_iter().map(|(name, place)| (name, place.2)).collect();
        let found = ports.iter().map(|&(port, width)| (field_of(port), width));
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    }

    #[test]
    fn every_field_has_its_port() {
        ports_are_the_table(MatrixPayload::OPERATIONS, MatrixPayload::PORTS);
        ports_are_the_table(VectorPayload::OPERATIONS, VectorPayload::PORTS);
    }

    fn cuts<B: Block>(mut block: B, operations: &[&str], ports: &[(&str, u32)], parts: usize) {
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
            for (port, _) in ports {
                let (part, low, width) = fields(operations)[field_of(port)];
                let expected = words[part - 1] >> low & ((1 << width) - 1);
                assert_eq!(response.get(t, port), expected, "cycle {t}, `{port}`");
            }
        }
    }

    #[test]
    fn ports_show_their_bits() {
        cuts(MatrixPayload::default(), MatrixPayload::OPERATIONS, MatrixPayload::PORTS, 3);
        cuts(VectorPayload::default(), VectorPayload::OPERATIONS, VectorPayload::PORTS, 5);
    }
}

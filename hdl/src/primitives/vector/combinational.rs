//! The shape that combinational primitives share: ports, a model, Verilog text, a property, and the tests of both.

/// Declares a combinational primitive `Name(inputs) -> (outputs)`. Ports are `kind name: width`, where the kind says
/// how the model sees the number. The model is a closure over `i64`s that returns the outputs as a tuple; the Verilog
/// drives the outputs. The property is a closure over inputs and outputs that says what the block is for without asking the
/// model. The block gets a module `stream_test` that holds the Verilog to both on random and extreme inputs.
macro_rules! combinational {
    ($(#[$meta:meta])* $name:ident($($ikind:ident $input:ident: $iw:literal),+) -> ($($okind:ident $output:ident: $ow:literal),+);
     model $model:expr;
     verilog $verilog:expr;
     property $property:expr;) => {
        $(#[$meta])*
        #[derive(LogicBlock, Default)]
        pub struct $name {
            $(pub $input: Signal<In, Bits<$iw>>,)+
            $(pub $output: Signal<Out, Bits<$ow>>,)+
            kind: $crate::dialect::Kind<Self>,
        }

        impl $name {
            /// Cycles from inputs to outputs.
            pub const LATENCY: usize = 0;

            /// What the block computes, on plain numbers.
            pub fn model($($input: i64),+) -> ($(combinational!(@number $output),)+) {
                ($model)($($input),+)
            }
        }

        impl Logic for $name {
            fn update(&mut self) {
                let ($($output,)+) =
                    Self::model($(combinational_number!($ikind, self.$input.val())),+);
                $(self.$output.next = $crate::primitives::value::bits_of($output);)+
            }

            fn hdl(&self) -> Verilog {
                Verilog::Custom($verilog)
            }
        }

        #[cfg(test)]
        mod stream_test {
            use super::*;

            type Inputs = ($(combinational!(@number $input),)+);
            type Outputs = ($(combinational!(@number $output),)+);

            /// What the Verilog makes of random inputs.
            fn stream(cases: usize) -> Vec<(Inputs, Outputs)> {
                let design = $crate::emit::emit(&mut $name::default(), "dut").unwrap();
                let bench = $crate::bench::Bench::new(&design).unwrap();
                let mut random = $crate::bench::Random::from_seed_variable();
                let mut stimulus = bench.stimulus();
                let mut inputs = Vec::with_capacity(cases);
                for _ in 0..cases {
                    stimulus.cycle();
                    $(let $input = $crate::primitives::vector::combinational::awkward(&mut random, $iw);
                    stimulus.set(stringify!($input), $input as u64);
                    let $input = combinational_number!($ikind, {
                        let bits: Bits<$iw> = $crate::primitives::value::bits_of($input);
                        bits
                    });)+
                    inputs.push(($($input,)+));
                }
                let response = bench.run(&stimulus).unwrap();
                let output = |t: usize| ($(combinational_number!($okind, {
                    let bits: Bits<$ow> = response.get(t, stringify!($output)).to_bits();
                    bits
                }),)+);
                inputs.into_iter().enumerate().map(|(t, inputs)| (inputs, output(t))).collect()
            }

            #[test]
            fn verilog_is_the_model() {
                for (inputs, outputs) in stream(200_000) {
                    let ($($input,)+) = inputs;
                    let ($($output,)+) = $name::model($($input),+);
                    let expected = ($(combinational_number!($okind, {
                        let bits: Bits<$ow> = $crate::primitives::value::bits_of($output);
                        bits
                    }),)+);
                    assert_eq!(outputs, expected, "{inputs:?}");
                }
            }

            #[test]
            fn verilog_has_the_property() {
                let holds: fn($(combinational!(@number $input),)+ $(combinational!(@number $output)),+) -> bool = $property;
                for (inputs, outputs) in stream(50_000) {
                    let (($($input,)+), ($($output,)+)) = (inputs, outputs);
                    assert!(holds($($input,)+ $($output),+), "{inputs:?} give {outputs:?}");
                }
            }
        }
    };
    (@number $output:ident) => { i64 };
}

/// A port's value as its declaration says: `signed` or `unsigned`.
macro_rules! combinational_number {
    (signed, $bits:expr) => {
        $crate::primitives::value::signed_of($bits)
    };
    (unsigned, $bits:expr) => {
        $bits.to_u64() as i64
    };
}

/// Random bits of a port: all magnitudes are equally likely, of either sign, with the extremes among them.
#[cfg(test)]
pub(super) fn awkward(random: &mut crate::bench::Random, bits: u32) -> i64 {
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let width = 1 + random.below(u64::from(bits)) as u32;
    let value = random.signed(width) + random.below(2) as i64;
    let extreme = [0, 1, u64::MAX, 1 << (bits - 1), (1 << (bits - 1)) - 1];
    match random.below(16) {
        0 => (extreme[random.below(5) as usize] & mask) as i64,
        _ => (value as u64 & mask) as i64,
    }
}

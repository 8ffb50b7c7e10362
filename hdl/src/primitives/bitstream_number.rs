//! The bitstream's own number: a constant that synthesis takes from its command line, so that the Verilog's text, whose
//! hash the number contains, does not contain the number.
//!
//! | port     | dir | width | meaning                                             |
//! |----------|-----|-------|-----------------------------------------------------|
//! | `number` | out | 64    | the macro `LPU_BITSTREAM`; zero where it is not set |

use crate::dialect::*;

/// The number of the bitstream.
#[derive(LogicBlock, Default)]
pub struct BitstreamNumber {
    pub number: Signal<Out, Bits<64>>,
    kind: Kind<Self>,
}

impl Logic for BitstreamNumber {
    fn update(&mut self) {
        self.number.next = 0.into();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(super::body(include_str!("bitstream_number.sv")))
    }
}

//! Primitives: hand-written Verilog with a Rust model beside it, and the recipe for everything above them.
//!
//! Arithmetic, memories and wiring that Rust-HDL cannot say safely live here and nowhere else. Each is a Rust-HDL block
//! with a `LATENCY`, tested with a new input every cycle.
//!
//! A module without parameters is a `.sv` file, which [`body`] reads; where widths vary, the block prints its text.
//!
//! # How to write a module of the machine
//!
//! 1. `use crate::dialect::*;`, and a struct with `#[derive(LogicBlock, Default)]`: `Signal<In/Out/Local, Bits<W>>`, `DFF<Bits<W>>`
//!    registers, primitives and other blocks, arrays and vectors of them, and `kind: Kind<Self>`, which names the Verilog module. The
//!    constructor names what the chip decides and ends in `..Self::default()`; [`many`](crate::dialect::many) fills vectors.
//! 2. Numbers are `Bits<W>`; `+`, `-`, `==`, `&`, `|`, `^`, `!`, shifts work and wrap. Everything signed (extension,
//!    products, comparison, saturation, rounding) is a primitive.
//! 3. A kernel may use loops `for i in 0..N`, `if`/`else`, `match` on a `LogicState`, `clock!(self, clock, a, b[i])`, and
//!    `dff_setup!` for registers that hold what nothing replaces. It has no `let`, and a guard on a `match` arm is dropped without
//!    a word: never write one. Assign a default first, then overrides.
//! 4. A number used as a *value* (a literal is fine) must be a field: [`Fixed`](crate::dialect::Fixed) where it is known, filled from
//!    `lpu_isa`, [`Setting`](crate::dialect::Setting) where the chip decides. The emitter refuses a bare const generic. As loop bounds
//!    const generics are fine; in an index they are not, so the last of `N` is reached by `for i in (N - 1)..N`.
//! 5. Wide buses are `Bits<288>` ports: read a lane with `self.bus.val().get_bits::<18>(i * 18)`, build one with [`JoinLanes`].
//! 6. `emit(&mut block, "name")` gives the design, `Bench::new` lints and builds it, and a test streams a new input every cycle. `$` in a
//!    port name is an array index: `lane[3]` is the port `lane$3`.
//!
//! Names that Verilog reserves (`join`, `bit`, `byte`, `priority`, ...) cannot be fields; lint tells.
//!
//! ```
//! use lpu_hdl::bench::{Bench, Random};
//! use lpu_hdl::dialect::*;
//! use lpu_hdl::emit::emit;
//! use lpu_hdl::primitives::{JoinLanes, Multiplier};
//!
//! /// Multiplies each of four lanes by the same factor, or by one half of it.
//! #[derive(LogicBlock, Default)]
//! struct ScaleLanes {
//!     pub clock: Signal<In, Clock>,
//!     pub x: Signal<In, Bits<72>>,
//!     pub factor: Signal<In, Bits<18>>,
//!     pub mode: Signal<In, Bits<2>>,
//!     pub y: Signal<Out, Bits<144>>,
//!     mode_half: Fixed<2, 2>, // an encoding of the ISA
//!     held: DFF<Bits<18>>,
//!     multiplier: [Multiplier; 4],
//!     lanes: JoinLanes<4, 36, 144>,
//!     kind: Kind<Self>,
//! }
//!
//! impl ScaleLanes {
//!     /// Cycles from `x` to `y`; the factor comes one cycle before.
//!     pub const LATENCY: usize = Multiplier::LATENCY;
//! }
//!
//! impl Logic for ScaleLanes {
//!     #[hdl_gen]
//!     fn update(&mut self) {
//!         dff_setup!(self, clock, held);
//!         self.held.d.next = self.factor.val();
//!         if self.mode.val() == self.mode_half.val() {
//!             self.held.d.next = self.factor.val() >> 1;
//!         }
//!         for i in 0..4 {
//!             clock!(self, clock, multiplier[i]);
//!             self.multiplier[i].a.next = self.x.val().get_bits::<18>(i * 18);
//!             self.multiplier[i].b.next = self.held.q.val();
//!             self.lanes.lane[i].next = self.multiplier[i].product.val();
//!         }
//!         self.y.next = self.lanes.bus.val();
//!     }
//! }
//!
//! let design = emit(&mut ScaleLanes::default(), "scale_lanes").unwrap();
//! let bench = Bench::new(&design).unwrap();
//! let mut random = Random::from_seed_variable();
//! let (mut stimulus, mut expected, mut held) = (bench.stimulus(), vec![], 0);
//! for _ in 0..100 {
//!     let x: Vec<i64> = (0..4).map(|_| random.signed(18)).collect();
//!     let (factor, mode) = (random.unsigned(17) as i64, random.below(4));
//!     stimulus.cycle().set_lanes("x", 18, &x).set_signed("factor", factor).set("mode", mode);
//!     expected.push(x.iter().map(|x| x * held).collect::<Vec<_>>());
//!     held = if mode == 2 { factor >> 1 } else { factor };
//! }
//! let response = bench.run(stimulus.idle(ScaleLanes::LATENCY)).unwrap();
//! for (t, expected) in expected.iter().enumerate() {
//!     assert_eq!(&response.signed_lanes(t + ScaleLanes::LATENCY, "y", 36), expected, "cycle {t}");
//! }
//! ```

pub mod arith;
pub mod bitstream_number;
pub mod boot_ram;
pub mod clock_rate;
pub mod delay;
pub mod ebr;
pub mod fault_flags;
pub mod flash_clock;
pub mod join_lanes;
pub mod local_copy;
pub mod lutram;
pub mod matrix;
pub mod mult;
pub mod pad;
pub mod payload;
pub mod pll;
pub mod queue_store;
pub mod round_shift_sat;
pub mod soft_core;
mod value;
pub mod vector;

pub use arith::{Extend, SignedMax};
pub use bitstream_number::BitstreamNumber;
pub use boot_ram::BootRam;
pub use clock_rate::ClockRate;
pub use delay::Delay;
pub use ebr::Ebr;
pub use fault_flags::FaultFlags;
pub use flash_clock::FlashClock;
pub use join_lanes::JoinLanes;
pub use local_copy::LocalCopy;
pub use lutram::LutRam;
pub use matrix::{Normalise, OperandSelect, TreeAdder};
pub use mult::Multiplier;
pub use pad::{ClockPin, PadIn, PadOut};
pub use payload::{MatrixPayload, TransferPayload, VectorPayload};
pub use queue_store::QueueStore;
pub use round_shift_sat::RoundShiftSat;
pub use soft_core::SoftCore;

/// The body of a module in a `.sv` file. The file is the complete module, so that editors and tools can read it; a test checks that it
/// equals the emitted module, ports included.
fn body(file: &str) -> String {
    let (_, inside) = file.split_once("\n);\n").expect("the file begins with a module's ports");
    let (inside, _) = inside.rsplit_once("endmodule").expect("the file ends with the module");
    inside.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
}

/// Verilog that differs by family: the vendor's cells under `LPU_ECP5`, else plain behaviour for simulation and for
/// other families.
fn by_family(ecp5: &str, behaviour: &str) -> String {
    format!("`ifdef LPU_ECP5\n{ecp5}\n`else\n{behaviour}\n`endif")
}

#[cfg(test)]
mod tests {
    use crate::board::{Board, Plan, PllSettings};
    use crate::emit::emit;
    use crate::soc::SocPlan;
    use lpu_isa::Geometry;
    use std::fs;
    use std::path::Path;

    fn files(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                files(&entry, found);
            } else if entry.extension().is_some_and(|ending| ending == "sv")
                && !entry.to_string_lossy().contains(".property.")
            {
                found.push(fs::read_to_string(entry).unwrap());
            }
        }
    }

    #[test]
    fn every_file_is_the_module_that_is_emitted() {
        let soc = SocPlan { clock_hz: 1, image: vec![] };
        let pll = PllSettings::default();
        let plan = Plan { geometry: Geometry::NANO, pll, soc, leds_active_low: false };
        let modules = emit(&mut Board::new(&plan), "board").unwrap().modules;
        let mut found = vec![];
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/primitives"), &mut found);
        assert!(found.len() >= 19, "{} files", found.len());
        for file in found {
            assert!(modules.iter().any(|module| module.to_string() == file), "not in the design:\n{file}");
        }
    }
}

//! Primitives: hand-written Verilog with a Rust model beside it, and the recipe for everything above them.
//!
//! Arithmetic, memories and wiring that Rust-HDL cannot say safely live here and nowhere else. Each is a Rust-HDL block
//! with a `LATENCY`, tested with a new input every cycle.
//!
//! # How to write a module of the machine
//!
//! 1. A struct with `#[derive(LogicBlock)]`: `Signal<In/Out/Local, Bits<W>>`, `DFF<Bits<W>>` registers, primitives and
//!    other blocks, arrays `[Block; N]` of them, and `kind: Kind<Self>`, which names the Verilog module. Array sizes
//!    and widths are const generics: one source, any geometry. Const generics cannot be computed with in types: pass
//!    the product (`TOTAL`) as a parameter of its own and check it with `const { assert!(..) }` in the constructor.
//! 2. Numbers are `Bits<W>`; `+`, `-`, `==`, `&`, `|`, `^`, `!`, shifts work and wrap. Everything signed (extension,
//!    products, comparison, saturation, rounding) is a primitive.
//! 3. A kernel may use loops `for i in 0..N`, `if`/`else`, `match` on a `LogicState`, `dff_setup!(self, clock, a, b)`.
//!    It has no `let`, and a guard on a `match` arm is dropped without a word: never write one. Assign a default
//!    first, then overrides. An array register is written
//!    `self.x[i].clock.next = self.clock.val(); self.x[i].d.next = ...`.
//! 4. A number used as a *value* (a literal is fine) must be a field `Constant<Bits<W>>`, filled from `lpu_isa` in the
//!    constructor: the emitter refuses a bare const generic. As loop bounds const generics are fine; in an index they
//!    are not, so the last of `N` is reached by `for i in (N - 1)..N`.
//! 5. Wide buses are `Bits<288>` ports: read a lane with `self.bus.val().get_bits::<18>(i * 18)`, build one with
//!    [`JoinLanes`]. Where the lane width is a const generic, multiply by a `Constant<Bits<32>>`:
//!    `get_bits::<W>(i * self.stride.val().index())`.
//! 6. `emit(&mut block, "name")` gives the Verilog and its ports, `Bench::new` lints and builds it, and a test streams a
//!    new input every cycle. `$` in a port name is an array index: `lane[3]` is the port `lane$3`.
//!
//! Names that Verilog reserves (`join`, `bit`, `byte`, `priority`, ...) cannot be fields; lint tells.
//!
//! ```
//! use lpu_hdl::bench::{Bench, Random};
//! use lpu_hdl::emit::emit;
//! use lpu_hdl::kind::Kind;
//! use lpu_hdl::primitives::{JoinLanes, Multiplier};
//! use rust_hdl::prelude::*;
//!
//! /// Multiplies each 18-bit lane of a bus by the same factor, or by one half of it.
//! #[derive(LogicBlock)]
//! struct ScaleLanes<const LANES: usize, const IN: usize, const OUT: usize> {
//!     pub clock: Signal<In, Clock>,
//!     pub x: Signal<In, Bits<IN>>,
//!     pub factor: Signal<In, Bits<18>>,
//!     pub mode: Signal<In, Bits<2>>,
//!     pub y: Signal<Out, Bits<OUT>>,
//!     mode_half: Constant<Bits<2>>, // an encoding of the ISA
//!     held: DFF<Bits<18>>,
//!     multiplier: [Multiplier; LANES],
//!     lanes: JoinLanes<LANES, 36, OUT>,
//!     kind: Kind<Self>,
//! }
//!
//! impl<const LANES: usize, const IN: usize, const OUT: usize> ScaleLanes<LANES, IN, OUT> {
//!     /// Cycles from `x` to `y`; the factor comes one cycle before.
//!     pub const LATENCY: usize = Multiplier::LATENCY;
//!
//!     fn new(mode_half: u8) -> Self {
//!         const { assert!(IN == LANES * 18 && OUT == LANES * 36) };
//!         Self {
//!             clock: Default::default(),
//!             x: Default::default(),
//!             factor: Default::default(),
//!             mode: Default::default(),
//!             y: Default::default(),
//!             mode_half: Constant::new(mode_half.to_bits()),
//!             held: Default::default(),
//!             multiplier: std::array::from_fn(|_| Default::default()),
//!             lanes: Default::default(),
//!             kind: Default::default(),
//!         }
//!     }
//! }
//!
//! impl<const LANES: usize, const IN: usize, const OUT: usize> Logic for ScaleLanes<LANES, IN, OUT> {
//!     #[hdl_gen]
//!     fn update(&mut self) {
//!         dff_setup!(self, clock, held);
//!         self.held.d.next = self.factor.val();
//!         if self.mode.val() == self.mode_half.val() {
//!             self.held.d.next = self.factor.val() >> 1;
//!         }
//!         for i in 0..LANES {
//!             self.multiplier[i].clock.next = self.clock.val();
//!             self.multiplier[i].a.next = self.x.val().get_bits::<18>(i * 18);
//!             self.multiplier[i].b.next = self.held.q.val();
//!             self.lanes.lane[i].next = self.multiplier[i].product.val();
//!         }
//!         self.y.next = self.lanes.bus.val();
//!     }
//! }
//!
//! let design = emit(&mut ScaleLanes::<4, 72, 144>::new(2), "scale_lanes").unwrap();
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
//! let response = bench.run(stimulus.idle(ScaleLanes::<4, 72, 144>::LATENCY)).unwrap();
//! for (t, expected) in expected.iter().enumerate() {
//!     let found = response.signed_lanes(t + ScaleLanes::<4, 72, 144>::LATENCY, "y", 36);
//!     assert_eq!(&found, expected, "cycle {t}");
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
pub use payload::{MatrixPayload, VectorPayload};
pub use queue_store::QueueStore;
pub use round_shift_sat::RoundShiftSat;
pub use soft_core::SoftCore;

/// Verilog that differs by family: the vendor's cells under `LPU_ECP5`, else plain behaviour for simulation and for
/// other families.
fn by_family(ecp5: &str, behaviour: &str) -> String {
    format!("`ifdef LPU_ECP5\n{ecp5}\n`else\n{behaviour}\n`endif")
}

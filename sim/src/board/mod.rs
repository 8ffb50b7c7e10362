//! Whole boards: firmware and chip behind a serial line.
//!
//! ```text
//!  host ─► receive ─► SimulatedBoard ─┬─ NativeBoard: the firmware's library over the emulator
//!       ◄─ sent    ◄─      ▲          └─ RtlBoard: the bitstream's Verilog, pin by pin (feature `rtl`)
//!                        step
//! ```
//!
//! [`NativeBoard`] is fast. [`RtlBoard`] is true to the cycle: the firmware's image on the soft core, clocks, serial line, flash
//! memory. Both have time that the caller moves.

#[cfg(any(test, feature = "rtl"))]
mod adapter;
mod flash;
mod native;
#[cfg(feature = "rtl")]
mod rtl;

pub use flash::Flash;
pub use native::NativeBoard;
#[cfg(feature = "rtl")]
pub use rtl::RtlBoard;

/// The soft core's clock, unless another is asked for: the fastest that the ULX3S gives it.
pub const CLOCK_HZ: u32 = 50_000_000;

/// What a host sees of a board in simulation, and the time that it gives it.
pub trait SimulatedBoard {
    /// Frequency of the soft core's clock.
    fn clock_hz(&self) -> u32;
    /// Lets cycles of that clock pass.
    fn step(&mut self, cycles: u32);
    /// A byte for the board, which takes it when the line has carried it.
    fn receive(&mut self, byte: u8);
    /// The next byte that the line has brought from the board.
    fn sent(&mut self) -> Option<u8>;
    /// Sets the rate of the line's far end. Where bytes are not levels, every rate is the board's.
    fn set_rate(&mut self, bits_per_second: u32);
    /// Whether something goes on, on the board or on the line.
    fn is_busy(&mut self) -> bool;
}

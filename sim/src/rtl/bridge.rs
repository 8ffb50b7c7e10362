//! The bridge to the Verilated chips and boards.

// The macro's shims call C++, which the compiler cannot check; this is the only such place in the crate.
#![allow(unsafe_code)]

use super::part::{Part, new_part};

/// Declarations shared with C++.
#[cxx::bridge(namespace = "lpu")]
pub mod ffi {
    /// One write to a memory; see `recorder.h` for the kinds.
    #[derive(Clone, Debug)]
    struct RawEvent {
        kind: u8,
        position: u16,
        cycle: u32,
        /// Row, entry or scalar.
        place: u32,
        /// Which halves or lanes, where a write is partial.
        mask: u32,
        /// New values.
        lanes: Vec<i32>,
    }

    /// What a chip drives at the pins of its SDRAM. Names that end in `_n` are active low.
    #[derive(Clone, Copy, Debug)]
    struct PartPins {
        clock_enable: bool,
        cs_n: bool,
        ras_n: bool,
        cas_n: bool,
        we_n: bool,
        bank: u8,
        address: u16,
        mask: bool,
        drives: bool,
        data: u16,
    }

    extern "Rust" {
        type Part;

        /// The part below a chip, by the chip's number.
        fn new_part(number: usize) -> Box<Part>;
        /// A cycle of the part: what stands at the data pins.
        fn clock(self: &mut Part, pins: &PartPins) -> u16;
        /// The first rule of its sheet that was broken, or nothing.
        fn violation(self: &Part) -> String;
    }

    /// The outcome of a request for waves.
    #[derive(Debug)]
    enum WavesState {
        /// The file is open.
        Open,
        /// The file could not be created.
        Unwritable,
        /// The chip was built without signals to show.
        NotBuilt,
    }

    /// Levels of a board's input pins.
    #[derive(Clone, Copy, Debug)]
    struct BoardInputs {
        serial: bool,
        flash: bool,
    }

    /// Levels of a board's output pins.
    #[derive(Clone, Copy, Debug)]
    struct BoardOutputs {
        serial: bool,
        flash_select_n: bool,
        flash_clock: bool,
        flash_out: bool,
        /// The light that says that a token runs.
        busy: bool,
        /// The lights: alive, loaded, busy, fault, and the two of the cause, from bit 0.
        lights: u8,
    }

    // SAFETY: the C++ side keeps no reference to a slice beyond the call, and each chip is reached through one pointer only.
    unsafe extern "C++" {
        include!("chip.h");

        type Chip;

        /// A chip after power-up, by its number in `Geometry::known()`; null when there is no such chip.
        fn new_chip(number: usize) -> UniquePtr<Chip>;
        /// Clocks the chip until all bytes are taken; false when it took none for `patience` cycles.
        fn send(self: Pin<&mut Chip>, bytes: &[u8], patience: u64) -> bool;
        /// Clocks the chip until the buffer is full; false when it gave none for `patience` cycles.
        fn receive(self: Pin<&mut Chip>, bytes: &mut [u8], patience: u64) -> bool;
        /// Cycles since power-up.
        fn cycles(self: &Chip) -> u64;
        /// The first rule of the sheet of its external memory that the chip has broken, or nothing.
        fn violation(self: &Chip) -> String;
        /// Begins or ends the recording of writes.
        fn record(self: Pin<&mut Chip>, on: bool);
        /// The writes recorded since the last call.
        fn take(self: Pin<&mut Chip>) -> Vec<RawEvent>;
        /// Writes the waves of these positions to a file, which is whole when the chip is gone.
        fn waves(self: Pin<&mut Chip>, path: &str, first: u16, last: u16) -> WavesState;

        include!("board.h");

        type BoardModel;

        /// A board at power-on, by its chip's number in `Geometry::known()`, whose firmware is told this clock; null when there is no
        /// such board.
        fn new_board(number: usize, clock_hz: u32) -> UniquePtr<BoardModel>;
        /// Runs a cycle of the soft core's clock with these inputs; gives the outputs at its end.
        fn cycle(self: Pin<&mut BoardModel>, inputs: BoardInputs) -> BoardOutputs;
    }
}

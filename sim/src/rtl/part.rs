//! The memory at the pins of a Verilated chip.

use super::bridge::ffi::PartPins;
use lpu_hdl::dram::memory::{Memory, Pins, SDR_IS42S16160G_7, Violation};
use lpu_isa::Geometry;

/// What stands at the data pins while nobody drives them.
const FLOATING: u16 = 0xdead;

/// An SDR SDRAM, and what its sheet says of the chip above.
pub struct Part {
    memory: Memory,
    violation: Option<Violation>,
}

/// The part below a chip.
pub fn new_part(number: usize) -> Box<Part> {
    let geometry = Geometry::known().nth(number).expect("the number is a chip's");
    let memory = Memory::new(SDR_IS42S16160G_7, 1_000_000_000_000 / geometry.clock_hz);
    // As in the emulator: machines that are compared begin with equal memories.
    let memory = memory.expect("no chip is faster than its memory").with_zeros();
    Box::new(Part { memory, violation: None })
}

impl Part {
    /// A cycle. Behind a broken rule nothing is to be learned: the part stays silent.
    pub fn clock(&mut self, pins: &PartPins) -> u16 {
        if self.violation.is_some() {
            return FLOATING;
        }
        let PartPins { clock_enable, cs_n, ras_n, cas_n, we_n, bank, address, mask, drives, data } = *pins;
        let data = drives.then(|| data.into());
        let pins = Pins { clock_enable, cs_n, ras_n, cas_n, we_n, bank, address, mask, data };
        match self.memory.clock(&pins) {
            Ok(word) => word.map_or(FLOATING, |word| word as u16),
            Err(violation) => {
                self.violation = Some(violation);
                FLOATING
            }
        }
    }

    /// The first rule that was broken, or nothing.
    pub fn violation(&self) -> String {
        self.violation.map(|violation| violation.to_string()).unwrap_or_default()
    }
}

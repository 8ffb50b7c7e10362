//! How the memory's time is divided on a chip, in cycles of the core.

use lpu_isa::Geometry;

/// What a data sheet says that the division of time depends on. Times in picoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Activation to read or write.
    pub rcd_ps: u64,
    /// Refresh to activation.
    pub rfc_ps: u64,
    /// Steady clock after power-up before the first command; none where the PHY wakes the part.
    pub wake_ps: u64,
    /// log2 of the bursts in a row of a bank.
    pub column_bits: usize,
}

impl Part {
    /// SDR SDRAM x16 of 32 MB, as on the ULX3S.
    pub const SDR_32MB: Self = Self { rcd_ps: 20_000, rfc_ps: 70_000, wake_ps: 200_000_000, column_bits: 6 };
    /// DDR3 x16 of 128 MB.
    pub const DDR3_128MB: Self = Self { rcd_ps: 13_750, rfc_ps: 110_000, wake_ps: 0, column_bits: 7 };
}

/// Sizes and times of a memory port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bits that the memory moves in a cycle.
    pub word_bits: usize,
    pub banks: usize,
    /// Cycles of a burst.
    pub burst: usize,
    /// Cycles from frame to frame while a token runs.
    pub frame: usize,
    /// Cycles at the beginning of a frame in which its refresh is executed.
    pub refresh: usize,
    /// The one among them in which the command goes.
    pub refresh_cycle: usize,
    /// Cycles from a bank's activation to its read or write.
    pub column_cycle: usize,
    /// log2 of the bursts in a row of a bank.
    pub column_bits: usize,
}

impl Shape {
    /// The port of a chip with external memory.
    ///
    /// # Panics
    /// The chip has no time for what the part wants.
    pub fn new(geometry: &Geometry, part: &Part) -> Self {
        let cycles = |ps: u64| (ps * geometry.clock_hz).div_ceil(1_000_000_000_000) as usize;
        let burst = geometry.dram_granule_cycles / geometry.dram_banks;
        let rfc = cycles(part.rfc_ps);
        let refresh_cycle = geometry.dram_refresh.saturating_sub(rfc);
        // A segment may begin in the cycle after a refresh, and its own one then comes `refresh_cycle + 1` after that.
        assert!(
            refresh_cycle + 1 >= rfc,
            "{}: a refresh takes {rfc} cycles; expected `dram_refresh` to be {} at least, found {}",
            geometry.name,
            2 * rfc - 1,
            geometry.dram_refresh
        );
        // Where every burst begins with an activation, reads and writes go between these.
        let rcd = cycles(part.rcd_ps);
        let column_cycle = if rcd.is_multiple_of(burst) { rcd + 1 } else { rcd };
        Self {
            word_bits: geometry.dram_bits,
            banks: geometry.dram_banks,
            burst,
            frame: geometry.dram_frame,
            refresh: geometry.dram_refresh,
            refresh_cycle,
            column_cycle,
            column_bits: part.column_bits,
        }
    }

    /// Cycles of waiting after power-up.
    pub const fn wake_cycles(geometry: &Geometry, part: &Part) -> usize {
        (part.wake_ps / 1_000_000 * (geometry.clock_hz / 1_000_000)) as usize
    }

    /// Cycles of a granule: a burst in each bank.
    pub const fn granule(&self) -> usize {
        self.banks * self.burst
    }

    /// Granules that fit a frame.
    pub const fn slots(&self) -> usize {
        (self.frame - self.refresh) / self.granule()
    }
}

/// Chips for the tests of this slice.
#[cfg(test)]
pub(super) mod chips {
    use super::*;

    /// The chips whose memory moves 16 bits a cycle, at 50 and 100 MHz.
    pub const SDR: [Geometry; 2] = [Geometry::NANO_SDRAM, Geometry::ULX3S_85F_SDRAM];

    /// The ports of all.
    pub fn shapes() -> [Shape; 3] {
        let [nano, ulx3s] = SDR.map(|chip| Shape::new(&chip, &Part::SDR_32MB));
        [nano, ulx3s, Shape::new(&Geometry::ECP5_DDR3, &Part::DDR3_128MB)]
    }
}

//! How the memory's time is divided on a chip, in cycles of the core.

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
    /// SDR SDRAM x16 of 32 MB under a clock of 50 MHz.
    pub const SDR_50: Self = Self {
        word_bits: 16,
        banks: 4,
        burst: 8,
        frame: 390,
        refresh: 8,
        refresh_cycle: 4,
        column_cycle: 1,
        column_bits: 6,
    };

    /// The same at 100 MHz.
    pub const SDR_100: Self =
        Self { frame: 781, refresh: 13, refresh_cycle: 6, column_cycle: 2, ..Self::SDR_50 };

    /// DDR3 x16 of 128 MB at 400 MT/s under a core of 100 MHz.
    pub const WIDE_100: Self = Self {
        word_bits: 64,
        banks: 8,
        burst: 2,
        frame: 780,
        refresh: 22,
        refresh_cycle: 11,
        column_cycle: 3,
        column_bits: 7,
    };

    /// All of them.
    pub const ALL: [Self; 3] = [Self::SDR_50, Self::SDR_100, Self::WIDE_100];

    /// Cycles of a granule: a burst in each bank.
    pub const fn granule(&self) -> usize {
        self.banks * self.burst
    }

    /// Granules that fit a frame.
    pub const fn slots(&self) -> usize {
        (self.frame - self.refresh) / self.granule()
    }
}

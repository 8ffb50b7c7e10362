//! What the firmware needs of a board.

/// The registers of [`lpu_isa::soc`], as plain verbs.
pub trait Board {
    /// The oldest byte of the line.
    fn receive(&mut self) -> Option<u8>;
    /// Sends the first bytes, as many as there is room for; gives their number.
    fn send(&mut self, bytes: &[u8]) -> usize;
    /// Whether everything was sent.
    fn is_idle(&mut self) -> bool;
    /// Sets the line's rate.
    fn set_rate(&mut self, bits_per_second: u32);
    /// Frequency of [`Board::ticks`].
    fn clock_hz(&self) -> u32;
    /// Cycles, modulo 2^32.
    fn ticks(&mut self) -> u32;
    /// Sends bytes to the chip.
    fn chip_send(&mut self, bytes: &[u8]);
    /// The oldest byte of the chip.
    fn chip_receive(&mut self) -> Option<u8>;
    /// Continues a CRC-32 from a state; gives the state.
    fn checksum(&mut self, state: u32, bytes: &[u8]) -> u32;
    /// Selects the flash memory, or ends what was read of it.
    fn select_flash(&mut self, selected: bool);
    /// Exchanges a byte with the flash memory.
    fn exchange_flash(&mut self, byte: u8) -> u8;
    /// Shows lights.
    fn set_leds(&mut self, leds: u8);
    /// The word that survives a reset of the core.
    fn cause(&mut self) -> u32;
    /// Sets that word.
    fn set_cause(&mut self, cause: u32);
    /// Resets the core. On a board it does not return; elsewhere the caller of the firmware starts it anew.
    fn reset(&mut self);
}

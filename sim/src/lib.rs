//! The emulator and the Verilated machine.

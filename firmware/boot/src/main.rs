//! The firmware on the soft core: registers for verbs, and the first instructions.
//!
//! # Invariants
//! 1. Nothing has an initial value but the image itself: a reset starts the program as power does.
//! 2. A panic resets the core with a cause; it hangs nowhere.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::ptr::{read_volatile, write_volatile};
use lpu_firmware::{Board, Firmware};
use lpu_isa::link::cause;
use lpu_isa::soc::{SEND_IDLE, SocRegister, TRAPPED, VALID, leds, serial_rate};

core::arch::global_asm!(
    ".section .text.start",
    ".global _start",
    "_start:",
    "la sp, _stack_top",
    "la t0, _bss_begin",
    "la t1, _bss_end",
    "1: bgeu t0, t1, 2f",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "j 1b",
    "2: call main",
    "3: j 3b",
);

fn get(register: SocRegister) -> u32 {
    // SAFETY: every register's address is a readable word, by lpu_isa::soc.
    unsafe { read_volatile(register.address() as *const u32) }
}

fn put(register: SocRegister, value: u32) {
    // SAFETY: every register's address is a writable word, by lpu_isa::soc.
    unsafe { write_volatile(register.address() as *mut u32, value) }
}

/// Bytes for a register that takes one to four at once.
fn put_bytes(register: SocRegister, bytes: &[u8]) {
    // SAFETY: all byte orders and contents are sound, and the middle part is aligned.
    let (head, words, tail) = unsafe { bytes.align_to::<u32>() };
    head.iter().for_each(|&byte| put_byte(register, byte));
    // Most of a load's cycles pass here, so that the steps of the loop are shared by several words.
    let (eights, rest) = words.as_chunks();
    for &[a, b, c, d, e, f, g, h] in eights {
        put(register, a);
        put(register, b);
        put(register, c);
        put(register, d);
        put(register, e);
        put(register, f);
        put(register, g);
        put(register, h);
    }
    rest.iter().for_each(|&word| put(register, word));
    tail.iter().for_each(|&byte| put_byte(register, byte));
}

fn put_byte(register: SocRegister, byte: u8) {
    // SAFETY: these registers take single bytes at their address, by lpu_isa::soc.
    unsafe { write_volatile(register.address() as *mut u8, byte) }
}

/// The registers of the soft core.
#[derive(Debug)]
struct Soc;

impl Board for Soc {
    #[inline]
    fn receive(&mut self) -> Option<u8> {
        let word = get(SocRegister::Serial);
        (word & VALID != 0).then_some(word as u8)
    }
    fn send(&mut self, bytes: &[u8]) -> usize {
        let room = usize::from(get(SocRegister::SerialStatus) as u8);
        let taken = bytes.get(..room).unwrap_or(bytes);
        put_bytes(SocRegister::Serial, taken);
        taken.len()
    }
    fn is_idle(&mut self) -> bool {
        get(SocRegister::SerialStatus) & SEND_IDLE != 0
    }
    fn set_rate(&mut self, bits_per_second: u32) {
        put(SocRegister::SerialRate, serial_rate(self.clock_hz(), bits_per_second));
    }
    fn clock_hz(&self) -> u32 {
        get(SocRegister::ClockHz)
    }
    fn ticks(&mut self) -> u32 {
        get(SocRegister::Timer)
    }
    fn chip_send(&mut self, bytes: &[u8]) {
        put_bytes(SocRegister::Chip, bytes);
    }
    #[inline]
    fn chip_receive(&mut self) -> Option<u8> {
        let word = get(SocRegister::Chip);
        (word & VALID != 0).then_some(word as u8)
    }
    fn checksum(&mut self, state: u32, bytes: &[u8]) -> u32 {
        put(SocRegister::ChecksumState, state);
        put_bytes(SocRegister::Checksum, bytes);
        get(SocRegister::Checksum)
    }
    fn select_flash(&mut self, selected: bool) {
        put(SocRegister::FlashSelect, selected.into());
    }
    fn exchange_flash(&mut self, byte: u8) -> u8 {
        put(SocRegister::Flash, byte.into());
        loop {
            let word = get(SocRegister::Flash);
            if word & VALID == 0 {
                return word as u8;
            }
        }
    }
    fn set_leds(&mut self, leds: u8) {
        put(SocRegister::Leds, leds.into());
    }
    fn cause(&mut self) -> u32 {
        let word = get(SocRegister::Cause);
        if word & TRAPPED == 0 { word } else { cause::PANIC }
    }
    fn set_cause(&mut self, cause: u32) {
        put(SocRegister::Cause, cause);
    }
    fn reset(&mut self) {
        put(SocRegister::Reset, 1);
    }
}

/// The firmware's state lies outside the stack, whose size the linker checks without it; so it does that it is all zeros, as
/// memory is when the program starts.
struct Place(UnsafeCell<Firmware<Soc>>);
// SAFETY: there is one core, and `main` is its only user.
unsafe impl Sync for Place {}
static PLACE: Place = Place(UnsafeCell::new(Firmware::new(Soc)));

#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    // SAFETY: `main` runs once, on the only core, and hands the reference to nobody.
    let firmware = unsafe { &mut *PLACE.0.get() };
    firmware.start();
    loop {
        firmware.step();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    put(SocRegister::Leds, cause::PANIC << leds::CAUSE_BIT | u32::from(leds::FAULT));
    put(SocRegister::Cause, cause::PANIC);
    loop {
        put(SocRegister::Reset, 1);
    }
}

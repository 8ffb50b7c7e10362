//! A board whose firmware runs on this machine and whose chip is the emulator.
//!
//! ```text
//!  receive ─► incoming ─► Firmware ─► bytes ─► commands ─► Emulator
//!  sent    ◄─ outgoing ◄─     ▲  ◄─── bytes ◄─ answers ◄──────┘
//!                           ticks
//! ```
//!
//! # Invariants
//! 1. Nothing happens but in [`NativeBoard::step`]; equal calls give equal answers.
//! 2. A reset of the core leaves the chip as it is, in the middle of a command if need be.

use super::{CLOCK_HZ, Flash, SimulatedBoard};
use crate::Emulator;
use crate::device::HostPort;
use lpu_firmware::{Board, Firmware};
use lpu_isa::Geometry;
use lpu_isa::host::{COMMAND_READ, COMMAND_WRITE, Command, HOST_WORD_BYTES, Space};
use lpu_isa::soc::{SEND_BYTES_MAX, checksum_step, leds};
use std::collections::VecDeque;

/// Received bytes that wait for the firmware, as in the hardware; more are lost.
const INCOMING_BYTES_MAX: usize = 128;

/// Pins and registers of the board, as the firmware sees them.
#[derive(Debug)]
struct Pins {
    chip: Chip,
    flash: Flash,
    incoming: VecDeque<u8>,
    outgoing: VecDeque<u8>,
    ticks: u32,
    bits_per_second: u32,
    leds: u8,
    cause: u32,
    resets: bool,
}

/// The chip's byte port over an emulator.
#[derive(Debug)]
struct Chip {
    emulator: Emulator,
    command: Vec<u8>,
    answers: VecDeque<u8>,
    /// Records come late every second time: while words are read.
    late: bool,
}

impl Chip {
    fn take(&mut self, byte: u8) {
        self.command.push(byte);
        let Some((&header, data)) = self.command.split_first_chunk() else { return };
        let Command { kind, space, address, count } = Command::decode(header);
        let (space, count) = (Space::ALL.get(usize::from(space)).copied(), usize::from(count));
        match (kind, space) {
            (COMMAND_WRITE, _) if data.len() < count * HOST_WORD_BYTES => return,
            (COMMAND_WRITE, Some(space)) => {
                self.emulator.write(space, address, data.as_chunks().0).unwrap_or_default();
            }
            (COMMAND_READ, Some(Space::TokensOut)) if count > 1 && std::mem::take(&mut self.late) => {
                // The first word is taken before there is a record.
                let words = self.emulator.read(Space::TokensOut, 0, count - 1).unwrap_or_default();
                self.answers.extend([0; HOST_WORD_BYTES].iter().chain(words.as_flattened()));
            }
            (COMMAND_READ, Some(space)) => {
                self.late = space == Space::TokensOut;
                let words = self.emulator.read(space, address, count).unwrap_or_default();
                self.answers.extend(words.as_flattened());
            }
            (COMMAND_READ, None) => self.answers.extend(vec![0; count * HOST_WORD_BYTES]),
            _ => {}
        }
        self.command.clear();
    }
}

impl Board for Pins {
    fn receive(&mut self) -> Option<u8> {
        self.incoming.pop_front()
    }
    fn send(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(SEND_BYTES_MAX - self.outgoing.len());
        self.outgoing.extend(&bytes[..taken]);
        taken
    }
    fn is_idle(&mut self) -> bool {
        self.outgoing.is_empty()
    }
    fn set_rate(&mut self, bits_per_second: u32) {
        self.bits_per_second = bits_per_second;
    }
    fn clock_hz(&self) -> u32 {
        CLOCK_HZ
    }
    fn ticks(&mut self) -> u32 {
        self.ticks
    }
    fn chip_send(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.chip.take(byte));
    }
    fn chip_receive(&mut self) -> Option<u8> {
        self.chip.answers.pop_front()
    }
    fn checksum(&mut self, state: u32, bytes: &[u8]) -> u32 {
        bytes.iter().fold(state, |state, &byte| checksum_step(state, byte))
    }
    fn select_flash(&mut self, _: bool) {
        self.flash.select();
    }
    fn exchange_flash(&mut self, byte: u8) -> u8 {
        self.flash.exchange(byte)
    }
    fn set_leds(&mut self, leds: u8) {
        self.leds = leds;
    }
    fn cause(&mut self) -> u32 {
        self.cause
    }
    fn set_cause(&mut self, cause: u32) {
        self.cause = cause;
    }
    fn reset(&mut self) {
        self.resets = true;
    }
}

fn started(pins: Pins) -> Firmware<Pins> {
    let mut firmware = Firmware::new(pins);
    firmware.start();
    firmware
}

/// A board.
#[derive(Debug)]
pub struct NativeBoard {
    /// None only while the core is being reset.
    firmware: Option<Firmware<Pins>>,
}

impl NativeBoard {
    /// A board that was just switched on, its flash memory erased.
    pub fn new(geometry: Geometry) -> Self {
        Self::with_flash(geometry, Flash::default())
    }

    /// A board that was just switched on.
    pub fn with_flash(geometry: Geometry, flash: Flash) -> Self {
        let chip = Chip {
            emulator: Emulator::new(geometry),
            command: Vec::new(),
            answers: VecDeque::new(),
            late: false,
        };
        let pins = Pins {
            chip,
            flash,
            incoming: VecDeque::new(),
            outgoing: VecDeque::new(),
            ticks: 0,
            bits_per_second: 0,
            leds: 0,
            cause: 0,
            resets: false,
        };
        Self { firmware: Some(started(pins)) }
    }

    /// The rate that the firmware has set.
    pub fn bits_per_second(&mut self) -> u32 {
        self.pins().map_or(0, |pins| pins.bits_per_second)
    }

    /// Resets the core alone, as its trap does: what it was doing is cut off.
    pub fn reset_core(&mut self) {
        if let Some(firmware) = self.firmware.take() {
            self.firmware = Some(started(firmware.into_board()));
        }
    }

    /// Leaves the chip in the middle of a command, as a reset of the core may.
    pub fn cut_off(&mut self, command: &[u8]) {
        if let Some(pins) = self.pins() {
            pins.chip_send(command);
        }
    }

    /// Received bytes that the firmware has not taken yet.
    fn waiting(&mut self) -> usize {
        self.pins().map_or(0, |pins| pins.incoming.len())
    }

    fn turn(&mut self) {
        let Some(firmware) = &mut self.firmware else { return };
        firmware.step();
        if std::mem::take(&mut firmware.board().resets) {
            self.reset_core();
        }
    }

    fn pins(&mut self) -> Option<&mut Pins> {
        self.firmware.as_mut().map(Firmware::board)
    }
}

impl SimulatedBoard for NativeBoard {
    fn clock_hz(&self) -> u32 {
        CLOCK_HZ
    }

    /// Lets `cycles` of the clock pass, then gives the firmware its turns until it has heard what came: a turn ends with a frame.
    fn step(&mut self, cycles: u32) {
        if let Some(pins) = self.pins() {
            pins.ticks = pins.ticks.wrapping_add(cycles);
        }
        loop {
            let before = self.waiting();
            self.turn();
            if self.waiting() == 0 || self.waiting() >= before {
                return;
            }
        }
    }

    /// Lost if too many wait.
    fn receive(&mut self, byte: u8) {
        if let Some(pins) = self.pins()
            && pins.incoming.len() < INCOMING_BYTES_MAX
        {
            pins.incoming.push_back(byte);
        }
    }

    fn sent(&mut self) -> Option<u8> {
        self.pins()?.outgoing.pop_front()
    }

    fn set_rate(&mut self, _: u32) {}

    fn is_busy(&mut self) -> bool {
        self.pins().is_some_and(|pins| pins.leds & leds::RUNS != 0)
    }
}

//! A bad cable in memory: between a host and a board whose firmware is the real one, with time that passes only here.

#![allow(dead_code, reason = "each test binary takes what it needs")]

use lpu_isa::Geometry;
use lpu_runtime::serial::Line;
use lpu_sim::board::{NativeBoard, SimulatedBoard};
use lpu_sim::device::DeviceError;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Time in which board and line move at once.
const STEP: Duration = Duration::from_micros(40);
/// Turns of the firmware in a step of time.
const TURNS: u32 = 4;
/// A fault is one in this many bytes, at the worst.
const FAULTS_OF: u64 = 1_000_000;

/// What a cable does to bytes, in millionths, and when it is pulled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Damage {
    pub dropped: u32,
    pub flipped: u32,
    pub doubled: u32,
    /// Bytes after which some milliseconds pass.
    pub delayed: u32,
    /// Bytes after which a burst of bytes is lost.
    pub truncated: u32,
    /// Bytes in both directions until the cable is pulled for a while; none if it is not.
    pub pulled_after: Option<u64>,
    /// Bytes until the board's core is reset.
    pub reset_after: Option<u64>,
}

/// Host side, board side, and all that is between them.
pub struct World {
    pub board: NativeBoard,
    pub now: Duration,
    damage: Damage,
    random: ChaCha8Rng,
    to_board: VecDeque<(Duration, u8)>,
    to_host: VecDeque<(Duration, u8)>,
    host_rate: u32,
    /// When each direction is free again.
    host_free: Duration,
    board_free: Duration,
    burst: u32,
    bytes: u64,
    /// Bytes that the line carried to the board.
    pub carried: u64,
}

impl World {
    pub fn new(geometry: Geometry, seed: u64, damage: Damage) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            board: NativeBoard::new(geometry),
            now: Duration::ZERO,
            damage,
            random: ChaCha8Rng::seed_from_u64(seed),
            to_board: VecDeque::new(),
            to_host: VecDeque::new(),
            host_rate: 115_200,
            host_free: Duration::ZERO,
            board_free: Duration::ZERO,
            burst: 0,
            bytes: 0,
            carried: 0,
        }))
    }

    /// From now on every byte arrives.
    pub fn mend(&mut self) {
        (self.damage, self.burst) = (Damage::default(), 0);
    }

    fn happens(&mut self, millionths: u32) -> bool {
        millionths > 0 && (u64::from(self.random.next_u32()) * FAULTS_OF) >> 32 < u64::from(millionths)
    }

    /// What becomes of a byte on the line, and how long it is held up.
    fn carry(&mut self, byte: u8) -> (Vec<u8>, Duration) {
        let damage = self.damage;
        self.bytes += 1;
        if damage.reset_after == Some(self.bytes) {
            self.board.reset_core();
        }
        let pulled = damage.pulled_after.is_some_and(|after| (after..after + 3000).contains(&self.bytes));
        if self.happens(damage.truncated) {
            self.burst = 1 + self.random.next_u32() % 600;
        }
        self.burst = self.burst.saturating_sub(1);
        if pulled || self.burst > 0 || self.happens(damage.dropped) {
            return (vec![], Duration::ZERO);
        }
        let mut byte = byte;
        if self.happens(damage.flipped) {
            byte ^= 1 << (self.random.next_u32() % 8);
        }
        if self.board.bits_per_second() != self.host_rate {
            byte = self.random.next_u32() as u8;
        }
        let delayed = self.happens(damage.delayed);
        let wait = if delayed {
            Duration::from_millis(1 + u64::from(self.random.next_u32() % 40))
        } else {
            Duration::ZERO
        };
        let count = if self.happens(damage.doubled) { 2 } else { 1 };
        (vec![byte; count], wait)
    }

    fn byte_time(rate: u32) -> Duration {
        Duration::from_nanos(10_000_000_000 / u64::from(rate.max(1)))
    }

    fn send(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let (arriving, wait) = self.carry(byte);
            self.host_free = self.host_free.max(self.now) + Self::byte_time(self.host_rate) + wait;
            self.carried += arriving.len() as u64;
            self.to_board.extend(arriving.into_iter().map(|byte| (self.host_free, byte)));
        }
    }

    /// Lets a step of time pass.
    fn step(&mut self) {
        self.now += STEP;
        let cycles = (u64::from(self.board.clock_hz()) * STEP.as_micros() as u64 / 1_000_000) as u32;
        for _ in 0..TURNS {
            while let Some(&(_, byte)) = self.to_board.front().filter(|(arrival, _)| *arrival <= self.now) {
                self.board.receive(byte);
                self.to_board.pop_front();
            }
            self.board.step(cycles / TURNS);
        }
        while self.board_free <= self.now {
            let Some(byte) = self.board.sent() else { break };
            let (arriving, wait) = self.carry(byte);
            let rate = self.board.bits_per_second();
            self.board_free = self.board_free.max(self.now - STEP) + Self::byte_time(rate) + wait;
            self.to_host.extend(arriving.into_iter().map(|byte| (self.board_free, byte)));
        }
    }

    /// Lets time pass without a host.
    pub fn idle(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
        self.to_host.clear();
    }
}

/// The host's end of the cable.
pub struct Cable(pub Rc<RefCell<World>>);

impl Line for Cable {
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        self.0.borrow_mut().send(bytes);
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> Result<usize, DeviceError> {
        let mut world = self.0.borrow_mut();
        let end = world.now + wait;
        loop {
            let mut count = 0;
            while count < bytes.len()
                && let Some(&(_, byte)) = world.to_host.front().filter(|(arrival, _)| *arrival <= world.now)
            {
                bytes[count] = byte;
                world.to_host.pop_front();
                count += 1;
            }
            if count > 0 || world.now >= end {
                return Ok(count);
            }
            world.step();
        }
    }

    fn set_rate(&mut self, bits_per_second: u32) -> Result<(), DeviceError> {
        let mut world = self.0.borrow_mut();
        while !world.to_board.is_empty() {
            world.step();
        }
        world.host_rate = bits_per_second;
        Ok(())
    }

    fn now(&mut self) -> Duration {
        self.0.borrow().now
    }
}

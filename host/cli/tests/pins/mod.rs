//! A good cable between a host and a simulated board: time is the board's own.

use lpu_runtime::serial::Line;
use lpu_sim::board::SimulatedBoard;
use lpu_sim::device::DeviceError;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Cycles of the board between two looks at the line.
const LOOK_CYCLES: u32 = 100;

/// A board, and the cycles that it has had.
pub struct World<B> {
    pub board: B,
    pub cycles: u64,
    /// Bytes sent to the board.
    pub bytes_sent: u64,
}

impl<B: SimulatedBoard> World<B> {
    pub fn new(board: B) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self { board, cycles: 0, bytes_sent: 0 }))
    }

    /// Lets cycles pass.
    pub fn step(&mut self, cycles: u32) {
        self.board.step(cycles);
        self.cycles += u64::from(cycles);
    }

    fn time(&self) -> Duration {
        Duration::from_nanos(self.cycles * 1_000_000_000 / u64::from(self.board.clock_hz()))
    }
}

/// The host's end.
pub struct Pins<B>(pub Rc<RefCell<World<B>>>);

impl<B: SimulatedBoard> Line for Pins<B> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        let mut world = self.0.borrow_mut();
        bytes.iter().for_each(|&byte| world.board.receive(byte));
        world.bytes_sent += bytes.len() as u64;
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> Result<usize, DeviceError> {
        let mut world = self.0.borrow_mut();
        let end = world.time() + wait;
        loop {
            let mut count = 0;
            while count < bytes.len()
                && let Some(byte) = world.board.sent()
            {
                bytes[count] = byte;
                count += 1;
            }
            if count > 0 || world.time() >= end {
                return Ok(count);
            }
            world.step(LOOK_CYCLES);
        }
    }

    fn set_rate(&mut self, bits_per_second: u32) -> Result<(), DeviceError> {
        let mut world = self.0.borrow_mut();
        while world.board.is_busy() {
            world.step(LOOK_CYCLES);
        }
        world.board.set_rate(bits_per_second);
        Ok(())
    }

    fn now(&mut self) -> Duration {
        self.0.borrow().time()
    }
}

//! Runs two devices side by side and finds the first write in which they differ: by cycle, slice, instruction and value.
//!
//! Runs pause after every token, so that each device's writes can be taken token by token; within a token a pause
//! changes nothing.

use crate::device::{Device, DeviceError, HostPort, HostWord, PortDevice, RunRequest, Step};
use crate::prediction::Predictor;
use crate::trace::{Location, Origin, Tap, Trace};
use lpu_isa::host::{DRAM_WORD_BYTES, Space};
use lpu_isa::image::Image;
use std::fmt;

/// How far two devices agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Positions executed.
    pub positions: usize,
    /// Writes compared.
    pub writes: usize,
    /// Cycles of the run.
    pub cycles: u64,
}

/// The first write that differs. Of a side that did not write there and then, the lanes are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Position.
    pub position: usize,
    /// Cycle, counted from the start of the token.
    pub cycle: i64,
    /// Place.
    pub location: Location,
    /// Queue and number of the instruction, with its name, where known.
    pub origin: Option<(Origin, &'static str)>,
    /// What the reference wrote.
    pub expected: Option<Vec<i32>>,
    /// What the device wrote.
    pub found: Option<Vec<i32>>,
}

/// Why a comparison ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// One of the devices failed.
    Device(DeviceError),
    /// A write differs.
    Write(Box<Difference>),
    /// Records differ although all writes agree; `None` is the end of the run.
    Step {
        /// The reference's record.
        expected: Option<Step>,
        /// The device's record.
        found: Option<Step>,
    },
    /// Fault flags or the count of saturations differ after the run.
    Flags {
        /// The reference's flags and count.
        expected: (u32, u64),
        /// The device's flags and count.
        found: (u32, u64),
    },
    /// What transfers brought to external memory differs.
    Dram {
        /// Host word.
        word: usize,
        /// The reference's.
        expected: HostWord,
        /// The device's.
        found: HostWord,
    },
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, cycle, location, expected, found, .. } = self;
        write!(f, "position {position}, cycle {cycle}, {}, {location}", location.slice())?;
        if let Some((Origin { queue, instruction }, name)) = self.origin {
            write!(f, ", written by {name}, instruction {instruction} of the {queue} queue")?;
        }
        match (expected, found) {
            (Some(expected), Some(found)) => {
                let lane = expected.iter().zip(found).position(|(expected, found)| expected != found);
                match lane {
                    Some(lane) => {
                        write!(f, ": lane {lane} is {}, expected {}", found[lane], expected[lane])?;
                    }
                    None => write!(f, ": {} lanes, expected {}", found.len(), expected.len())?,
                }
                write!(f, "\n  expected {expected:?}\n  found    {found:?}")
            }
            (Some(expected), None) => write!(f, ": expected a write, found none\n  expected {expected:?}"),
            (_, found) => {
                write!(f, ": expected no write, found one\n  found    {:?}", found.as_deref().unwrap_or(&[]))
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => error.fmt(f),
            Self::Write(difference) => difference.fmt(f),
            Self::Step { expected, found } => {
                write!(f, "all writes agree, but the record is {found:?}, expected {expected:?}")
            }
            Self::Flags { expected, found } => write!(
                f,
                "all writes agree, but faults are {:#x} and saturations {}, expected {:#x} and {}",
                found.0, found.1, expected.0, expected.1
            ),
            Self::Dram { word, expected, found } => write!(
                f,
                "all writes agree, but word {word} of external memory is {found:02x?}, expected {expected:02x?}"
            ),
        }
    }
}

impl std::error::Error for Failure {}

/// Loads an image into both devices, runs a request on both and compares every write, every record, faults and
/// saturations.
pub fn lockstep<A, B>(
    reference: &mut PortDevice<A>,
    device: &mut PortDevice<B>,
    image: &Image,
    request: &RunRequest,
) -> Result<Agreement, Failure>
where
    A: HostPort + Tap,
    B: HostPort + Tap,
{
    let program = Predictor::new(image);
    let request = RunRequest { pause: true, ..request.clone() };
    begin(reference, image, &request)?;
    begin(device, image, &request)?;
    let mut agreement = Agreement::default();
    loop {
        let expected = reference.next_step()?;
        let found = device.next_step()?;
        // What a device still writes at the end of a token lands before it answers that it has paused.
        reference.wait_for_pause()?;
        device.wait_for_pause()?;
        let writes = reference.port().take();
        agreement.writes += writes.len();
        if let Some(difference) = first_difference(writes, device.port().take(), &program) {
            return Err(Failure::Write(Box::new(difference)));
        }
        if expected != found {
            return Err(Failure::Step { expected, found });
        }
        let Some(step) = expected else { break };
        agreement.positions += 1;
        agreement.cycles += u64::from(step.cycles);
    }
    let expected = (reference.faults()?.0, reference.saturations()?);
    let found = (device.faults()?.0, device.saturations()?);
    if expected != found {
        return Err(Failure::Flags { expected, found });
    }
    // No write port of the chip shows rows that go back: they are looked at in the end.
    let words = image.dram.len().div_ceil(DRAM_WORD_BYTES);
    for first in (0..words).step_by(DRAM_WORDS) {
        let count = DRAM_WORDS.min(words - first);
        let expected = reference.port().read(Space::Dram, first as u32, count)?;
        let found = device.port().read(Space::Dram, first as u32, count)?;
        let pairs = expected.iter().zip(&found).zip(first..);
        if let Some(((&expected, &found), word)) = pairs.into_iter().find(|((a, b), _)| a != b) {
            return Err(Failure::Dram { word, expected, found });
        }
    }
    Ok(agreement)
}

/// Words of external memory that are read at once.
const DRAM_WORDS: usize = 4096;

fn begin<P: HostPort + Tap>(
    device: &mut PortDevice<P>,
    image: &Image,
    request: &RunRequest,
) -> Result<(), DeviceError> {
    device.load(image)?;
    device.port().record(true);
    device.start(request)
}

/// The first difference between two recordings, in order of cycle and place.
pub fn first_difference(
    mut expected: Vec<Trace>,
    mut found: Vec<Trace>,
    program: &Predictor,
) -> Option<Difference> {
    let key = |trace: &Trace| (trace.position, trace.cycle, trace.location);
    expected.sort_by_key(key);
    found.sort_by_key(key);
    let pairs = expected
        .iter()
        .zip(&found)
        .take_while(|(expected, found)| key(expected) == key(found) && expected.lanes == found.lanes);
    let agreed = pairs.count();
    let (mut expected, mut found) = (expected.get(agreed), found.get(agreed));
    // If one side comes first, the other has no such write.
    if let (Some(left), Some(right)) = (expected, found) {
        match key(left).cmp(&key(right)) {
            std::cmp::Ordering::Less => found = None,
            std::cmp::Ordering::Greater => expected = None,
            std::cmp::Ordering::Equal => {}
        }
    }
    let first = expected.or(found)?;
    let origin = [expected, found].into_iter().flatten().find_map(|trace| trace.origin).map(|origin| {
        let instruction = program.instruction(origin.queue, origin.instruction);
        (origin, instruction.map_or("an unknown instruction", |instruction| instruction.op.row().name))
    });
    Some(Difference {
        position: first.position,
        cycle: first.cycle,
        location: first.location,
        origin,
        expected: expected.map(|trace| trace.lanes.clone()),
        found: found.map(|trace| trace.lanes.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Emulator;
    use crate::device::conformance::programs;
    use lpu_isa::Geometry;
    use lpu_isa::instruction::Queue;

    fn device() -> PortDevice<Emulator> {
        PortDevice::new(Emulator::new(Geometry::NANO))
    }

    fn request() -> RunRequest {
        RunRequest { seed: 3, ..RunRequest::greedy(&[1, 6, 2], 20) }
    }

    #[test]
    fn equal_devices_agree() {
        let image = programs::attention(&Geometry::NANO);
        let agreement = lockstep(&mut device(), &mut device(), &image, &request()).expect("they agree");
        assert_eq!(agreement.positions, 20);
        assert!(agreement.writes > 20 * 10, "{agreement:?}");
    }

    /// A chip in which one bit of weight memory is stuck.
    struct Stuck(Emulator);

    impl HostPort for Stuck {
        fn write(&mut self, space: Space, address: u32, words: &[HostWord]) -> Result<(), DeviceError> {
            let mut words = words.to_vec();
            if space == Space::Weights && address == 0 {
                // The sign of weight 0 of row 209, which makes lane 1 of the attention program's values.
                words[209 * Geometry::NANO.host_words_per_weight_row()][1] ^= 1;
            }
            self.0.write(space, address, &words)
        }

        fn read(&mut self, space: Space, address: u32, count: usize) -> Result<Vec<HostWord>, DeviceError> {
            self.0.read(space, address, count)
        }
    }

    impl Tap for Stuck {
        fn record(&mut self, on: bool) {
            self.0.record(on);
        }

        fn take(&mut self) -> Vec<Trace> {
            self.0.take()
        }
    }

    #[test]
    fn a_stuck_bit_is_found_where_it_is_first_used() {
        let image = programs::attention(&Geometry::NANO);
        let mut stuck = PortDevice::new(Stuck(Emulator::new(Geometry::NANO)));
        let failure = lockstep(&mut device(), &mut stuck, &image, &request()).expect_err("they differ");
        let Failure::Write(difference) = failure else { panic!("expected a write, found {failure}") };
        assert_eq!((difference.position, difference.location), (0, Location::Vmem(25)));
        let (expected, found) =
            (difference.expected.unwrap_or_default(), difference.found.unwrap_or_default());
        let differing: Vec<_> = (0..8).filter(|&lane| expected[lane] != found[lane]).collect();
        assert_eq!(differing, [1]);
        assert_eq!(difference.origin.map(|origin| origin.1), Some("Dot"));
    }

    #[test]
    fn the_first_difference_is_named() {
        let trace = |cycle, location, lanes: &[i32]| Trace {
            position: 2,
            cycle,
            origin: Some(Origin { queue: Queue::Matrix, instruction: 0 }),
            location,
            lanes: lanes.to_vec(),
        };
        let program = Predictor::new(&programs::counting(&Geometry::NANO));
        let common = || vec![trace(9, Location::Vreg(3), &[1]), trace(7, Location::Vmem(5), &[1, 2, 3])];
        assert_eq!(first_difference(common(), common(), &program), None);
        let text = |found: Vec<Trace>| {
            first_difference(common(), found, &program).map(|found| found.to_string()).unwrap_or_default()
        };
        assert_eq!(
            text(vec![trace(7, Location::Vmem(5), &[1, 4, 3]), trace(9, Location::Vreg(3), &[2])]),
            "position 2, cycle 7, MEM, vector memory row 5, written by Gather, instruction 0 of the matrix queue: \
             lane 1 is 4, expected 2\n  expected [1, 2, 3]\n  found    [1, 4, 3]"
        );
        assert_eq!(
            text(vec![trace(7, Location::Vmem(5), &[1, 2, 3])]),
            "position 2, cycle 9, VXM, vector register 3, written by Gather, instruction 0 of the matrix queue: \
             expected a write, found none\n  expected [1]"
        );
        assert_eq!(
            text(vec![trace(6, Location::Act { entry: 1, lane: 4 }, &[8])]),
            "position 2, cycle 6, SXM, activation entry 1 from lane 4, written by Gather, instruction 0 of the matrix \
             queue: expected no write, found one\n  found    [8]"
        );
    }
}

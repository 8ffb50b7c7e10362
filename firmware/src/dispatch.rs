//! The firmware's state, and what each request does.

use crate::board::Board;
use crate::chip::{Chip, Silent};
use crate::load::Loading;
use crate::outbox::Outbox;
use crate::run::Run;
use lpu_isa::Geometry;
use lpu_isa::host::{QUEUE_PART_BITS, Register, Space, control, status};
use lpu_isa::link::{RATE_DEFAULT, RATE_MAX, Refusal, Reply, Request, VERSION, cause, checked};
use lpu_isa::soc::{CHECKSUM_START, leds};

/// Looks at the chip before a run that was told to stop counts as endless: far more than any token takes.
const STOP_LOOKS_MAX: u32 = 20_000;
/// Cycles of the soft core that a bit takes at least: the firmware works off a byte, with all that a load does with it, in those of
/// its ten bits.
const BIT_CYCLES_MIN: u32 = 16;
/// Received bytes without a sound frame among them, after which the rate is suspected.
const NOISE_BYTES_MAX: u32 = 24;

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It cannot be; nothing has changed.
    Refused(Refusal, u32),
    /// The chip does not answer.
    Silent,
}

impl From<Silent> for Why {
    fn from(_: Silent) -> Self {
        Why::Silent
    }
}

/// A refusal without a detail.
pub fn refuse<T>(refusal: Refusal) -> Result<T, Why> {
    Err(Why::Refused(refusal, 0))
}

/// The chip as it says it is.
#[derive(Clone, Copy, Debug)]
struct Identity {
    isa: u64,
    geometry: u64,
    bitstream: u64,
}

/// The line's rate, and whether it is to be believed.
#[derive(Debug)]
struct Rate {
    bits_per_second: u32,
    /// The rate to change to once everything is sent.
    wanted: Option<u32>,
    /// No sound frame has come at this rate yet.
    untried: bool,
    /// When the first of the noise bytes came, the last sound frame, or the rate was changed.
    since_ticks: u32,
    noise_bytes: u32,
}

/// What the firmware knows.
#[derive(Debug)]
pub struct Core<B> {
    pub chip: Chip<B>,
    pub outbox: Outbox,
    pub loading: Loading,
    pub run: Run,
    identity: Identity,
    /// Sizes of the chip; none if it is silent or unknown.
    geometry: Option<Geometry>,
    rate: Rate,
    cause: u32,
    resets: bool,
}

impl<B: Board> Core<B> {
    pub const fn new(board: B) -> Self {
        Self {
            chip: Chip::new(board),
            outbox: Outbox::new(),
            loading: Loading::NONE,
            run: Run::new(),
            identity: Identity { isa: 0, geometry: 0, bitstream: 0 },
            geometry: None,
            rate: Rate { bits_per_second: 0, wanted: None, untried: false, since_ticks: 0, noise_bytes: 0 },
            cause: 0,
            resets: false,
        }
    }

    /// Listens at the default rate, and looks for the chip.
    pub fn wake(&mut self) {
        self.cause = self.chip.board.cause();
        self.set_rate(RATE_DEFAULT, false);
        // A chip that stays silent is told in the answer to the first request; there is nothing else to be done.
        let found = self.meet_chip();
        self.chip.board.set_cause(if found.is_ok() { cause::POWER } else { cause::CHIP_SILENT });
        self.show();
    }

    fn meet_chip(&mut self) -> Result<(), Silent> {
        self.chip.find_place()?;
        self.identity = Identity {
            isa: self.chip.register(Register::IsaHash)?,
            geometry: self.chip.register(Register::GeometryHash)?,
            bitstream: self.chip.register(Register::Bitstream)?,
        };
        let hash = self.identity.geometry;
        self.geometry = KNOWN.iter().find(|(known, _)| *known == hash).map(|&(_, geometry)| geometry);
        self.stop()?;
        self.chip.set(Register::Faults, u64::from(u32::MAX));
        Ok(())
    }

    /// Bytes of the line came.
    pub fn hear(&mut self, count: usize) {
        if count != 0 && self.rate.noise_bytes == 0 {
            self.rate.since_ticks = self.chip.board.ticks();
        }
        self.rate.noise_bytes += count as u32;
    }

    /// Takes a frame of the line; a damaged one leaves no trace.
    pub fn take(&mut self, frame: &[u8]) {
        let board = &mut self.chip.board;
        let Some(frame) = checked(frame, |content| !board.checksum(CHECKSUM_START, content)) else { return };
        (self.rate.untried, self.rate.noise_bytes, self.rate.since_ticks) = (false, 0, board.ticks());
        let (sequence, done) = match Request::decode(frame) {
            Ok((sequence, request)) => (sequence, self.execute(sequence, request)),
            Err((sequence, Refusal::Version)) => {
                (sequence, Err(Why::Refused(Refusal::Version, VERSION.into())))
            }
            Err((sequence, refusal)) => (sequence, refuse(refusal)),
        };
        match done {
            Ok(()) => {}
            Err(Why::Refused(refusal, detail)) => {
                self.answer(sequence, &Reply::Refused { code: refusal as u8, detail });
            }
            Err(Why::Silent) => {
                self.answer(sequence, &Reply::Refused { code: Refusal::Chip as u8, detail: 0 });
                self.fail();
            }
        }
        self.show();
    }

    pub fn answer(&mut self, sequence: u16, reply: &Reply<'_>) {
        self.outbox.add(&mut self.chip.board, sequence, reply);
    }

    pub fn execute(&mut self, sequence: u16, request: Request<'_>) -> Result<(), Why> {
        match request {
            Request::Identify {} => {
                self.identify(sequence);
                return Ok(());
            }
            Request::Open { isa, geometry, program, words, checksum } => {
                if (isa, geometry) != (self.identity.isa, self.identity.geometry) {
                    return refuse(Refusal::OtherChip);
                }
                return self.open(sequence, program, words, checksum);
            }
            Request::Load { first, space, address, words } => {
                return self.load(sequence, first, space, address, words);
            }
            Request::Read { space, address, count } => return self.read(sequence, space, address, count),
            Request::March { space, address, count } => return self.march(sequence, space, address, count),
            Request::Taken { run, steps, again } => return self.taken(run, steps, again != 0),
            Request::Clear { faults } => self.chip.set(Register::Faults, faults.into()),
            Request::Prompt { first, tokens } => self.prompt(first, tokens)?,
            Request::Start { .. } => self.start(&request)?,
            Request::Continue { run, step } => self.go_on(run, step)?,
            Request::Cancel {} => {
                self.stop()?;
                self.run.clear(0);
            }
            Request::Rate { bits_per_second } => self.change_rate(bits_per_second)?,
            Request::Reset {} => {
                self.chip.board.set_cause(cause::ASKED);
                self.resets = true;
            }
        }
        self.answer(sequence, &Reply::Done {});
        Ok(())
    }

    fn identify(&mut self, sequence: u16) {
        let Identity { isa, geometry, bitstream } = self.identity;
        let clock_hz = self.chip.board.clock_hz();
        let reply = Reply::Identity {
            isa,
            geometry,
            bitstream,
            program: self.loading.loaded,
            loading: self.loading.program,
            words: self.loading.taken,
            cause: self.cause,
            rate_max: rate_max(clock_hz),
            clock_hz,
            version: &[VERSION],
        };
        self.answer(sequence, &reply);
    }

    /// The number of words of a memory; refuses spaces that are none, and a chip of unknown sizes.
    pub fn words_of(&self, space: Space) -> Result<u32, Why> {
        let Some(geometry) = &self.geometry else { return refuse(Refusal::Chip) };
        let words = match space {
            Space::Weights => geometry.weight_rows * geometry.host_words_per_weight_row(),
            Space::Kv => geometry.kv_rows * geometry.host_words_per_weight_row(),
            Space::Vmem => geometry.vmem_rows * geometry.host_words_per_vmem_row(),
            Space::MatrixQueue => geometry.matrix_queue_depth << QUEUE_PART_BITS,
            Space::VectorQueue => geometry.vector_queue_depth << QUEUE_PART_BITS,
            Space::Registers => Register::TABLE.len(),
            Space::TokensIn | Space::TokensOut => return refuse(Refusal::Space),
            #[allow(
                unreachable_patterns,
                reason = "the image is built without the spaces of external memory"
            )]
            _ => return refuse(Refusal::Space),
        };
        Ok(words as u32)
    }

    /// Positions that the chip counts.
    pub fn positions(&self) -> u32 {
        self.geometry.map_or(0, |geometry| geometry.positions as u32)
    }

    /// Checks that words lie in a space.
    pub fn check_place(&self, space: Space, address: u32, count: usize) -> Result<(), Why> {
        let size = self.words_of(space)?;
        let fits = address < size && count as u32 <= size - address;
        if fits { Ok(()) } else { Err(Why::Refused(Refusal::Address, size)) }
    }

    /// Ends what the chip runs, and forgets its records.
    pub fn stop(&mut self) -> Result<(), Silent> {
        self.chip.set(Register::Control, control::STOP.mask() | control::CONTINUE.mask());
        for _ in 0..STOP_LOOKS_MAX {
            // Records are taken meanwhile: a run that waits for room could not end otherwise.
            self.chip.number(Space::TokensOut, 0)?;
            if self.chip.register(Register::Status)? & (status::ACTIVE.mask() | status::RUNNING.mask()) == 0 {
                self.chip.set(Register::Control, control::DISCARD.mask());
                return Ok(());
            }
        }
        Err(Silent)
    }

    fn change_rate(&mut self, bits_per_second: u32) -> Result<(), Why> {
        let max = rate_max(self.chip.board.clock_hz());
        if !(RATE_DEFAULT / 12..=max).contains(&bits_per_second) {
            return Err(Why::Refused(Refusal::Rate, max));
        }
        self.rate.wanted = Some(bits_per_second);
        Ok(())
    }

    /// What goes on without a request: replies, the run, a change of the rate, a reset.
    pub fn advance(&mut self) {
        if self.advance_run().is_err() {
            self.fail();
        }
        self.outbox.drain(&mut self.chip.board);
        if self.outbox.is_empty() && self.chip.board.is_idle() {
            if self.resets {
                self.chip.board.reset();
            }
            if let Some(wanted) = self.rate.wanted.take() {
                self.set_rate(wanted, wanted != self.rate.bits_per_second);
            }
        }
        let quarter_of_a_second = self.chip.board.clock_hz() / 4;
        let waited = self.chip.board.ticks().wrapping_sub(self.rate.since_ticks) > quarter_of_a_second;
        let suspect = self.rate.untried || self.rate.noise_bytes > NOISE_BYTES_MAX;
        if self.rate.bits_per_second != RATE_DEFAULT && suspect && waited {
            self.set_rate(RATE_DEFAULT, false);
        }
    }

    fn set_rate(&mut self, bits_per_second: u32, untried: bool) {
        self.chip.board.set_rate(bits_per_second);
        let since_ticks = self.chip.board.ticks();
        self.rate = Rate { bits_per_second, wanted: None, untried, since_ticks, noise_bytes: 0 };
    }

    /// The chip fell silent: only a reset finds its place again.
    fn fail(&mut self) {
        self.chip.board.set_cause(cause::CHIP_SILENT);
        self.resets = true;
    }

    pub fn show(&mut self) {
        let mut lights = leds::LISTENS | (self.cause << leds::CAUSE_BIT) as u8;
        if self.loading.loaded != 0 {
            lights |= leds::LOADED;
        }
        if self.run.is_active() {
            lights |= leds::RUNS;
        }
        if self.geometry.is_none() || self.cause >= cause::PANIC {
            lights |= leds::FAULT;
        }
        self.chip.board.set_leds(lights);
    }
}

/// The fastest rate that a clock can do.
fn rate_max(clock_hz: u32) -> u32 {
    RATE_MAX.min(clock_hz / BIT_CYCLES_MIN)
}

/// The chips by their hash, computed beforehand: the soft core has no multiplier.
static KNOWN: [(u64, Geometry); Geometry::ALL.len()] = {
    let mut known = [(0, Geometry::NANO); Geometry::ALL.len()];
    let mut index = 0;
    while index < known.len() {
        known[index] = (Geometry::ALL[index].hash(), Geometry::ALL[index]);
        index += 1;
    }
    known
};

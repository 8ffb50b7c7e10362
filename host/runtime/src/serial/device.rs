//! A board as a device.

use super::Line;
use super::link::{Link, OTHER_VERSION, version};
use super::load::{self, Program};
use lpu_isa::host::{Fault, HOST_WORD_BYTES, Register, Space};
use lpu_isa::image::Image;
use lpu_isa::link::{
    END_SEEN, MODE_PAUSE, MODE_SAMPLING, PROMPT_TOKENS_MAX, RATE_DEFAULT, RATE_MAX, Refusal, Reply, Request,
    STEP_BYTES, VERSION, WORDS_MAX, cause,
};
use lpu_sim::device::{Device, DeviceError, Identity, Loaded, RunRequest, Step, number_of};
use std::collections::VecDeque;
use std::time::Duration;

/// Prompt tokens of one frame.
const PROMPT_FRAME_TOKENS: usize = 200;
/// Parts of the patience for which a board is looked for at its own rate, at the one wanted, and again at its own, to which it
/// has gone back meanwhile. What is left of the patience is for boards that are slow.
const MEETING_PARTS: [f64; 3] = [0.2, 0.1, 0.15];
/// Parts of the patience for which the change of the rate may take: until it is confirmed, until an answer at the new rate, and until
/// the board has gone back if the line does not carry that one.
const CHANGE_PARTS: [f64; 3] = [0.15, 0.15, 0.2];
/// Patiences without a step after which a run counts as dead, though the board answers.
const SILENT_PATIENCES: u32 = 20;

/// How to talk to a board.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The rate to ask for; the fastest that the board can do, if it is none.
    pub bits_per_second: Option<u32>,
    /// How long a board may be silent.
    pub patience: Duration,
    /// Tells this host from others that used the board: any number.
    pub nonce: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { bits_per_second: None, patience: Duration::from_secs(2), nonce: 1 }
    }
}

/// Hears how far a load has come: words, of words.
pub struct Progress<'a> {
    hear: &'a mut dyn FnMut(u32, u32),
    words: Option<u32>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(hear: &'a mut dyn FnMut(u32, u32)) -> Self {
        Self { hear, words: None }
    }

    pub(super) fn begin(&mut self, words: u32, all: u32) {
        self.words = Some(all);
        (self.hear)(words, all);
    }

    pub(super) fn reach(&mut self, words: u32) {
        (self.hear)(words, self.words.unwrap_or(words));
    }

    pub(super) fn has_begun(&self) -> bool {
        self.words.is_some()
    }
}

/// What the board says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// The chip.
    pub identity: Identity,
    /// The loaded program; zero if there is none.
    pub program: u64,
    /// The reason of its last reset, see [`lpu_isa::link::cause`].
    pub cause: u32,
    /// The fastest line, in bits per second.
    pub rate_max: u32,
}

/// A run in progress.
#[derive(Debug)]
struct Run {
    number: u32,
    start_position: usize,
    /// Steps that have come, all of them and those not handed out yet.
    count: u32,
    waiting: VecDeque<Step>,
    pause: bool,
    ended: Option<u32>,
}

/// A board behind a line.
pub struct SerialDevice<L: Line> {
    link: Link<L>,
    loaded: Option<(Loaded, u64)>,
    run: Option<Run>,
    run_number: u32,
    hear: Box<dyn FnMut(u32, u32)>,
}

impl<L: Line> SerialDevice<L> {
    /// Finds the board's rate, meets it, and changes to the rate asked for.
    ///
    /// # Errors
    /// No board answers, or one of another version.
    pub fn connect(line: L, options: &Options) -> Result<Self, DeviceError> {
        let link = Link::new(line, options.patience, options.nonce as u16);
        let hear = Box::new(|_, _| {});
        let mut device = Self { link, loaded: None, run: None, run_number: options.nonce, hear };
        let board = device.meet(options.bits_per_second)?;
        // A line over which the meeting took that long is not made faster.
        if device.link.part_passed() <= MEETING_PARTS.iter().sum() {
            device.change_rate(options.bits_per_second.unwrap_or(board.rate_max).min(board.rate_max))?;
        }
        Ok(device)
    }

    /// Hears how far loads have come: words, of words.
    pub fn on_progress(&mut self, hear: impl FnMut(u32, u32) + 'static) {
        self.hear = Box::new(hear);
    }

    /// A board that another host has left at another rate goes back to its own after half a second of noise.
    fn meet(&mut self, wanted: Option<u32>) -> Result<Board, DeviceError> {
        self.link.begin_parts();
        let mut last = self.link.silence();
        let rates = [RATE_DEFAULT, wanted.unwrap_or(RATE_MAX), RATE_DEFAULT, RATE_DEFAULT];
        let rest = 1.0 - MEETING_PARTS.iter().sum::<f64>();
        for (rate, part) in rates.into_iter().zip(MEETING_PARTS.into_iter().chain([rest])) {
            self.link.line.set_rate(rate)?;
            self.link.begin_part(part);
            match self.ask_board() {
                Ok(board) => return Ok(board),
                Err(DeviceError::Line(text)) if text.starts_with(OTHER_VERSION) => {
                    return Err(DeviceError::Line(text));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn change_rate(&mut self, bits_per_second: u32) -> Result<(), DeviceError> {
        let [confirmed, met, gone_back] = CHANGE_PARTS;
        self.link.begin_parts();
        self.link.begin_part(confirmed);
        self.link.command(&Request::Rate { bits_per_second })?;
        self.link.line.set_rate(bits_per_second)?;
        self.link.begin_part(met);
        if self.ask_board().is_ok() {
            return Ok(());
        }
        // The line does not carry that rate: the board goes back by itself.
        self.link.line.set_rate(RATE_DEFAULT)?;
        self.link.begin_part(gone_back);
        self.ask_board().map(|_| ())
    }

    /// What the board says of itself.
    ///
    /// # Errors
    /// It does not answer, or is of another version.
    pub fn board(&mut self) -> Result<Board, DeviceError> {
        self.link.begin();
        self.ask_board()
    }

    fn ask_board(&mut self) -> Result<Board, DeviceError> {
        let (board, found) = self.link.request(&Request::Identify {}, |reply| match *reply {
            Reply::Identity { isa, geometry, bitstream, program, cause, rate_max, version, .. } => {
                let identity = Identity { isa_hash: isa, geometry_hash: geometry, bitstream };
                Some((Board { identity, program, cause, rate_max }, version.first().copied().unwrap_or(0)))
            }
            _ => None,
        })?;
        if found != VERSION {
            return Err(version(found.into()));
        }
        if board.identity.isa_hash == 0 {
            return Err(DeviceError::Line(Refusal::Chip.text().into()));
        }
        Ok(board)
    }

    /// Loads a program unless it is there; says whether it had to be.
    ///
    /// # Errors
    /// The image is for another chip, or the line fails for longer than the patience.
    pub fn load_program(&mut self, image: &Image) -> Result<bool, DeviceError> {
        self.identify()?.check(image)?;
        (self.loaded, self.run) = (None, None);
        let program = Program::new(image);
        let sent = load::load(&mut self.link, &program, &mut Progress::new(&mut self.hear))?;
        self.link.forget_unasked();
        self.loaded = Some((Loaded::new(image), program.name));
        Ok(sent)
    }

    /// Tests part of a memory, whose content is lost; the number of wrong words and the first one's address.
    ///
    /// # Errors
    /// The place is outside the memory, or a run is in progress.
    pub fn march(&mut self, space: Space, address: u32, count: u16) -> Result<(u32, u32), DeviceError> {
        self.loaded = None;
        self.link.begin();
        self.link.request(&Request::March { space: space as u8, address, count }, |reply| match *reply {
            Reply::Marched { wrong, first } => Some((wrong, first)),
            _ => None,
        })
    }

    /// Resets the firmware. The program is lost.
    ///
    /// # Errors
    /// The board does not answer.
    pub fn reset(&mut self) -> Result<(), DeviceError> {
        (self.loaded, self.run) = (None, None);
        self.link.begin();
        self.link.command(&Request::Reset {})?;
        self.link.line.set_rate(RATE_DEFAULT)?;
        self.board().map(|_| ())
    }

    /// Reads host words of a space.
    ///
    /// # Errors
    /// The place is outside the space, or a token runs.
    pub fn read(&mut self, space: Space, address: usize, count: usize) -> Result<Vec<u8>, DeviceError> {
        let mut bytes = Vec::with_capacity(count * HOST_WORD_BYTES);
        for begin in (0..count).step_by(WORDS_MAX) {
            let part = WORDS_MAX.min(count - begin);
            let place = (address + begin) as u32;
            let request = Request::Read { space: space as u8, address: place, count: part as u16 };
            self.link.begin();
            bytes.extend(self.link.request(&request, |reply| match *reply {
                Reply::Words { address, words, .. } if address == place => Some(words.to_vec()),
                _ => None,
            })?);
        }
        Ok(bytes)
    }

    /// Reads a register of the chip.
    ///
    /// # Errors
    /// As [`SerialDevice::read`].
    pub fn register(&mut self, register: Register) -> Result<u64, DeviceError> {
        let bytes = self.read(Space::Registers, register as usize, 1)?;
        Ok(bytes.first_chunk().map_or(0, number_of))
    }

    fn send_prompt(&mut self, prompt: &[u16]) -> Result<(), DeviceError> {
        if prompt.len() > PROMPT_TOKENS_MAX {
            return Err(DeviceError::Line(format!(
                "expected a prompt of at most {PROMPT_TOKENS_MAX} tokens for a board, found {}: shorten it",
                prompt.len()
            )));
        }
        for (index, tokens) in prompt.chunks(PROMPT_FRAME_TOKENS).enumerate() {
            let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
            let first = (index * PROMPT_FRAME_TOKENS) as u16;
            self.link.command(&Request::Prompt { first, tokens: &bytes })?;
        }
        Ok(())
    }

    /// Takes a frame of steps or an end; whether it brought something.
    fn take(&mut self, frame: &[u8]) -> Result<bool, DeviceError> {
        let Some(run) = &mut self.run else { return Ok(false) };
        match Reply::decode(frame) {
            Ok((_, Reply::Steps { run: number, first, steps })) if number == run.number => {
                let known = run.count.checked_sub(first).map(|known| known as usize);
                let new = known
                    .and_then(|known| steps.as_chunks::<STEP_BYTES>().0.get(known..))
                    .unwrap_or_default();
                for &[low, high, a, b, c, d] in new {
                    let token = u16::from_le_bytes([low, high]);
                    let position = (run.start_position + run.count as usize) as u16;
                    run.waiting.push_back(Step { token, position, cycles: u32::from_le_bytes([a, b, c, d]) });
                    run.count += 1;
                }
                let again = first > run.count;
                let taken = Request::Taken { run: number, steps: run.count, again: again.into() };
                let brought = !new.is_empty();
                self.link.send(0, &taken)?;
                Ok(brought)
            }
            Ok((_, Reply::Ended { run: number, steps, .. })) if number == run.number => {
                let complete = steps == run.count;
                if complete {
                    run.ended = Some(steps);
                }
                let steps = if complete { END_SEEN } else { run.count };
                self.link.send(0, &Request::Taken { run: number, steps, again: u8::from(!complete) })?;
                Ok(complete)
            }
            Ok((0, Reply::Refused { code, .. })) if code == Refusal::Run as u8 => Err(self.lost_run()),
            _ => Ok(false),
        }
    }

    /// The board does not know the run any more.
    fn lost_run(&mut self) -> DeviceError {
        (self.run, self.loaded) = (None, None);
        let why = match self.ask_board().map(|board| board.cause) {
            Ok(cause::PANIC) => "its firmware met a fault",
            Ok(cause::CHIP_SILENT) => "its chip did not answer",
            _ => "it was reset",
        };
        DeviceError::Line(format!("the board lost the run: {why}. Load the program and start again"))
    }

    /// Waits until a step or the end has come.
    fn wait(&mut self) -> Result<(), DeviceError> {
        let mut interval_end = self.link.line.now() + self.link.interval();
        let suspicion = self.link.line.now() + self.link.patience / 2;
        let begin = self.link.line.now();
        loop {
            let Some(run) = &self.run else { return Ok(()) };
            if !run.waiting.is_empty() || run.ended.is_some() {
                return Ok(());
            }
            if let Some(frame) = self.link.unasked(interval_end)? {
                self.take(&frame)?;
                continue;
            }
            let (number, count) = (run.number, run.count);
            let now = self.link.line.now();
            if now >= suspicion {
                // Is it the board that is silent, or the run that is long?
                self.ask_board()?;
                self.link.begin();
            }
            if now >= begin + self.link.patience * SILENT_PATIENCES {
                let cycles = self.register(Register::Cycles)?;
                return Err(DeviceError::Silent(cycles));
            }
            self.link.send(0, &Request::Taken { run: number, steps: count, again: 1 })?;
            interval_end = self.link.line.now() + self.link.interval();
        }
    }

    /// Lets a pausing run go on; the board says that it is busy until the run has paused.
    fn go_on(&mut self) -> Result<(), DeviceError> {
        let Some(run) = &self.run else { return Ok(()) };
        if !run.pause || run.count == 0 || run.ended.is_some() || !run.waiting.is_empty() {
            return Ok(());
        }
        let request = Request::Continue { run: run.number, step: run.count };
        loop {
            match self.link.ask(&request, |reply| matches!(reply, Reply::Done {}).then_some(()))? {
                Ok(()) => return Ok(()),
                Err(refused) if refused.is(Refusal::Busy) && !self.link.is_over() => {}
                Err(refused) if refused.is(Refusal::Run) => return Err(self.lost_run()),
                Err(refused) => return Err(refused.into()),
            }
        }
    }
}

impl<L: Line> Drop for SerialDevice<L> {
    fn drop(&mut self) {
        // The next host meets the board sooner at the board's own rate; it meets it at any, so nothing depends on this.
        let _ = self.link.send(0, &Request::Rate { bits_per_second: RATE_DEFAULT });
    }
}

impl<L: Line> Device for SerialDevice<L> {
    fn identify(&mut self) -> Result<Identity, DeviceError> {
        self.board().map(|board| board.identity)
    }

    fn load(&mut self, image: &Image) -> Result<(), DeviceError> {
        self.load_program(image)?;
        self.link.begin();
        self.link.command(&Request::Cancel {})?;
        self.link.command(&Request::Clear { faults: u32::MAX })
    }

    fn start(&mut self, request: &RunRequest) -> Result<(), DeviceError> {
        let (loaded, program) = self.loaded.as_ref().ok_or(DeviceError::NothingLoaded)?;
        let (limit, program, inverse_temperature) = (loaded.limit(request)?, *program, loaded.scale(request));
        if self.run.as_ref().is_some_and(|run| run.ended.is_none()) {
            return Err(DeviceError::Busy);
        }
        self.link.begin();
        self.send_prompt(&request.prompt)?;
        self.link.forget_unasked();
        self.run_number = self.run_number.checked_add(1).unwrap_or(1);
        let [stop, stop_too] = request.stop_tokens.map(|token| token.unwrap_or(u16::MAX));
        let sampling = if request.sampling.is_some() { MODE_SAMPLING } else { 0 };
        let pause = if request.pause { MODE_PAUSE } else { 0 };
        self.link.command(&Request::Start {
            run: self.run_number,
            program,
            prompt: request.prompt.len() as u16,
            limit: limit as u16,
            start_position: request.start_position as u16,
            stop,
            stop_too,
            seed: lpu_sim::device::spread(request.seed),
            mode: sampling | pause,
            inverse_temperature,
        })?;
        self.run = Some(Run {
            number: self.run_number,
            start_position: request.start_position,
            count: 0,
            waiting: VecDeque::new(),
            pause: request.pause,
            ended: None,
        });
        Ok(())
    }

    fn next_step(&mut self) -> Result<Option<Step>, DeviceError> {
        self.link.begin();
        self.go_on()?;
        self.wait()?;
        Ok(self.run.as_mut().and_then(|run| run.waiting.pop_front()))
    }

    fn logits(&mut self) -> Result<Vec<i32>, DeviceError> {
        let (loaded, _) = self.loaded.as_ref().ok_or(DeviceError::NothingLoaded)?;
        let (space, parts) = loaded.logits_parts();
        let mut read = Vec::with_capacity(parts.len());
        for (address, count) in parts {
            read.push(self.read(space, address, count)?);
        }
        Ok(self.loaded.as_ref().ok_or(DeviceError::NothingLoaded)?.0.logits(&read))
    }

    fn faults(&mut self) -> Result<Fault, DeviceError> {
        Ok(Fault(self.register(Register::Faults)? as u32))
    }

    fn saturations(&mut self) -> Result<u64, DeviceError> {
        self.register(Register::Saturations)
    }

    fn cancel(&mut self) -> Result<(), DeviceError> {
        self.link.begin();
        self.link.command(&Request::Cancel {})?;
        self.link.forget_unasked();
        self.run = None;
        Ok(())
    }
}

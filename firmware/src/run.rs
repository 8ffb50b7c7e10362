//! Runs: the prompt goes in, steps come out and stay until the host has them.

use crate::board::Board;
use crate::chip::Silent;
use crate::dispatch::{Core, Why, refuse};
use lpu_isa::host::{Register, Space, Step, control, status};
use lpu_isa::link::{
    END_SEEN, MODE_PAUSE, PROMPT_TOKENS_MAX, Refusal, Reply, Request, STEP_BYTES, STEPS_MAX,
};

/// Steps that wait for the host at most, a power of two. Then the chip waits, between two tokens.
const WAITING_STEPS_MAX: u32 = 64;
/// Records read at once: a look costs as much for one as for many, and for none it takes as long as for all.
const RECORDS_AT_ONCE: usize = 8;
/// Steps of a frame, for which it waits while the chip makes them faster than the line takes them. The work of a frame and of its
/// acknowledgement is the same for one step as for many; but a frame has to be made before the line has sent the bytes that
/// wait in its queue.
const STEPS_A_FRAME: usize = 32;
const _: () = assert!(STEPS_A_FRAME <= STEPS_MAX && 2 * STEPS_A_FRAME <= WAITING_STEPS_MAX as usize);
/// Prompt tokens sent ahead of the records received: the chip's queue holds at least as many.
const PROMPT_AHEAD_TOKENS: usize = 16;
/// Parts of a second after which steps without an acknowledgement are sent again; a power of two, since the core cannot divide.
const REPEATS_PER_SECOND: u32 = 8;
/// Repetitions after which the firmware waits for the host to ask.
const REPEATS_MAX: u32 = 20;

/// A run, and the prompt of the next one.
#[derive(Debug)]
pub struct Run {
    /// The host's number of the run; zero if there is none.
    number: u32,
    /// The chip has not ended it.
    active: bool,
    pauses: bool,
    /// Tokens of the prompt, and how many of them belong to the run and went to the chip.
    tokens: [u16; PROMPT_TOKENS_MAX],
    prompt: usize,
    prompt_sent: usize,
    /// Steps by number, modulo the size.
    steps: [[u8; STEP_BYTES]; WAITING_STEPS_MAX as usize],
    /// Counts of steps: taken from the chip, sent to the host, acknowledged, allowed by a host that pauses.
    made: u32,
    sent: u32,
    taken: u32,
    allowed: u32,
    faults: u32,
    saturations: u64,
    end_sent: bool,
    end_taken: bool,
    repeats: u32,
    since_ticks: u32,
}

impl Run {
    /// No run.
    pub const fn new() -> Self {
        Self {
            number: 0,
            active: false,
            pauses: false,
            tokens: [0; PROMPT_TOKENS_MAX],
            prompt: 0,
            prompt_sent: 0,
            steps: [[0; STEP_BYTES]; WAITING_STEPS_MAX as usize],
            made: 0,
            sent: 0,
            taken: 0,
            allowed: 0,
            faults: 0,
            saturations: 0,
            end_sent: false,
            end_taken: false,
            repeats: 0,
            since_ticks: 0,
        }
    }

    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Forgets the run; the prompt stays.
    pub fn clear(&mut self, number: u32) {
        self.number = number;
        (self.active, self.pauses) = (false, false);
        (self.prompt, self.prompt_sent) = (0, 0);
        (self.made, self.sent, self.taken, self.allowed) = (0, 0, 0, 1);
        (self.faults, self.saturations) = (0, 0);
        (self.end_sent, self.end_taken) = (false, false);
        self.repeats = 0;
    }

    fn waits_for_host(&self) -> bool {
        self.taken < self.sent || (self.end_sent && !self.end_taken)
    }
}

impl<B: Board> Core<B> {
    /// Keeps tokens of the next prompt.
    pub fn prompt(&mut self, first: u16, tokens: &[u8]) -> Result<(), Why> {
        let (pairs, rest) = tokens.as_chunks();
        if !rest.is_empty() {
            return refuse(Refusal::Length);
        }
        if self.run.active {
            return refuse(Refusal::Busy);
        }
        let begin = usize::from(first);
        let Some(places) = self.run.tokens.get_mut(begin..begin + pairs.len()) else {
            return Err(Why::Refused(Refusal::Address, PROMPT_TOKENS_MAX as u32));
        };
        for (place, pair) in places.iter_mut().zip(pairs) {
            *place = u16::from_le_bytes(*pair);
        }
        Ok(())
    }

    /// Starts a run, unless it is the one in progress.
    pub fn start(&mut self, request: &Request<'_>) -> Result<(), Why> {
        let &Request::Start {
            run,
            program,
            prompt,
            limit,
            start_position,
            stop,
            stop_too,
            seed,
            mode,
            inverse_temperature,
        } = request
        else {
            return refuse(Refusal::Kind);
        };
        if program == 0 || program != self.loading.loaded {
            return refuse(Refusal::Program);
        }
        if run == self.run.number && run != 0 {
            return Ok(());
        }
        if self.run.active {
            return refuse(Refusal::Busy);
        }
        let end = u32::from(start_position) + u32::from(limit);
        let sound =
            run != 0 && limit != 0 && end <= self.positions() && usize::from(prompt) <= PROMPT_TOKENS_MAX;
        if !sound {
            return refuse(Refusal::Run);
        }
        self.chip.set(Register::Control, control::DISCARD.mask());
        for (register, value) in [
            (Register::StartPosition, start_position.into()),
            (Register::Limit, limit.into()),
            (Register::PromptLength, prompt.into()),
            (Register::StopToken, stop.into()),
            (Register::StopTokenToo, stop_too.into()),
            (Register::Seed, seed.into()),
            (Register::Mode, mode.into()),
            (Register::InverseTemperature, u64::from(inverse_temperature)),
        ] {
            self.chip.set(register, value);
        }
        self.run.clear(run);
        self.run.prompt = prompt.into();
        self.run.pauses = mode & MODE_PAUSE != 0;
        self.feed(PROMPT_AHEAD_TOKENS);
        self.chip.set(Register::Control, control::START.mask());
        self.run.active = true;
        Ok(())
    }

    /// Sends prompt tokens to the chip.
    fn feed(&mut self, count: usize) {
        for _ in 0..count.min(self.run.prompt - self.run.prompt_sent) {
            let token = self.run.tokens.get(self.run.prompt_sent).copied().unwrap_or(0);
            self.chip.put(Space::TokensIn, 0, token.into());
            self.run.prompt_sent += 1;
        }
    }

    /// Lets a pausing run execute a step.
    pub fn go_on(&mut self, run: u32, step: u32) -> Result<(), Why> {
        if run != self.run.number || run == 0 || !self.run.pauses || step > self.run.allowed {
            return refuse(Refusal::Run);
        }
        if step < self.run.allowed || !self.run.active {
            return Ok(());
        }
        // Only a run that has paused hears it; the host asks again.
        if step != self.run.made || !status::PAUSED.is_set(self.chip.register(Register::Status)?) {
            return refuse(Refusal::Busy);
        }
        self.chip.set(Register::Control, control::CONTINUE.mask());
        self.run.allowed += 1;
        Ok(())
    }

    /// The host has steps, or asks for them again.
    pub fn taken(&mut self, run: u32, steps: u32, again: bool) -> Result<(), Why> {
        if run != self.run.number || run == 0 {
            return refuse(Refusal::Run);
        }
        let end = steps == END_SEEN;
        if end && !self.run.active {
            (self.run.taken, self.run.end_taken) = (self.run.made, true);
        }
        if !end && steps <= self.run.made {
            self.run.taken = self.run.taken.max(steps);
            if again {
                self.run.sent = self.run.taken;
                self.run.end_sent = false;
            }
        }
        self.run.sent = self.run.sent.max(self.run.taken);
        self.run.repeats = 0;
        self.run.since_ticks = self.chip.board.ticks();
        Ok(())
    }

    /// Moves steps from the chip to the host.
    pub fn advance_run(&mut self) -> Result<(), Silent> {
        // Without room more steps come when the host has acknowledged those that it was sent.
        let room = self.run.made - self.run.taken < WAITING_STEPS_MAX;
        let more_come =
            self.run.active && if room { self.take_steps()? } else { self.run.taken < self.run.sent };
        let few = self.run.made - self.run.sent < STEPS_A_FRAME as u32;
        if self.run.number != 0 && self.outbox.has_room(STEPS_A_FRAME * STEP_BYTES) {
            if !(more_come && few) {
                // The line runs dry while a frame is made, unless it is filled before.
                self.outbox.drain(&mut self.chip.board);
                self.send_steps();
            }
            self.repeat();
        }
        Ok(())
    }

    /// Takes records that wait, and ends the run when no more can come; whether there were so many that more wait.
    fn take_steps(&mut self) -> Result<bool, Silent> {
        let count = self.take_records()?;
        if count != 0 || status::ACTIVE.is_set(self.chip.register(Register::Status)?) {
            return Ok(count == RECORDS_AT_ONCE as u32);
        }
        // A record that the run has left behind since the first look is there by now.
        if self.take_records()? == 0 {
            self.run.faults = self.chip.register(Register::Faults)? as u32;
            self.run.saturations = self.chip.register(Register::Saturations)?;
            self.run.active = false;
        }
        Ok(false)
    }

    /// Takes records that wait, while there is room for them; gives their number.
    fn take_records(&mut self) -> Result<u32, Silent> {
        let Run { steps, made, taken, .. } = &mut self.run;
        let room = (WAITING_STEPS_MAX - (*made - *taken)) as usize;
        // Places that lie one after another.
        let places = steps.get_mut((*made % WAITING_STEPS_MAX) as usize..).unwrap_or_default();
        let count = places.len().min(RECORDS_AT_ONCE).min(room);
        self.chip.ask(Space::TokensOut, 0, count);
        let mut places = places.iter_mut();
        let mut found = 0;
        for _ in 0..count {
            let [a, b, c, d, e, f, g, h, _] = self.chip.word();
            // A record that comes while words are read stands behind words that are none.
            if let Some(step) = Step::decode(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
                && let Some(place) = places.next()
            {
                let ([low, high], [a, b, c, d]) = (step.token.to_le_bytes(), step.cycles.to_le_bytes());
                *place = [low, high, a, b, c, d];
                found += 1;
            }
        }
        self.chip.heard()?;
        *made += found;
        self.feed(found as usize);
        Ok(found)
    }

    fn send_steps(&mut self) {
        let Run { number: run, made, sent, faults, saturations, .. } = self.run;
        // Steps that lie one after another.
        let begin = (sent % WAITING_STEPS_MAX) as usize;
        let end = begin + (made - sent).min(STEPS_A_FRAME as u32) as usize;
        let steps = self.run.steps.get(begin..end.min(WAITING_STEPS_MAX as usize)).unwrap_or_default();
        if !steps.is_empty() {
            let reply = Reply::Steps { run, first: sent, steps: steps.as_flattened() };
            self.outbox.add(&mut self.chip.board, 0, &reply);
            self.run.sent += steps.len() as u32;
        } else if !self.run.active && !self.run.end_sent {
            let reply = Reply::Ended { run, steps: made, faults, saturations };
            self.outbox.add(&mut self.chip.board, 0, &reply);
            self.run.end_sent = true;
        } else {
            return;
        }
        self.run.since_ticks = self.chip.board.ticks();
    }

    /// Sends again what the host has not acknowledged for a while.
    fn repeat(&mut self) {
        let patience = self.chip.board.clock_hz() / REPEATS_PER_SECOND;
        let waited = self.chip.board.ticks().wrapping_sub(self.run.since_ticks) > patience;
        if self.run.waits_for_host() && waited && self.run.repeats < REPEATS_MAX {
            self.run.repeats += 1;
            self.run.sent = self.run.taken;
            self.run.end_sent = false;
        }
    }
}

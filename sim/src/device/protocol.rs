//! The verbs of a device in terms of its host port: the only place where the protocol of registers is written.

use super::program::{Loaded, chip_words, dram_words, spread};
use super::{Device, DeviceError, HostPort, HostWord, Identity, RunRequest, Step, from_number, number_of};
use lpu_isa::host::{
    DRAM_WORD_BYTES, Fault, HOST_WORD_BYTES, IDENTITY, NO_TOKEN, Register, Space, TOKEN_QUEUE_WORDS, control,
    mode, status,
};
use lpu_isa::image::Image;
use std::collections::VecDeque;

/// Words of one command.
const COMMAND_WORDS_MAX: usize = 4096;
/// Prompt tokens sent ahead of the records received.
const PROMPT_AHEAD_TOKENS: usize = TOKEN_QUEUE_WORDS / 4;
/// Cycles without a record after which a run counts as dead: far more than any token takes.
const SILENCE_CYCLES_MAX: u64 = 1 << 26;
/// Polls between two looks at the cycle counter.
const POLLS_PER_LOOK: u32 = 256;

/// A device behind a host port.
#[derive(Clone, Debug)]
pub struct PortDevice<P> {
    port: P,
    loaded: Option<Loaded>,
    prompt: VecDeque<u16>,
    pause: bool,
    /// A step was handed out since the run started or went on: the run waits for `CONTINUE`.
    stepped: bool,
}

impl<P: HostPort> PortDevice<P> {
    /// A device behind this port.
    pub fn new(port: P) -> Self {
        Self { port, loaded: None, prompt: VecDeque::new(), pause: false, stepped: false }
    }

    /// The port.
    pub fn port(&mut self) -> &mut P {
        &mut self.port
    }

    /// Reads a register.
    pub fn register(&mut self, register: Register) -> Result<u64, DeviceError> {
        let words = self.port.read(Space::Registers, register as u32, 1)?;
        Ok(words.first().map_or(0, number_of))
    }

    /// Waits until a run that pauses has paused or ended.
    pub fn wait_for_pause(&mut self) -> Result<(), DeviceError> {
        self.settle().map(|_| ())
    }

    fn set(&mut self, register: Register, value: u64) -> Result<(), DeviceError> {
        self.port.write(Space::Registers, register as u32, &[from_number(value)])
    }

    fn write(&mut self, space: Space, address: usize, words: &[HostWord]) -> Result<(), DeviceError> {
        for (index, chunk) in words.chunks(COMMAND_WORDS_MAX).enumerate() {
            self.port.write(space, (address + index * COMMAND_WORDS_MAX) as u32, chunk)?;
        }
        Ok(())
    }

    /// Sends prompt tokens, as many as the chip's queue surely holds.
    fn send_prompt(&mut self, count: usize) -> Result<(), DeviceError> {
        let count = count.min(self.prompt.len());
        let words: Vec<HostWord> =
            self.prompt.drain(..count).map(|token| from_number(token.into())).collect();
        if words.is_empty() { Ok(()) } else { self.port.write(Space::TokensIn, 0, &words) }
    }

    fn record(&mut self) -> Result<Option<Step>, DeviceError> {
        let words = self.port.read(Space::TokensOut, 0, 1)?;
        Ok(words.first().and_then(|word| Step::decode(number_of(word))))
    }

    /// Waits until a question is answered, or the device has been silent for too long.
    fn poll<T>(
        &mut self,
        mut question: impl FnMut(&mut Self) -> Result<Option<T>, DeviceError>,
    ) -> Result<T, DeviceError> {
        let mut polls = 0;
        let mut begin = None;
        loop {
            if let Some(answer) = question(self)? {
                return Ok(answer);
            }
            polls += 1;
            if polls % POLLS_PER_LOOK == 0 {
                let now = self.register(Register::Cycles)?;
                let silent = now.wrapping_sub(*begin.get_or_insert(now));
                // A clock that stands still is a device that runs only when it is looked at: then polls count.
                if silent > SILENCE_CYCLES_MAX || u64::from(polls) > SILENCE_CYCLES_MAX {
                    return Err(DeviceError::Silent(silent));
                }
            }
        }
    }

    /// Waits until no token runs, and says whether the run is still active.
    fn settle(&mut self) -> Result<bool, DeviceError> {
        self.poll(|device| {
            let bits = device.register(Register::Status)?;
            let active = status::ACTIVE.is_set(bits);
            Ok((!active || status::PAUSED.is_set(bits)).then_some(active))
        })
    }

    fn stop(&mut self) -> Result<(), DeviceError> {
        self.set(Register::Control, control::STOP.mask() | control::CONTINUE.mask())?;
        self.poll(|device| {
            // Records are taken meanwhile: a run that waits for room could not end otherwise.
            device.record()?;
            let bits = device.register(Register::Status)?;
            Ok((bits & (status::ACTIVE.mask() | status::RUNNING.mask()) == 0).then_some(()))
        })?;
        self.prompt.clear();
        self.set(Register::Control, control::DISCARD.mask())
    }
}

impl<P: HostPort> Device for PortDevice<P> {
    fn identify(&mut self) -> Result<Identity, DeviceError> {
        let found = self.register(Register::Identity)?;
        if found != IDENTITY {
            return Err(DeviceError::NotAnLpu(found));
        }
        Ok(Identity {
            isa_hash: self.register(Register::IsaHash)?,
            geometry_hash: self.register(Register::GeometryHash)?,
            bitstream: self.register(Register::Bitstream)?,
        })
    }

    fn load(&mut self, image: &Image) -> Result<(), DeviceError> {
        self.identify()?.check(image)?;
        self.loaded = None;
        self.stop()?;
        for (space, words) in chip_words(image) {
            self.write(space, 0, &words)?;
        }
        for (index, bytes) in image.dram.chunks(COMMAND_WORDS_MAX * DRAM_WORD_BYTES).enumerate() {
            let address = (index * COMMAND_WORDS_MAX) as u32;
            self.port.write(Space::Dram, address, &dram_words(bytes))?;
        }
        self.set(Register::Faults, u64::from(u32::MAX))?;
        self.loaded = Some(Loaded::new(image));
        Ok(())
    }

    fn start(&mut self, request: &RunRequest) -> Result<(), DeviceError> {
        let loaded = self.loaded.as_ref().ok_or(DeviceError::NothingLoaded)?;
        let limit = loaded.limit(request)?;
        let scale = loaded.scale(request);
        if status::ACTIVE.is_set(self.register(Register::Status)?) {
            return Err(DeviceError::Busy);
        }
        let mode =
            mode::SAMPLE.put(request.sampling.is_some().into()) | mode::PAUSE.put(request.pause.into());
        let [stop, stop_too] = request.stop_tokens.map(|token| u64::from(token.unwrap_or(NO_TOKEN)));
        self.set(Register::Control, control::DISCARD.mask())?;
        for (register, value) in [
            (Register::StartPosition, request.start_position as u64),
            (Register::Limit, limit as u64),
            (Register::PromptLength, request.prompt.len() as u64),
            (Register::StopToken, stop),
            (Register::StopTokenToo, stop_too),
            (Register::Seed, spread(request.seed).into()),
            (Register::Mode, mode),
            (Register::InverseTemperature, scale.into()),
        ] {
            self.set(register, value)?;
        }
        self.prompt = request.prompt.iter().copied().collect();
        self.pause = request.pause;
        self.stepped = false;
        self.send_prompt(PROMPT_AHEAD_TOKENS)?;
        self.set(Register::Control, control::START.mask())
    }

    fn next_step(&mut self) -> Result<Option<Step>, DeviceError> {
        if self.pause && self.stepped && self.settle()? {
            self.set(Register::Control, control::CONTINUE.mask())?;
        }
        let step = self.poll(|device| {
            if let Some(step) = device.record()? {
                return Ok(Some(Some(step)));
            }
            if status::ACTIVE.is_set(device.register(Register::Status)?) {
                return Ok(None);
            }
            // The last record may have come between the two reads.
            device.record().map(Some)
        })?;
        self.stepped = step.is_some();
        if self.stepped {
            self.send_prompt(1)?;
        }
        Ok(step)
    }

    fn logits(&mut self) -> Result<Vec<i32>, DeviceError> {
        let loaded = self.loaded.as_ref().ok_or(DeviceError::NothingLoaded)?;
        let (space, parts) = loaded.logits_parts();
        if !self.pause && status::ACTIVE.is_set(self.register(Register::Status)?) {
            return Err(DeviceError::Busy);
        }
        self.settle()?;
        let mut read = Vec::with_capacity(parts.len());
        for (address, count) in parts {
            let mut bytes = Vec::with_capacity(count * HOST_WORD_BYTES);
            for begin in (0..count).step_by(COMMAND_WORDS_MAX) {
                let part = COMMAND_WORDS_MAX.min(count - begin);
                let words = self.port.read(space, (address + begin) as u32, part)?;
                bytes.extend_from_slice(words.as_flattened());
            }
            read.push(bytes);
        }
        Ok(self.loaded.as_ref().ok_or(DeviceError::NothingLoaded)?.logits(&read))
    }

    fn faults(&mut self) -> Result<Fault, DeviceError> {
        Ok(Fault(self.register(Register::Faults)? as u32))
    }

    fn saturations(&mut self) -> Result<u64, DeviceError> {
        self.register(Register::Saturations)
    }

    fn cancel(&mut self) -> Result<(), DeviceError> {
        self.stop()
    }
}

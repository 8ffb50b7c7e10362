//! The sequencer and the host port: registers, runs, prompt tokens, records.
//!
//! The chip runs beside its host; the emulator runs when the host looks. A read of a register or of the records executes
//! at most one token per word first, so that a host that polls sees a run go on, and equal commands always see equal answers.

use super::{Emulator, State};
use crate::device::{DeviceError, HostPort, HostWord, from_number, number_of};
use lpu_isa::Geometry;
use lpu_isa::arith::Scalar;
use lpu_isa::host::{
    DRAM_WORD_BYTES, Fault, IDENTITY, NO_TOKEN, Register, Space, Step, TOKEN_QUEUE_WORDS, control, mode,
    scale, status,
};
use lpu_isa::image;
use lpu_isa::instruction::{Queue, isa_hash};
use std::collections::VecDeque;

/// Registers that the host writes.
#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    start_position: u16,
    limit: u32,
    prompt_length: u32,
    stop_tokens: [u16; 2],
    seed: u32,
    sampling: bool,
    pause: bool,
}

/// A run in progress.
#[derive(Clone, Copy, Debug)]
struct Run {
    settings: Settings,
    steps: u32,
    paused: bool,
}

/// State of the sequencer.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequencer {
    settings: Settings,
    run: Option<Run>,
    position: usize,
    chosen: u16,
    prompt: VecDeque<u16>,
    records: VecDeque<Step>,
    cycles: u64,
}

impl Sequencer {
    fn waits_for_prompt(&self) -> bool {
        self.run.is_some_and(|run| run.steps < run.settings.prompt_length && self.prompt.is_empty())
    }

    fn waits_for_room(&self) -> bool {
        self.run.is_some() && self.records.len() >= TOKEN_QUEUE_WORDS
    }

    fn paused(&self) -> bool {
        self.run.is_some_and(|run| run.paused)
    }

    /// Whether the chip would be executing a token now.
    fn running(&self) -> bool {
        self.run.is_some() && !self.paused() && !self.waits_for_prompt() && !self.waits_for_room()
    }

    fn status(&self) -> u64 {
        status::RUNNING.put(self.running().into())
            | status::ACTIVE.put(self.run.is_some().into())
            | status::NEEDS_PROMPT.put(self.waits_for_prompt().into())
            | status::NEEDS_ROOM.put(self.waits_for_room().into())
            | status::PAUSED.put(self.paused().into())
            | status::POSITION.put(self.position as u64)
    }
}

impl Emulator {
    /// Executes the next token of the run if nothing holds it up.
    fn advance(&mut self) {
        let sequencer = &mut self.sequencer;
        let Some(run) = sequencer.run.filter(|_| sequencer.running()) else { return };
        let input = if run.steps < run.settings.prompt_length {
            sequencer.prompt.pop_front().unwrap_or_default()
        } else {
            sequencer.chosen
        };
        let position = sequencer.position;
        let executed = match self.recorded.take() {
            None => self.execute(input, position),
            Some(mut events) => {
                let executed = self.execute_traced(input, position, &mut events);
                self.recorded = Some(events);
                executed
            }
        };
        self.end_step(
            run,
            Step { token: executed.token, position: position as u16, cycles: executed.cycles as u32 },
        );
    }

    fn end_step(&mut self, mut run: Run, step: Step) {
        let positions = self.state.geometry.positions;
        let sequencer = &mut self.sequencer;
        sequencer.chosen = step.token;
        sequencer.cycles += u64::from(step.cycles);
        sequencer.records.push_back(step);
        sequencer.position += 1;
        run.steps += 1;
        let Settings { limit, prompt_length, stop_tokens, pause, .. } = run.settings;
        let stops = stop_tokens.iter().any(|&stop| stop != NO_TOKEN && stop == step.token);
        let over =
            run.steps >= limit || sequencer.position >= positions || (run.steps >= prompt_length && stops);
        run.paused = pause;
        sequencer.run = (!over).then_some(run);
    }

    fn control(&mut self, bits: u64) {
        if control::DISCARD.is_set(bits) {
            self.sequencer.prompt.clear();
            self.sequencer.records.clear();
        }
        if control::STOP.is_set(bits) {
            self.sequencer.run = None;
        }
        if let Some(run) = self.sequencer.run.as_mut().filter(|_| control::CONTINUE.is_set(bits)) {
            run.paused = false;
        }
        if control::START.is_set(bits) && self.sequencer.run.is_none() {
            let settings = self.sequencer.settings;
            self.decode();
            self.state.saturations = 0;
            self.state.noise.start(settings.seed, settings.sampling);
            self.sequencer.position = usize::from(settings.start_position);
            self.sequencer.run = Some(Run { settings, steps: 0, paused: false });
        }
    }

    fn write_register(&mut self, address: u32, value: u64) {
        let settings = &mut self.sequencer.settings;
        match Register::of(address) {
            Some(Register::Control) => self.control(value),
            Some(Register::Faults) => self.state.faults.0 &= !(value as u32),
            Some(Register::StartPosition) => settings.start_position = value as u16,
            Some(Register::Limit) => settings.limit = value as u32,
            Some(Register::PromptLength) => settings.prompt_length = value as u32,
            Some(Register::StopToken) => settings.stop_tokens[0] = value as u16,
            Some(Register::StopTokenToo) => settings.stop_tokens[1] = value as u16,
            Some(Register::Seed) => settings.seed = value as u32,
            Some(Register::Mode) => {
                settings.sampling = mode::SAMPLE.is_set(value);
                settings.pause = mode::PAUSE.is_set(value);
            }
            Some(Register::InverseTemperature) => {
                let mantissa = sign_extend(scale::MANTISSA.get(value), scale::MANTISSA.width);
                let exponent = scale::EXPONENT.get(value) as i32;
                self.state.inverse_temperature = Scalar { mantissa, exponent };
            }
            _ => {}
        }
    }

    fn read_register(&mut self, address: u32) -> u64 {
        self.advance();
        match Register::of(address) {
            Some(Register::Identity) => IDENTITY,
            Some(Register::IsaHash) => isa_hash(&self.state.geometry),
            Some(Register::GeometryHash) => self.state.geometry.hash(),
            Some(Register::Status) => self.sequencer.status(),
            Some(Register::Faults) => u64::from(self.state.faults.0),
            Some(Register::Cycles) => self.sequencer.cycles,
            Some(Register::Saturations) => self.state.saturations,
            _ => 0,
        }
    }

    fn write_word(&mut self, space: Space, address: usize, word: &HostWord) -> Option<()> {
        let state = &mut self.state;
        match space {
            Space::Registers => self.write_register(address as u32, number_of(word)),
            Space::Weights => {
                let lanes = state.weights.get_mut(address * 8..address * 8 + 8)?;
                for (lane, value) in lanes.iter_mut().zip(image::unpack(word, 9)) {
                    *lane = value as i16;
                }
            }
            Space::Kv => {
                state.kv_codes.get(address * 8..address * 8 + 8)?;
                for (lane, value) in image::unpack(word, 9).enumerate() {
                    state.set_kv(address * 8 + lane, value as i16);
                }
            }
            Space::Vmem => {
                let lanes = state.vmem.get_mut(address * 4..address * 4 + 4)?;
                for (lane, value) in lanes.iter_mut().zip(image::unpack(word, 18)) {
                    *lane = value;
                }
            }
            Space::MatrixQueue => self.write_part(Queue::Matrix, address, word)?,
            Space::VectorQueue => self.write_part(Queue::Vector, address, word)?,
            Space::TransferQueue => self.write_part(Queue::Transfer, address, word)?,
            Space::Dram => {
                self.dram_address(address)?;
                self.state.dram.write(address * DRAM_WORD_BYTES, &number_of(word).to_le_bytes());
            }
            Space::TokensIn => self.sequencer.prompt.push_back(number_of(word) as u16),
            Space::TokensOut => return None,
        }
        Some(())
    }

    fn read_word(&mut self, space: Space, address: usize) -> Option<HostWord> {
        let nines =
            |memory: &[i16]| Some(word_of(&image::pack_nines(memory.get(address * 8..address * 8 + 8)?)));
        match space {
            Space::Registers => Some(from_number(self.read_register(address as u32))),
            Space::Weights => nines(&self.state.weights),
            Space::Kv => nines(&self.state.kv_codes),
            Space::Vmem => {
                Some(word_of(&image::pack_words(self.state.vmem.get(address * 4..address * 4 + 4)?)))
            }
            Space::TokensOut => {
                if self.sequencer.records.is_empty() {
                    self.advance();
                }
                Some(from_number(self.sequencer.records.pop_front().map_or(0, Step::encode)))
            }
            Space::Dram => {
                self.dram_address(address)?;
                let State { dram, buffer, .. } = &mut self.state;
                let bytes = dram.read(address * DRAM_WORD_BYTES, DRAM_WORD_BYTES, buffer);
                Some(word_of_dram(bytes))
            }
            Space::MatrixQueue | Space::VectorQueue | Space::TransferQueue | Space::TokensIn => None,
        }
    }

    /// Writes a part of an instruction; parts that the queue does not store are ignored.
    fn write_part(&mut self, queue: Queue, address: usize, word: &HostWord) -> Option<()> {
        let instruction = self.words[queue as usize].get_mut(address / 8)?;
        if address % 8 < queue.parts() {
            instruction[address % 8] = number_of(word);
        }
        Some(())
    }

    /// Writes words of external memory at once; false where some are refused.
    fn write_dram(&mut self, address: usize, words: &[HostWord]) -> bool {
        let end = address + words.len();
        let admitted = end > address && !self.sequencer.running() && self.dram_address(end - 1).is_some();
        if admitted {
            let bytes: Vec<u8> = words.iter().flat_map(|word| number_of(word).to_le_bytes()).collect();
            self.state.dram.write(address * DRAM_WORD_BYTES, &bytes);
        }
        admitted
    }

    /// Whether external memory has a word.
    fn dram_address(&self, address: usize) -> Option<()> {
        let Geometry { dram_granules, .. } = self.state.geometry;
        let words = dram_granules * self.state.geometry.granule_bytes() / DRAM_WORD_BYTES;
        (address < words).then_some(())
    }

    /// Whether a space may be accessed now; a refusal is a fault.
    fn admits(&mut self, space: Space) -> bool {
        let always = matches!(space, Space::Registers | Space::TokensIn | Space::TokensOut);
        let admitted = always || !self.sequencer.running();
        if !admitted {
            self.state.raise(Fault::HOST_ACCESS);
        }
        admitted
    }
}

impl HostPort for Emulator {
    fn write(&mut self, space: Space, address: u32, words: &[HostWord]) -> Result<(), DeviceError> {
        if space == Space::Dram && self.write_dram(address as usize, words) {
            return Ok(());
        }
        for (index, word) in words.iter().enumerate() {
            if self.admits(space) && self.write_word(space, address as usize + index, word).is_none() {
                self.state.raise(Fault::HOST_ACCESS);
            }
        }
        Ok(())
    }

    fn read(&mut self, space: Space, address: u32, count: usize) -> Result<Vec<HostWord>, DeviceError> {
        let mut words = Vec::with_capacity(count);
        for index in 0..count {
            let word =
                if self.admits(space) { self.read_word(space, address as usize + index) } else { None };
            if word.is_none() {
                self.state.raise(Fault::HOST_ACCESS);
            }
            words.push(word.unwrap_or_default());
        }
        Ok(words)
    }
}

fn sign_extend(value: u64, bits: u32) -> i32 {
    let unused = 64 - bits;
    (((value << unused) as i64) >> unused) as i32
}

/// Eight bytes of external memory in the low bits of a word.
fn word_of_dram(bytes: &[u8]) -> HostWord {
    let mut word = HostWord::default();
    word[..bytes.len()].copy_from_slice(bytes);
    word
}

fn word_of(bytes: &[u8]) -> HostWord {
    bytes.first_chunk().copied().unwrap_or_default()
}

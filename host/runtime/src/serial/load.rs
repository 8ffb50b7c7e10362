//! Loading of a program in windows: many frames on their way at once, and on from where the board says.

use super::link::{Link, line_bytes};
use super::{Line, Progress};
use lpu_isa::hash::Fnv;
use lpu_isa::host::{HOST_WORD_BYTES, Space};
use lpu_isa::image::Image;
use lpu_isa::instruction::ISA_HASH;
use lpu_isa::link::{Refusal, Reply, Request, WORDS_MAX};
use lpu_isa::soc::checksum;
use lpu_sim::device::{DeviceError, HostWord, program_words};
use std::time::Duration;

/// Frames on their way at most: more than the answer of the first takes, even through an adapter that waits 16 ms.
const WINDOW_FRAMES: u32 = 24;
/// Times that a load may begin anew, after resets of the board.
const BEGINNINGS_MAX: u32 = 4;

/// A program as a row of words with numbers.
#[derive(Clone, Debug)]
pub struct Program {
    parts: Vec<(Space, Vec<HostWord>)>,
    geometry: u64,
    /// Names the program; never zero.
    pub name: u64,
    pub words: u32,
    checksum: u32,
}

impl Program {
    /// The program of an image.
    pub fn new(image: &Image) -> Self {
        let parts = program_words(image).to_vec();
        let all: Vec<u8> = parts.iter().flat_map(|(_, words)| words.as_flattened().iter().copied()).collect();
        let sizes = parts.iter().fold(Fnv::new(), |hash, (_, words)| hash.u64(words.len() as u64));
        let name = all.iter().fold(sizes, |hash, &byte| hash.u64(byte.into())).finish().max(1);
        let words = (all.len() / HOST_WORD_BYTES) as u32;
        Self { parts, geometry: image.geometry.hash(), name, words, checksum: checksum(&all) }
    }

    /// Space, address and words of the frame that begins with word `first`.
    fn window(&self, first: u32) -> Option<(Space, u32, &[u8])> {
        let mut skipped = first as usize;
        for (space, words) in &self.parts {
            if let Some(rest) = words.get(skipped..).filter(|rest| !rest.is_empty()) {
                let taken = &rest[..rest.len().min(WORDS_MAX)];
                return Some((*space, skipped as u32, taken.as_flattened()));
            }
            skipped -= words.len();
        }
        None
    }

    /// The frame that begins with word `first`, and the number of the word behind it.
    fn frame(&self, first: u32) -> Option<(Request<'_>, u32)> {
        let (space, address, words) = self.window(first)?;
        let next = first + (words.len() / HOST_WORD_BYTES) as u32;
        Some((Request::Load { first, space: space as u8, address, words }, next))
    }

    fn open(&self) -> Request<'static> {
        let &Self { geometry, name: program, words, checksum, .. } = self;
        Request::Open { isa: ISA_HASH, geometry, program, words, checksum }
    }
}

/// What a board's flash memory holds from [`lpu_isa::soc::FLASH_PROGRAM`] on, so that the board loads this program when it
/// starts.
///
/// # Errors
/// A frame is too long, which no image makes.
pub fn stored_program(image: &Image) -> Result<Vec<u8>, DeviceError> {
    let program = Program::new(image);
    let mut bytes = line_bytes(0, &program.open())?;
    let mut next = 0;
    while let Some((request, behind)) = program.frame(next) {
        bytes.extend(line_bytes(0, &request)?);
        next = behind;
    }
    Ok(bytes)
}

/// What the board has: words, whether something was lost, whether it is all.
type State = (u32, bool, bool);

fn state_of(reply: &Reply<'_>) -> Option<State> {
    match *reply {
        Reply::Loaded { words, again, done } => Some((words, again != 0, done != 0)),
        _ => None,
    }
}

/// Loads a program, unless it is there already; says whether it had to be.
pub fn load<L: Line>(
    link: &mut Link<L>,
    program: &Program,
    progress: &mut Progress<'_>,
) -> Result<bool, DeviceError> {
    for _ in 0..BEGINNINGS_MAX {
        let (words, _, done) = link.request(&program.open(), state_of)?;
        if done {
            return Ok(words_were_sent(progress));
        }
        progress.begin(words, program.words);
        if send_all(link, program, words, progress)? {
            return Ok(true);
        }
    }
    Err(DeviceError::Line(format!(
        "the board lost the program {BEGINNINGS_MAX} times: check its power and its cable"
    )))
}

fn words_were_sent(progress: &Progress<'_>) -> bool {
    progress.has_begun()
}

/// Sends words from number `first` on; false if the board wants the load to begin anew.
fn send_all<L: Line>(
    link: &mut Link<L>,
    program: &Program,
    first: u32,
    progress: &mut Progress<'_>,
) -> Result<bool, DeviceError> {
    let (mut had, mut next, mut on_their_way) = (first, first, 0u32);
    loop {
        while on_their_way < WINDOW_FRAMES
            && let Some((request, behind)) = program.frame(next)
        {
            let sequence = link.next_sequence();
            link.send(sequence, &request)?;
            next = behind;
            on_their_way += 1;
        }
        match answer(link)? {
            Answer::Has((_, _, true)) => {
                progress.reach(program.words);
                return Ok(true);
            }
            Answer::Has((words, again, _)) => {
                on_their_way = on_their_way.saturating_sub(1);
                if words > had {
                    had = words;
                    link.begin();
                    progress.reach(had);
                }
                if again {
                    (next, on_their_way) = (words, 0);
                }
            }
            Answer::Anew => return Ok(false),
            Answer::Nothing if link.is_over() => return Err(link.silence()),
            Answer::Nothing => (next, on_their_way) = (had, 0),
        }
    }
}

enum Answer {
    Has(State),
    Anew,
    Nothing,
}

fn answer<L: Line>(link: &mut Link<L>) -> Result<Answer, DeviceError> {
    let deadline: Duration = link.line.now() + link.interval();
    while let Some(frame) = link.frame(deadline)? {
        match Reply::decode(&frame) {
            Ok((_, Reply::Refused { code, .. }))
                if [Refusal::Program, Refusal::Checksum, Refusal::Address]
                    .map(|why| why as u8)
                    .contains(&code) =>
            {
                return Ok(Answer::Anew);
            }
            Ok((_, Reply::Refused { code, detail })) => return Err(super::link::Refused(code, detail).into()),
            Ok((_, reply)) => {
                if let Some(state) = state_of(&reply) {
                    return Ok(Answer::Has(state));
                }
            }
            Err(_) => {}
        }
    }
    Ok(Answer::Nothing)
}

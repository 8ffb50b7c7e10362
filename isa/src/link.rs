//! The serial link between a host and a board's firmware, defined once for both.
//!
//! ```text
//!  on the line:  COBS( version 1 │ kind 1 │ sequence 2 │ fields and data │ CRC-32 4 )  0
//! ```
//!
//! Numbers are little endian. A zero byte ends a frame and occurs nowhere else, so that a receiver that lost its place
//! finds the next frame. The CRC-32 covers everything before it. A frame that is damaged is dropped without an answer:
//! whoever waits asks again.
//!
//! A host sends [`Request`]s, each with a sequence number that its answer repeats. Every request may arrive twice without
//! harm. A board sends a [`Reply`] to each request, and [`Reply::Steps`] and [`Reply::Ended`] of its own accord, with
//! sequence number zero, until the host has acknowledged them with [`Request::Taken`].
//!
//! A program is loaded as a row of host words ([`crate::host`]) with running numbers, in as many frames as the host likes at
//! once: the board takes the next number that it expects, says so, and drops the rest, so that a load goes on where the
//! board's answer says, whatever was lost and whoever was killed.

/// Version of this protocol. Boards and hosts of different versions understand [`Request::Identify`] and its answer only.
pub const VERSION: u8 = 1;
/// Bits per second after a reset.
pub const RATE_DEFAULT: u32 = 115_200;
/// The fastest line, bits per second.
pub const RATE_MAX: u32 = 3_000_000;
/// Bits per byte on the line, with start and stop bit.
pub const LINE_BITS_PER_BYTE: u32 = 10;
/// Bytes before the fields: version, kind, sequence number.
pub const HEAD_BYTES: usize = 4;
/// Bytes of the checksum.
pub const CHECKSUM_BYTES: usize = 4;
/// Host words in one frame, at most.
pub const WORDS_MAX: usize = 56;
/// Bytes of a frame at most, checksum included, before COBS.
pub const FRAME_BYTES_MAX: usize =
    HEAD_BYTES + 16 + WORDS_MAX * crate::host::HOST_WORD_BYTES + CHECKSUM_BYTES;
/// Bytes of a frame on the line at most, with the closing zero.
pub const LINE_BYTES_MAX: usize = FRAME_BYTES_MAX + FRAME_BYTES_MAX / 254 + 2;
/// Bytes of one executed position in [`Reply::Steps`]: the token and its cycles. Positions follow one another.
pub const STEP_BYTES: usize = 6;
/// Steps in one frame, at most.
pub const STEPS_MAX: usize = 40;
/// Tokens of a prompt at most.
pub const PROMPT_TOKENS_MAX: usize = 512;
/// Bytes of the longest run of COBS, with its code.
const RUN_BYTES_MAX: usize = 255;
/// Words of one self-test of memory, at most: a board does not listen meanwhile.
pub const MARCH_WORDS_MAX: usize = 256;
/// [`Request::Start`]'s mode: add random numbers.
pub const MODE_SAMPLING: u8 = 1;
/// [`Request::Start`]'s mode: pause after every position.
pub const MODE_PAUSE: u8 = 2;
/// [`Request::Taken`]'s count of a host that has also seen the end.
pub const END_SEEN: u32 = u32::MAX;

/// A number in a frame.
trait Field: Sized {
    fn put(self, out: &mut Writer<'_>);
    fn get(bytes: &mut &[u8]) -> Option<Self>;
}

macro_rules! fields {
    ($($number:ty)+) => {$(
        impl Field for $number {
            fn put(self, out: &mut Writer<'_>) {
                out.bytes(&self.to_le_bytes());
            }
            fn get(bytes: &mut &[u8]) -> Option<Self> {
                let (first, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Self::from_le_bytes(*first))
            }
        }
    )+};
}
fields!(u8 u16 u32 u64);

/// Fills a buffer; what does not fit is counted and left out.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// Fills this buffer.
    pub fn new(out: &'a mut [u8]) -> Self {
        Self { out, length: 0 }
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if let Some(place) = self.out.get_mut(self.length..self.length + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self.length += bytes.len();
    }

    /// Bytes so far; `None` if they did not fit.
    pub fn finish(self) -> Option<usize> {
        (self.length <= self.out.len()).then_some(self.length)
    }
}

/// Lists messages, one line each: doc, name, kind, fields, and the name of the data that follow them if there are any.
macro_rules! messages {
    ($(#[doc = $top:literal])+ $messages:ident: $(
        $(#[doc = $doc:literal])+ $name:ident = $kind:literal { $($field:ident: $type:ty),* } $($data:ident)?;
    )+) => {
        $(#[doc = $top])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the fields of a message are explained with it")]
        pub enum $messages<'a> {
            $($(#[doc = $doc])+ $name { $($field: $type,)* $($data: &'a [u8])? },)+
        }

        impl<'a> $messages<'a> {
            /// Names and kinds.
            pub const KINDS: &'static [(&'static str, u8)] = &[$((stringify!($name), $kind)),+];

            fn put(&self, sequence: u16, out: &mut Writer<'_>) {
                match *self {
                    $(Self::$name { $($field,)* $($data)? } => {
                        out.bytes(&[VERSION, $kind]);
                        sequence.put(out);
                        $($field.put(out);)*
                        $(out.bytes($data);)?
                    })+
                }
            }

            /// The message of a frame without its checksum.
            #[allow(unused_mut, reason = "a message may have no fields")]
            fn get(kind: u8, fields: &'a [u8]) -> Result<Self, Refusal> {
                let mut rest = fields;
                let short = Refusal::Length;
                match kind {
                    $($kind => {
                        $(let $field = <$type as Field>::get(&mut rest).ok_or(short)?;)*
                        $(let $data = core::mem::take(&mut rest);)?
                        if rest.is_empty() { Ok(Self::$name { $($field,)* $($data)? }) } else { Err(short) }
                    })+
                    _ => Err(Refusal::Kind),
                }
            }

            /// Writes the frame without checksum; its length. `None` if `out` is too small.
            pub fn encode(&self, sequence: u16, out: &mut [u8]) -> Option<usize> {
                let mut writer = Writer::new(out);
                self.put(sequence, &mut writer);
                writer.finish()
            }

            /// The sequence number and the message of a frame without its checksum.
            ///
            /// # Errors
            /// Too short for a head (sequence number zero), another version, an unknown kind, a wrong length.
            pub fn decode(frame: &'a [u8]) -> Result<(u16, Self), (u16, Refusal)> {
                let Some((&[version, kind, low, high], fields)) = frame.split_first_chunk() else {
                    return Err((0, Refusal::Length));
                };
                let sequence = u16::from_le_bytes([low, high]);
                if version != VERSION && kind != IDENTIFY && kind != IDENTITY {
                    return Err((sequence, Refusal::Version));
                }
                Self::get(kind, fields).map(|message| (sequence, message)).map_err(|why| (sequence, why))
            }
        }
    };
}

/// Kind of [`Request::Identify`], the same in every version.
pub const IDENTIFY: u8 = 0x01;
/// Kind of [`Reply::Identity`], the same in every version.
pub const IDENTITY: u8 = 0x81;

messages! {
    /// What a host asks of a board.
    Request:
    /// Who are you? Answer: [`Reply::Identity`].
    Identify = 0x01 {};
    /// Begins a load, or goes on with it if it is this program's. The board ends a run in progress. Answer: [`Reply::Loaded`].
    Open = 0x02 { isa: u64, geometry: u64, program: u64, words: u32, checksum: u32 };
    /// Host words from number `first` of the program on, for `address` upward in a space. Answer: [`Reply::Loaded`].
    Load = 0x03 { first: u32, space: u8, address: u32 } words;
    /// Reads host words. Answer: [`Reply::Words`].
    Read = 0x04 { space: u8, address: u32, count: u16 };
    /// Clears fault flags. Answer: [`Reply::Done`].
    Clear = 0x05 { faults: u32 };
    /// Tokens of the next prompt, two bytes each, from token `first` on. Answer: [`Reply::Done`].
    Prompt = 0x06 { first: u16 } tokens;
    /// Starts run number `run` of the loaded program with the first `prompt` tokens of the prompt, unless it is the run in
    /// progress. Answer: [`Reply::Done`].
    Start = 0x07 { run: u32, program: u64, prompt: u16, limit: u16, start_position: u16, stop: u16, stop_too: u16,
        seed: u32, mode: u8, inverse_temperature: u32 };
    /// The host has the first `steps` steps of a run, or its end too ([`END_SEEN`]). `again` is one if something after them
    /// was lost. No answer but the steps that follow.
    Taken = 0x08 { run: u32, steps: u32, again: u8 };
    /// Lets a run that pauses execute position `step`, counted from its start. Answer: [`Reply::Done`].
    Continue = 0x09 { run: u32, step: u32 };
    /// Ends any run after its current token. Answer: [`Reply::Done`].
    Cancel = 0x0a {};
    /// Asks for another rate. The board answers [`Reply::Done`] at the old one, then changes; a board that hears nothing sound
    /// at a new rate, or noise at any, for a quarter of a second goes back to [`RATE_DEFAULT`].
    Rate = 0x0b { bits_per_second: u32 };
    /// Resets the firmware. Answer: [`Reply::Done`], before it does.
    Reset = 0x0c {};
    /// Tests memory by writing and reading patterns; its content, and with it the program, is lost. Answer: [`Reply::Marched`].
    March = 0x0d { space: u8, address: u32, count: u16 };
}

messages! {
    /// What a board says.
    Reply:
    /// The board. `program` is the loaded program, zero if there is none; `loading` is that of a load in progress, of which
    /// `words` words have come. `cause` is the reason of the last reset ([`cause`]).
    Identity = 0x81 { isa: u64, geometry: u64, bitstream: u64, program: u64, loading: u64, words: u32, cause: u32,
        rate_max: u32, clock_hz: u32 } version;
    /// The board has the first `words` words. `again` is one if something after them was lost, `done` if it has all of them
    /// and their checksum is right.
    Loaded = 0x82 { words: u32, again: u8, done: u8 };
    /// What a read found.
    Words = 0x84 { space: u8, address: u32 } words;
    /// It is done.
    Done = 0x85 {};
    /// Executed positions of a run, [`STEP_BYTES`] each, from step `first` on.
    Steps = 0x87 { run: u32, first: u32 } steps;
    /// A run is over after `steps` steps.
    Ended = 0x88 { run: u32, steps: u32, faults: u32, saturations: u64 };
    /// A test of memory found this many wrong words, the first at this address.
    Marched = 0x8d { wrong: u32, first: u32 };
    /// The request was refused, and nothing has changed. `detail` depends on the code ([`Refusal`]).
    Refused = 0x8f { code: u8, detail: u32 };
}

/// Lists refusals, one line each: doc, name, code, what a user reads.
macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal $text:literal;)+) => {
        /// Why a board refused a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Refusal {
            $($(#[doc = $doc])+ $name = $code,)+
        }

        impl Refusal {
            /// Every refusal with what it means and what to do.
            pub const TABLE: &'static [(Refusal, &'static str)] = &[$((Refusal::$name, $text)),+];

            /// The refusal with this code.
            pub fn from_code(code: u8) -> Option<Refusal> {
                Self::TABLE.iter().map(|entry| entry.0).find(|&refusal| refusal as u8 == code)
            }

            /// What it means and what to do.
            pub fn text(self) -> &'static str {
                Self::TABLE.iter().find(|entry| entry.0 == self).map_or("", |entry| entry.1)
            }
        }
    };
}

refusals! {
    /// The frame has another version. `detail` is the board's.
    Version = 1 "its firmware speaks another version of the protocol: build its bitstream again";
    /// The frame's length is not that of its kind.
    Length = 2 "the request has a wrong length";
    /// The kind is unknown.
    Kind = 3 "it does not know the request: build its bitstream again";
    /// The space is unknown, or cannot be used that way.
    Space = 4 "the request names a memory that it does not have";
    /// The address or the count is outside the space. `detail` is the space's size in words.
    Address = 5 "the request goes beyond the end of a memory";
    /// A run is in progress.
    Busy = 6 "a run is in progress: wait for it or cancel it";
    /// No program, or another one, is loaded.
    Program = 7 "the program is not loaded: load it first";
    /// The program is for another chip.
    OtherChip = 8 "the program is for another chip: compile the model for this board";
    /// The run's limits are outside what the chip counts, or it is another run.
    Run = 9 "the run's length or position is beyond what the chip counts";
    /// The rate is beyond what the board's clock can do. `detail` is the fastest.
    Rate = 10 "the line's rate is beyond what the board can do";
    /// All words came, and their checksum is wrong: the load begins anew.
    Checksum = 11 "the program's checksum is wrong: load it again";
    /// The chip behind the firmware did not answer.
    Chip = 12 "the chip does not answer its firmware: load the bitstream again";
}

/// Reasons of a reset, in [`Reply::Identity`].
pub mod cause {
    /// Power came on.
    pub const POWER: u32 = 0;
    /// A host asked for it.
    pub const ASKED: u32 = 1;
    /// The firmware met a state that cannot be.
    pub const PANIC: u32 = 2;
    /// The chip did not answer.
    pub const CHIP_SILENT: u32 = 3;
}

/// Encodes a frame for the line, with the closing zero; its length. `None` if `out` is too small.
pub fn to_line(frame: &[u8], out: &mut [u8]) -> Option<usize> {
    out.get_mut(1..=frame.len())?.copy_from_slice(frame);
    close_frame(out, frame.len())
}

/// Encodes a frame for the line where it stands, `length` bytes from the second one on, with the closing zero; its length then.
/// `None` if `out` is too small.
pub fn close_frame(out: &mut [u8], length: usize) -> Option<usize> {
    let (mut begin, mut end) = (0, length + 1);
    *out.get_mut(end)? = 0;
    while !put_codes(out.get_mut(begin..=end)?)? {
        // A run of 254 bytes closes without a zero: a code comes in between. The run is that of the code that is missing.
        while let code @ 1.. = *out.get(begin)? {
            begin += usize::from(code);
        }
        *out.get_mut(begin)? = RUN_BYTES_MAX as u8;
        begin += RUN_BYTES_MAX;
        end += 1;
        let mut moved = 0;
        for place in out.get_mut(begin..=end)? {
            moved = core::mem::replace(place, moved);
        }
    }
    Some(end + 1)
}

/// Puts codes into the first place and into those of zeros, each the way to the next zero, up to the last place, a zero that stays.
/// Ends with `false` at a way that is too long, and leaves a zero for its code.
fn put_codes(places: &mut [u8]) -> Option<bool> {
    let (place, places) = places.split_first_mut()?;
    *place = 0;
    let mut code = Code { place, way: 1 };
    // This is much of what a soft core does for a token: so a byte that is not zero is looked at, and that is all.
    let (fours, rest) = places.as_chunks_mut();
    for [a, b, c, d] in fours {
        if !(code.pass(a, 0) && code.pass(b, 1) && code.pass(c, 2) && code.pass(d, 3)) {
            return Some(false);
        }
        code.way = code.way.wrapping_add(4);
    }
    for place in rest {
        if !code.pass(place, 0) {
            return Some(false);
        }
        code.way = code.way.wrapping_add(1);
    }
    Some(true)
}

/// A code that is not known yet.
struct Code<'a> {
    place: &'a mut u8,
    /// From its place to the one that comes next.
    way: usize,
}

impl<'a> Code<'a> {
    /// Passes a place, `ahead` behind the one that comes next; whether the code fits its place.
    #[inline(always)]
    fn pass(&mut self, place: &'a mut u8, ahead: usize) -> bool {
        if *place == 0 {
            let way = self.way.wrapping_add(ahead);
            if way >= RUN_BYTES_MAX {
                return false;
            }
            *self.place = way as u8;
            *self = Self { place, way: 0usize.wrapping_sub(ahead) };
        }
        true
    }
}

/// Takes bytes of the line and gives whole frames; damaged ones vanish when their closing zero comes.
#[derive(Clone, Debug)]
pub struct FromLine {
    frame: [u8; FRAME_BYTES_MAX],
    length: usize,
    /// Bytes until the next code.
    left: u8,
    /// The last code stands for a zero after its bytes.
    zero: bool,
    /// The frame is longer than any can be.
    overflow: bool,
}

impl Default for FromLine {
    fn default() -> Self {
        Self::new()
    }
}

impl FromLine {
    /// A receiver at the beginning of a frame.
    pub const fn new() -> Self {
        Self { frame: [0; FRAME_BYTES_MAX], length: 0, left: 0, zero: false, overflow: false }
    }

    /// Takes a byte; the length of a frame that it ends, whose bytes [`FromLine::frame`] gives until the next call.
    #[inline]
    pub fn push(&mut self, byte: u8) -> Option<usize> {
        self.pull(1, || Some(byte)).1
    }

    /// Takes bytes until there are none, `most` have come, or a frame ends; gives their number, and the length of a frame that
    /// ended. The state of this loop stays in registers: a soft core has some thirty instructions for a byte.
    #[inline]
    pub fn pull(&mut self, most: usize, mut next: impl FnMut() -> Option<u8>) -> (usize, Option<usize>) {
        let (mut length, mut left, mut count) = (self.length, usize::from(self.left), 0);
        let mut ended = None;
        while count < most {
            let Some(byte) = next() else { break };
            count += 1;
            let zero_or_byte = if byte != 0 && left != 0 {
                left -= 1;
                byte
            } else if byte == 0 {
                ended = Some(left == 0);
                break;
            } else {
                let zero = core::mem::replace(&mut self.zero, byte != 255);
                left = usize::from(byte) - 1;
                if !zero {
                    continue;
                }
                0
            };
            match self.frame.get_mut(length) {
                Some(place) => {
                    *place = zero_or_byte;
                    length += 1;
                }
                None => self.overflow = true,
            }
        }
        (self.length, self.left) = (length, left as u8);
        (count, ended.and_then(|closed| self.end(closed)))
    }

    /// The closing zero came, behind a whole run of bytes or not; the frame's length if it can be one.
    fn end(&mut self, closed: bool) -> Option<usize> {
        let length = self.length;
        let whole = closed && !self.overflow && length >= HEAD_BYTES + CHECKSUM_BYTES;
        (self.length, self.left, self.zero, self.overflow) = (0, 0, false, false);
        whole.then_some(length)
    }

    /// The first bytes of the frame that ended with the last byte.
    pub fn frame(&self, length: usize) -> &[u8] {
        &self.frame[..length.min(FRAME_BYTES_MAX)]
    }
}

/// The frame without its checksum, if that is right.
pub fn checked(frame: &[u8], checksum: impl FnOnce(&[u8]) -> u32) -> Option<&[u8]> {
    let (content, sum) = frame.split_last_chunk::<CHECKSUM_BYTES>()?;
    (checksum(content) == u32::from_le_bytes(*sum)).then_some(content)
}

#[cfg(test)]
mod tests;

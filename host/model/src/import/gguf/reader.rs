//! The container of GGUF: facts by name, then tensors by name. Every count is held against the bytes that are left before
//! anything is allocated for it, so that a file cannot claim more than it has.

use crate::packed::{Format, Packed};
use bytes::Bytes;
use serde_json::Value;
use std::collections::HashMap;

pub const MAGIC: [u8; 4] = *b"GGUF";
const ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";
/// A tensor's entry has at least a name's length, a count of dimensions, a type and an offset; a fact has a length, a type, and
/// one byte.
const TENSOR_BYTES_MIN: usize = 8 + 4 + 4 + 8;
const FACT_BYTES_MIN: usize = 8 + 4 + 1;
const DIMENSIONS_MAX: u32 = 4;
/// A list that matters has an item for each layer.
const ITEMS_MAX: usize = 4096;

/// A fact about the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<'f> {
    Whole(u64),
    /// A negative whole number.
    Negative(i64),
    Real(f64),
    Flag(bool),
    Text(&'f str),
    Texts(Vec<&'f str>),
    Numbers(Vec<f32>),
    /// A list of numbers from 0 to 255, or of flags.
    Bytes(&'f [u8]),
}

impl Fact<'_> {
    /// The same as JSON, for messages and for rules that hold for every format; of long lists the beginning.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Whole(number) => (*number).into(),
            Self::Negative(number) => (*number).into(),
            Self::Real(number) => real(*number),
            Self::Flag(flag) => (*flag).into(),
            Self::Text(text) => (*text).into(),
            Self::Texts(all) => all.iter().take(ITEMS_MAX).map(|text| Value::from(*text)).collect(),
            Self::Numbers(all) => all.iter().take(ITEMS_MAX).map(|&number| real(number.into())).collect(),
            Self::Bytes(all) => all.iter().take(ITEMS_MAX).map(|&byte| Value::from(byte)).collect(),
        }
    }
}

/// JSON has no number for what is not finite.
fn real(number: f64) -> Value {
    // Whole numbers of lists are kept as floating point, and are shown as what they are.
    let whole = (number as i64) as f64 == number && number.abs() < 1e15;
    match whole {
        true => (number as i64).into(),
        false if number.is_finite() => number.into(),
        false => number.to_string().into(),
    }
}

/// Where a tensor lies.
#[derive(Clone, Debug)]
pub struct Place {
    /// Outermost dimension first.
    pub shape: Vec<usize>,
    pub packed: Packed,
}

/// A file taken apart.
pub struct Container<'f> {
    pub facts: HashMap<&'f str, Fact<'f>>,
    pub tensors: HashMap<&'f str, Place>,
}

struct Entry<'f> {
    name: &'f str,
    shape: Vec<usize>,
    format: &'static Format,
    offset: u64,
}

impl<'f> Container<'f> {
    /// # Errors
    /// What is wrong with the file, and where.
    pub fn parse(file: &'f Bytes) -> Result<Self, String> {
        let mut reader = Reader { file, at: 0 };
        reader.take(MAGIC.len(), "its magic number")?;
        let version = reader.u32("its version")?;
        if !(2..=3).contains(&version) {
            return Err(format!("this is GGUF version {version}; expected 2 or 3: convert the model again"));
        }
        let tensor_count = reader.count(TENSOR_BYTES_MIN, "tensors")?;
        let fact_count = reader.count(FACT_BYTES_MIN, "facts")?;
        let mut facts = HashMap::with_capacity(fact_count);
        for _ in 0..fact_count {
            let name = reader.text("the name of a fact")?;
            let kind = reader.u32(name)?;
            if facts.insert(name, reader.fact(kind, name)?).is_some() {
                return Err(format!("the fact {name} stands in the file twice"));
            }
        }
        let alignment = match facts.get(ALIGNMENT_KEY) {
            Some(Fact::Whole(alignment)) if alignment.is_power_of_two() && *alignment <= 1 << 20 => {
                *alignment
            }
            None => ALIGNMENT,
            Some(other) => {
                return Err(format!("{ALIGNMENT_KEY} is {}; expected a power of two", other.to_json()));
            }
        };
        let entries = (0..tensor_count).map(|_| reader.entry()).collect::<Result<Vec<_>, _>>()?;
        let data = (reader.at as u64).next_multiple_of(alignment);
        let mut tensors = HashMap::with_capacity(entries.len());
        for entry in entries {
            let name = entry.name;
            if tensors.insert(name, entry.place(data, file)?).is_some() {
                return Err(format!("the tensor {name} stands in the file twice"));
            }
        }
        Ok(Self { facts, tensors })
    }

    /// Adds the tensors of another part of the same model.
    ///
    /// # Errors
    /// When both parts hold a tensor.
    pub fn join(&mut self, other: Self) -> Result<(), String> {
        for (name, place) in other.tensors {
            if self.tensors.insert(name, place).is_some() {
                return Err(format!("the tensor {name} stands in another part, too; expected it once"));
            }
        }
        Ok(())
    }
}

impl Entry<'_> {
    fn place(self, data: u64, file: &Bytes) -> Result<Place, String> {
        let Self { name, shape, format, offset } = self;
        let (values, size) = (format.values, format.bytes);
        let row = shape.last().copied().unwrap_or(1);
        if !row.is_multiple_of(values) {
            return Err(format!(
                "the rows of the tensor {name} have {row} values; expected a multiple of {values}, a block of {}",
                format.name
            ));
        }
        let count = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        let bytes = count.and_then(|count| (count / values).checked_mul(size));
        let begin = data.checked_add(offset).and_then(|begin| usize::try_from(begin).ok());
        let end = begin.zip(bytes).and_then(|(begin, bytes)| begin.checked_add(bytes));
        match begin.zip(end).filter(|(_, end)| *end <= file.len()) {
            Some((begin, end)) => {
                Ok(Place { shape, packed: Packed { bytes: file.slice(begin..end), format } })
            }
            None => Err(format!(
                "the tensor {name} of shape {shape:?} lies outside the {} bytes of the file. \
                 It is truncated or damaged",
                file.len()
            )),
        }
    }
}

struct Reader<'f> {
    file: &'f [u8],
    at: usize,
}

impl<'f> Reader<'f> {
    fn take(&mut self, bytes: usize, part: &str) -> Result<&'f [u8], String> {
        let taken = self.file[self.at..].get(..bytes).ok_or_else(|| {
            format!("the file ends inside {part} after {} bytes. It is truncated", self.file.len())
        })?;
        self.at += bytes;
        Ok(taken)
    }

    fn number<const BYTES: usize>(&mut self, part: &str) -> Result<[u8; BYTES], String> {
        let bytes = self.take(BYTES, part)?;
        Ok(std::array::from_fn(|index| bytes[index]))
    }

    fn u32(&mut self, part: &str) -> Result<u32, String> {
        self.number(part).map(u32::from_le_bytes)
    }

    fn u64(&mut self, part: &str) -> Result<u64, String> {
        self.number(part).map(u64::from_le_bytes)
    }

    /// A number of things that have at least `bytes_min` bytes each.
    fn count(&mut self, bytes_min: usize, things: &str) -> Result<usize, String> {
        let found = self.u64(things)?;
        let most = (self.file.len() - self.at) / bytes_min;
        match usize::try_from(found) {
            Ok(count) if count <= most => Ok(count),
            _ => Err(format!(
                "the file claims {found} {things}; expected at most {most}, as its length allows. It is truncated or damaged"
            )),
        }
    }

    fn text(&mut self, part: &str) -> Result<&'f str, String> {
        let length = self.count(1, "bytes of a text")?;
        std::str::from_utf8(self.take(length, part)?)
            .map_err(|_| format!("{part} is not UTF-8. The file is damaged"))
    }

    fn fact(&mut self, kind: u32, name: &'f str) -> Result<Fact<'f>, String> {
        Ok(match kind {
            8 => Fact::Text(self.text(name)?),
            9 => self.list(name)?,
            7 => Fact::Flag(self.take(1, name)?[0] != 0),
            6 => Fact::Real(self.number(name).map(f32::from_le_bytes)?.into()),
            12 => Fact::Real(self.number(name).map(f64::from_le_bytes)?),
            0 | 2 | 4 | 10 => {
                let size = [1, 0, 2, 0, 4, 0, 0, 0, 0, 0, 8][kind as usize];
                let bytes = self.take(size, name)?;
                Fact::Whole(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
            }
            1 => signed(i64::from(self.number(name).map(i8::from_le_bytes)?)),
            3 => signed(i64::from(self.number(name).map(i16::from_le_bytes)?)),
            5 => signed(i64::from(self.number(name).map(i32::from_le_bytes)?)),
            11 => signed(self.number(name).map(i64::from_le_bytes)?),
            other => return Err(format!("the fact {name} has the unknown type {other}; expected 0 to 12")),
        })
    }

    fn list(&mut self, name: &'f str) -> Result<Fact<'f>, String> {
        let kind = self.u32(name)?;
        let size = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            other => {
                return Err(format!(
                    "the list {name} holds things of type {other}; expected numbers or texts"
                ));
            }
        };
        let count = self.count(size, "items of a list")?;
        if kind == 8 {
            return (0..count).map(|_| self.text(name)).collect::<Result<_, _>>().map(Fact::Texts);
        }
        let bytes = self.take(count * size, name)?;
        Ok(match kind {
            0 | 1 | 7 => Fact::Bytes(bytes),
            2 => Fact::Numbers(floats(bytes, |word| u16::from_le_bytes(word).into())),
            3 => Fact::Numbers(floats(bytes, |word| i16::from_le_bytes(word).into())),
            4 => Fact::Numbers(floats(bytes, |word| u32::from_le_bytes(word) as f32)),
            5 => Fact::Numbers(floats(bytes, |word| i32::from_le_bytes(word) as f32)),
            6 => Fact::Numbers(floats(bytes, f32::from_le_bytes)),
            10 => Fact::Numbers(floats(bytes, |word| u64::from_le_bytes(word) as f32)),
            11 => Fact::Numbers(floats(bytes, |word| i64::from_le_bytes(word) as f32)),
            _ => Fact::Numbers(floats(bytes, |word| f64::from_le_bytes(word) as f32)),
        })
    }

    fn entry(&mut self) -> Result<Entry<'f>, String> {
        let name = self.text("the name of a tensor")?;
        let dimensions = self.u32(name)?;
        if dimensions > DIMENSIONS_MAX {
            return Err(format!(
                "the tensor {name} has {dimensions} dimensions; expected at most {DIMENSIONS_MAX}"
            ));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let size = self.u64(name)?;
            shape.push(usize::try_from(size).map_err(|_| format!("the tensor {name} has a size of {size}"))?);
        }
        // The file has the innermost dimension first.
        shape.reverse();
        let kind = self.u32(name)?;
        let format = Format::of(kind).map_err(|found| {
            format!(
                "the tensor {name} has the format {found}, which is not supported; expected {}",
                Format::names()
            )
        })?;
        Ok(Entry { name, shape, format, offset: self.u64(name)? })
    }
}

fn signed<'f>(number: i64) -> Fact<'f> {
    u64::try_from(number).map_or(Fact::Negative(number), Fact::Whole)
}

/// The numbers in little-endian bytes.
fn floats<const BYTES: usize>(bytes: &[u8], number: impl Fn([u8; BYTES]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|word| number(*word)).collect()
}

//! JSON as other programs write it: behind a byte order mark, in UTF-16, or with the three numbers that Python adds.

use super::error::{About, ImportError};
use super::{file, recognise};
use crate::text;
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;

const JSON_BYTES_MAX: u64 = 16 << 20;
/// What Python writes for numbers that JSON does not have, and what is read in their place: the ends of the range, and a text
/// that no number can be mistaken for.
const NUMBERS: [(&str, &str); 3] =
    [("-Infinity", "-1.7976931348623157e308"), ("Infinity", "1.7976931348623157e308"), ("NaN", "\"NaN\"")];

/// Reads a file of JSON.
///
/// # Errors
/// When it cannot be read or is something else.
pub fn read(path: &Path) -> Result<Value, ImportError> {
    let bytes = file::read(path, JSON_BYTES_MAX)?;
    parse(&bytes).map_err(|reason| match recognise::foreign(&bytes).filter(|_| !begins_as_json(&bytes)) {
        Some(found) => found.refuse(path, "a JSON file"),
        None => About(path).damaged(format!("this is not valid JSON: {reason}")),
    })
}

/// [`read`], or null where there is no such file.
///
/// # Errors
/// As [`read`].
pub fn read_if_present(path: &Path) -> Result<Value, ImportError> {
    if path.exists() { read(path) } else { Ok(Value::Null) }
}

fn parse(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(&plain(bytes)).map_err(text::plain)
}

/// Whether a file begins with an object or a list.
pub fn begins_as_json(start: &[u8]) -> bool {
    text::decode(start).is_some_and(|text| text.trim_start().starts_with(['{', '[']))
}

/// The same JSON in UTF-8, without a byte order mark and without Python's numbers.
pub fn plain(bytes: &[u8]) -> Cow<'_, [u8]> {
    match text::decode(bytes) {
        Some(Cow::Borrowed(text)) => match without_python_numbers(text) {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
        Some(Cow::Owned(text)) => Cow::Owned(without_python_numbers(&text).into_owned().into_bytes()),
        None => Cow::Borrowed(bytes),
    }
}

/// Replaces Python's numbers wherever they stand outside of texts.
fn without_python_numbers(json: &str) -> Cow<'_, str> {
    if !NUMBERS.iter().any(|(name, _)| json.contains(name)) {
        return Cow::Borrowed(json);
    }
    let mut plain = String::with_capacity(json.len() + 64);
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let number = NUMBERS.iter().find(|(name, _)| rest.starts_with(name));
        let (taken, written) = match number {
            Some((name, value)) => (name.len(), *value),
            None if first == '"' => {
                let end = end_of_text(rest);
                (end, &rest[..end])
            }
            None => (first.len_utf8(), &rest[..first.len_utf8()]),
        };
        plain.push_str(written);
        rest = &rest[taken..];
    }
    Cow::Owned(plain)
}

/// Where the text that `json` begins with ends, its quotation marks included.
fn end_of_text(json: &str) -> usize {
    let mut escaped = false;
    let is_end = |(_, character): &(usize, char)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    };
    json.char_indices().skip(1).find(is_end).map_or(json.len(), |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_write_is_read() {
        let expected = serde_json::json!({"a": "NaN", "b": "x\"NaN\\", "c": [f64::MAX, f64::MIN, 1]});
        let json = r#"{"a": NaN, "b": "x\"NaN\\", "c": [Infinity, -Infinity, 1]}"#;
        let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}".encode_utf16().chain(json.encode_utf16()).flat_map(bytes).collect()
        };
        for bytes in [
            json.as_bytes().to_vec(),
            format!("\u{feff}{json}").into_bytes(),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
        ] {
            assert_eq!(parse(&bytes).unwrap(), expected);
        }
        assert!(parse(b"{\"a\": nan}").is_err());
        assert!(parse(b"\xff\xfe{").is_err());
    }
}

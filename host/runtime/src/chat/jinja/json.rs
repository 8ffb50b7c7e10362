//! Python's `json.dumps`, as chat templates call it through the filter `tojson`.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use std::fmt::Write;

/// The arguments of `tojson` in transformers, in this order or by name.
const NAMES: [&str; 4] = ["ensure_ascii", "indent", "separators", "sort_keys"];
/// Deeper values are no data: they would overflow the stack.
const DEPTH_MAX: usize = 200;

struct Style {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

/// The text of a value.
///
/// # Errors
/// When an argument is none of `json.dumps`, or the value is none that JSON has.
pub fn dumps(value: &Value, arguments: &[Value]) -> Result<String, Error> {
    let mut writer = Writer { text: String::new(), style: style(arguments)?, depth: 0 };
    writer.value(value)?;
    Ok(writer.text)
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("tojson: {}", reason.into()))
}

fn style(arguments: &[Value]) -> Result<Style, Error> {
    let (named, placed) = match arguments.split_last() {
        Some((last, before)) if last.is_kwargs() => (Some(Kwargs::try_from(last.clone())?), before),
        _ => (None, arguments),
    };
    if placed.len() > NAMES.len() {
        return Err(refuse(format!("expected at most {} arguments, found {}", NAMES.len(), placed.len())));
    }
    let argument = |index: usize| -> Result<Option<Value>, Error> {
        let name: Option<Value> = named.as_ref().map_or(Ok(None), |named| named.get(NAMES[index]))?;
        Ok(placed.get(index).cloned().or(name).filter(|value| !value.is_none()))
    };
    let indent = argument(1)?.map(|indent| spaces(&indent)).transpose()?;
    let (item_separator, key_separator) = match argument(2)? {
        Some(pair) => pair_of_texts(&pair)?,
        None => (if indent.is_some() { "," } else { ", " }.into(), ": ".into()),
    };
    let is_set = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let style = Style {
        ensure_ascii: is_set(argument(0)?),
        sort_keys: is_set(argument(3)?),
        indent,
        item_separator,
        key_separator,
    };
    named.map_or(Ok(()), |named| named.assert_all_used())?;
    Ok(style)
}

/// What stands in front of a line, once for each level: a text, or so many spaces.
fn spaces(indent: &Value) -> Result<String, Error> {
    if let Some(text) = indent.as_str() {
        return Ok(text.to_owned());
    }
    let count =
        if indent.kind() == ValueKind::Bool { Some(indent.is_true().into()) } else { indent.as_i64() };
    let count = count.filter(|count| *count < 1000).ok_or_else(|| refuse("indent is no small number"))?;
    Ok(" ".repeat(count.max(0) as usize))
}

fn pair_of_texts(pair: &Value) -> Result<(String, String), Error> {
    let texts: Vec<Value> = pair.try_iter()?.collect();
    match texts.as_slice() {
        [item, key] if item.as_str().is_some() && key.as_str().is_some() => {
            Ok((item.to_string(), key.to_string()))
        }
        _ => Err(refuse("expected separators to be two texts")),
    }
}

struct Writer {
    text: String,
    style: Style,
    depth: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self.text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.text.push_str(&number(value)?),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            // A slice of a list is lazy.
            ValueKind::Seq | ValueKind::Iterable => self.list(value)?,
            ValueKind::Map => self.object(value)?,
            other => return Err(refuse(format!("an {other} value is not JSON serializable"))),
        }
        Ok(())
    }

    fn list(&mut self, value: &Value) -> Result<(), Error> {
        self.begin('[')?;
        let mut is_empty = true;
        for item in value.try_iter()? {
            self.separate(is_empty);
            is_empty = false;
            self.value(&item)?;
        }
        self.end(']', is_empty);
        Ok(())
    }

    fn object(&mut self, value: &Value) -> Result<(), Error> {
        let mut entries = Vec::new();
        for key in value.try_iter()? {
            let item = value.get_item(&key)?;
            entries.push((name(&key)?, item));
        }
        if self.style.sort_keys {
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        self.begin('{')?;
        for (index, (key, item)) in entries.iter().enumerate() {
            self.separate(index == 0);
            self.string(key);
            self.text.push_str(&self.style.key_separator);
            self.value(item)?;
        }
        self.end('}', entries.is_empty());
        Ok(())
    }

    fn begin(&mut self, bracket: char) -> Result<(), Error> {
        self.text.push(bracket);
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(refuse("the value is nested too deeply")) } else { Ok(()) }
    }

    fn separate(&mut self, is_first: bool) {
        if !is_first {
            self.text.push_str(&self.style.item_separator);
        }
        self.line();
    }

    fn end(&mut self, bracket: char, is_empty: bool) {
        self.depth -= 1;
        if !is_empty {
            self.line();
        }
        self.text.push(bracket);
    }

    fn line(&mut self) {
        if let Some(indent) = &self.style.indent {
            self.text.push('\n');
            self.text.push_str(&indent.repeat(self.depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for character in text.chars() {
            self.character(character);
        }
        self.text.push('"');
    }

    fn character(&mut self, character: char) {
        match character {
            '"' => self.text.push_str("\\\""),
            '\\' => self.text.push_str("\\\\"),
            '\n' => self.text.push_str("\\n"),
            '\r' => self.text.push_str("\\r"),
            '\t' => self.text.push_str("\\t"),
            '\u{8}' => self.text.push_str("\\b"),
            '\u{c}' => self.text.push_str("\\f"),
            ' '..='~' => self.text.push(character),
            '\u{7f}'.. if !self.style.ensure_ascii => self.text.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(self.text, "\\u{unit:04x}").expect("a String takes everything");
                }
            }
        }
    }
}

/// A number as Python's `repr` has it.
fn number(value: &Value) -> Result<String, Error> {
    if value.is_integer() {
        return Ok(value.to_string());
    }
    let number = f64::try_from(value.clone())?;
    Ok(match number {
        _ if number.is_nan() => "NaN".into(),
        _ if number.is_infinite() => if number < 0.0 { "-Infinity" } else { "Infinity" }.into(),
        _ => repr(number),
    })
}

/// The shortest digits that name the number, with an exponent where Python writes one.
pub fn repr(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or_default() {
        exponent @ -4..16 => {
            let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i32) - exponent;
            format!("{number:.*}", decimals.max(1) as usize)
        }
        exponent => {
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
        }
    }
}

/// The name that `json.dumps` makes of a key.
fn name(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".into()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.into()),
        ValueKind::Number => number(key),
        other => Err(refuse(format!("a key must be a text or a number, not {other}"))),
    }
}

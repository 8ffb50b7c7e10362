//! Methods of Python's texts, lists and dictionaries that chat templates call and minijinja's own list lacks or takes otherwise.

use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// Wider texts are no prompts.
const WIDTH_MAX: usize = 1 << 16;
/// Where Python's `splitlines` ends a line, besides LF, CR and CR LF.
const LINE_ENDS: [char; 8] =
    ['\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

/// Calls a method of a text, a list or a dictionary.
pub fn call(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let found = match value.kind() {
        ValueKind::String => text(value.as_str().unwrap_or_default(), name, arguments)?,
        // A slice of a list is lazy.
        ValueKind::Seq | ValueKind::Iterable => list(value, name, arguments)?,
        ValueKind::Map => dictionary(value, name, arguments)?,
        _ => None,
    };
    match found {
        Some(value) => Ok(value),
        None => pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

/// White space as Python's `strip` has it.
pub fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

fn text(text: &str, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match name {
        "strip" | "lstrip" | "rstrip" => stripped(text, name, arguments)?.into(),
        "partition" | "rpartition" => partition(text, name, arguments)?,
        "rsplit" => rsplit(text, arguments)?,
        "splitlines" => split_lines(text, arguments)?,
        "removeprefix" | "removesuffix" => {
            let (affix,): (&str,) = from_args(arguments)?;
            let rest =
                if name == "removeprefix" { text.strip_prefix(affix) } else { text.strip_suffix(affix) };
            rest.unwrap_or(text).into()
        }
        "find" | "rfind" | "index" | "rindex" | "count" => search(text, name, arguments)?,
        "startswith" | "endswith" if arguments.len() > 1 => {
            let (affix, start, end): (&str, Option<i64>, Option<i64>) = from_args(arguments)?;
            let (_, part) = part(text, start, end);
            if name == "startswith" { part.starts_with(affix) } else { part.ends_with(affix) }.into()
        }
        "center" | "ljust" | "rjust" | "zfill" => padded(text, name, arguments)?.into(),
        "swapcase" => text.chars().flat_map(swapped).collect::<String>().into(),
        "casefold" => text.replace('ß', "ss").to_lowercase().into(),
        "expandtabs" => expanded(text, from_args::<(Option<usize>,)>(arguments)?.0.unwrap_or(8)).into(),
        "title" => title(text).into(),
        "isdigit" => (!text.is_empty() && text.chars().all(is_digit)).into(),
        "isdecimal" => (!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())).into(),
        "isidentifier" => {
            let is_part = |c: char| c == '_' || c.is_alphanumeric();
            (text.chars().all(is_part) && text.chars().next().is_some_and(|c| !c.is_numeric())).into()
        }
        _ => return Ok(None),
    }))
}

fn list(value: &Value, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    match name {
        "index" => {
            let (wanted,): (Value,) = from_args(arguments)?;
            let place = value.try_iter()?.position(|item| item == wanted);
            place.map(|place| Some(place.into())).ok_or_else(|| refuse(format!("{wanted} is not in list")))
        }
        "count" => {
            let (wanted,): (Value,) = from_args(arguments)?;
            Ok(Some(value.try_iter()?.filter(|item| *item == wanted).count().into()))
        }
        "copy" => Ok(Some(value.try_iter()?.collect())),
        "append" | "extend" | "insert" | "pop" | "remove" | "reverse" | "sort" | "clear" => {
            Err(refuse(format!("access to attribute '{name}' of 'list' object is unsafe.")))
        }
        _ => Ok(None),
    }
}

fn dictionary(value: &Value, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    match name {
        "copy" if arguments.is_empty() => Ok(Some(value.clone())),
        "update" | "pop" | "popitem" | "setdefault" | "clear" => {
            Err(refuse(format!("access to attribute '{name}' of 'dict' object is unsafe.")))
        }
        _ => Ok(None),
    }
}

fn stripped<'t>(text: &'t str, name: &str, arguments: &[Value]) -> Result<&'t str, Error> {
    let (characters,): (Option<&str>,) = from_args(arguments)?;
    let is_stripped = |c: char| characters.map_or_else(|| is_space(c), |all| all.contains(c));
    let text = if name == "rstrip" { text } else { text.trim_start_matches(is_stripped) };
    Ok(if name == "lstrip" { text } else { text.trim_end_matches(is_stripped) })
}

fn partition(text: &str, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let (separator,): (&str,) = from_args(arguments)?;
    if separator.is_empty() {
        return Err(refuse("empty separator"));
    }
    let parts = match name {
        "partition" => text.split_once(separator).map_or([text, "", ""], |(a, b)| [a, separator, b]),
        _ => text.rsplit_once(separator).map_or(["", "", text], |(a, b)| [a, separator, b]),
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from))))
}

fn rsplit(text: &str, arguments: &[Value]) -> Result<Value, Error> {
    let named = arguments.last().filter(|last| last.is_kwargs()).map(|last| Kwargs::try_from(last.clone()));
    let placed = &arguments[..arguments.len() - usize::from(named.is_some())];
    let (separator, mut most): (Option<&str>, Option<i64>) = from_args(placed)?;
    if let Some(named) = named.transpose()? {
        most = named.get::<Option<i64>>("maxsplit")?.or(most);
    }
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX - 1);
    let mut parts: Vec<&str> = match separator {
        Some("") => return Err(refuse("empty separator")),
        Some(separator) => text.rsplitn(most + 1, separator).collect(),
        None => rsplit_spaces(text, most),
    };
    parts.reverse();
    Ok(parts.into_iter().map(Value::from).collect())
}

/// Words from the end; what is left after `most` splits keeps its inner white space.
fn rsplit_spaces(text: &str, most: usize) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text.trim_end_matches(is_space));
    while !rest.is_empty() {
        let cut = rest.rfind(is_space).filter(|_| parts.len() < most);
        let Some(cut) = cut else {
            parts.push(rest);
            break;
        };
        let width = rest[cut..].chars().next().map_or(1, char::len_utf8);
        parts.push(&rest[cut + width..]);
        rest = rest[..cut].trim_end_matches(is_space);
    }
    parts
}

fn split_lines(text: &str, arguments: &[Value]) -> Result<Value, Error> {
    let (keep,): (Option<bool>,) = from_args(arguments)?;
    let (mut lines, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let end = rest.find(|c| matches!(c, '\n' | '\r') || LINE_ENDS.contains(&c)).unwrap_or(rest.len());
        let mark = match &rest[end..] {
            mark if mark.starts_with("\r\n") => 2,
            mark => mark.chars().next().map_or(0, char::len_utf8),
        };
        let kept = if keep.unwrap_or(false) { end + mark } else { end };
        lines.push(Value::from(&rest[..kept]));
        rest = &rest[end + mark..];
    }
    Ok(Value::from(lines))
}

/// The part of a text between two places as a slice names them, and the character that it begins at.
fn part(text: &str, start: Option<i64>, end: Option<i64>) -> (usize, &str) {
    let length = text.chars().count() as i64;
    let place = |at: i64| if at < 0 { (at + length).max(0) } else { at.min(length) } as usize;
    let (start, end) = (place(start.unwrap_or(0)), place(end.unwrap_or(length)));
    let byte = |place: usize| text.char_indices().nth(place).map_or(text.len(), |(byte, _)| byte);
    (start, if start < end { &text[byte(start)..byte(end)] } else { "" })
}

fn search(text: &str, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let (what, start, end): (&str, Option<i64>, Option<i64>) = from_args(arguments)?;
    let (start, part) = part(text, start, end);
    let found = match name {
        "count" => return Ok(part.matches(what).count().into()),
        "find" | "index" => part.find(what),
        _ => part.rfind(what),
    };
    match found {
        Some(byte) => Ok((start + part[..byte].chars().count()).into()),
        None if name.ends_with("index") => Err(refuse("substring not found")),
        None => Ok((-1).into()),
    }
}

fn padded(text: &str, name: &str, arguments: &[Value]) -> Result<String, Error> {
    let (width, fill): (usize, Option<&str>) = from_args(arguments)?;
    let fill = if name == "zfill" { "0" } else { fill.unwrap_or(" ") };
    if width > WIDTH_MAX || fill.chars().count() != 1 {
        return Err(refuse(format!("{name}: expected a width of at most {WIDTH_MAX} and one character")));
    }
    let missing = width.saturating_sub(text.chars().count());
    let left = match name {
        "ljust" => 0,
        // As CPython rounds it.
        "center" => missing / 2 + (missing & width & 1),
        _ => missing,
    };
    let signs = if name == "zfill" && text.starts_with(['-', '+']) { 1 } else { 0 };
    let (sign, digits) = text.split_at(signs);
    Ok(format!("{sign}{}{digits}{}", fill.repeat(left), fill.repeat(missing - left)))
}

/// The filter `center`, with the width that Jinja2 takes when none is given.
pub fn center(text: String, width: Option<usize>) -> Result<String, Error> {
    padded(&text, "center", &[width.unwrap_or(80).into()])
}

fn swapped(character: char) -> Vec<char> {
    match character.is_uppercase() {
        true => character.to_lowercase().collect(),
        false => character.to_uppercase().collect(),
    }
}

fn expanded(text: &str, size: usize) -> String {
    let (mut expanded, mut column) = (String::new(), 0);
    for character in text.chars() {
        match character {
            '\t' => {
                let spaces = (column..column + size).find(|at| (at + 1) % size.max(1) == 0);
                let spaces = spaces.map_or(0, |last| last + 1 - column);
                expanded.push_str(&" ".repeat(spaces));
                column += spaces;
            }
            _ => {
                column = if matches!(character, '\n' | '\r') { 0 } else { column + 1 };
                expanded.push(character);
            }
        }
    }
    expanded
}

/// Python's method begins a word after anything that is no letter.
fn title(text: &str) -> String {
    let (mut titled, mut is_inside) = (String::new(), false);
    for character in text.chars() {
        match is_inside {
            true => titled.extend(character.to_lowercase()),
            false => titled.extend(character.to_uppercase()),
        }
        is_inside = character.is_alphabetic();
    }
    titled
}

/// Digits, raised and lowered ones too; fractions are numeric, but no digits.
fn is_digit(character: char) -> bool {
    character.is_numeric()
        && !matches!(character, '¼'..='¾' | '\u{2150}'..='\u{218b}' | '\u{3007}'..='\u{3029}')
}

/// What a loop goes over in Python, and what has items there: texts, dictionaries and what is undefined, but not `none`.
pub fn is_iterable(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Undefined
    )
}

//! Texts of other programs: files with byte order marks, and messages of libraries in plain words. What serde says of a file
//! names types of Rust, which its writer does not know.

use std::borrow::Cow;

/// Whole words of Rust, and what is said for them.
const WORDS: &[(&str, &str)] = &[
    ("a sequence", "a list"),
    ("sequence", "a list"),
    ("a map", "an object"),
    ("map", "an object"),
    ("unit value", "nothing"),
    ("unit", "nothing"),
    ("a borrowed string", "a text"),
    ("floating point", "number"),
    ("f32", "a number"),
    ("f64", "a number"),
    ("usize", "a whole number"),
    ("isize", "a whole number"),
    ("u8", "a whole number"),
    ("u16", "a whole number"),
    ("u32", "a whole number"),
    ("u64", "a whole number"),
    ("i8", "a whole number"),
    ("i16", "a whole number"),
    ("i32", "a whole number"),
    ("i64", "a whole number"),
];
/// Kinds of type, with what is said for them and the name that follows.
const KINDS: [(&str, &str); 6] = [
    ("tuple struct ", "a list"),
    ("newtype struct ", "a value"),
    ("unit struct ", "nothing"),
    ("struct ", "an object"),
    ("data did not match any variant of untagged enum ", "it has none of the forms that it may have"),
    ("enum ", "one of the known names"),
];

/// The text of UTF-8 or, if a byte order mark says so, UTF-16; the mark is left out. `None` for other bytes.
pub fn decode(bytes: &[u8]) -> Option<Cow<'_, str>> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => std::str::from_utf8(rest).ok().map(Cow::Borrowed),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}

fn utf16(bytes: &[u8], number: fn([u8; 2]) -> u16) -> Option<Cow<'static, str>> {
    let (words, rest) = bytes.as_chunks();
    let text = char::decode_utf16(words.iter().map(|word| number(*word))).collect::<Result<String, _>>();
    text.ok().filter(|_| rest.is_empty()).map(Cow::Owned)
}

/// The message without the names of Rust's types.
pub fn plain(message: impl std::fmt::Display) -> String {
    let mut text = message.to_string();
    for (kind, said) in KINDS {
        while let Some(start) = text.find(kind) {
            let name = start + kind.len();
            let end = text[name..].find(|one: char| !one.is_alphanumeric() && one != '_');
            text.replace_range(start..end.map_or(text.len(), |end| name + end), said);
        }
    }
    WORDS.iter().fold(text, |text, (word, said)| replace_word(&text, word, said))
}

/// Replaces a word where it stands alone, not in quotation marks.
fn replace_word(text: &str, word: &str, said: &str) -> String {
    let is_edge = |one: Option<char>| one.is_none_or(|one| one == ' ' || one == ',' || one == '\n');
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let stands_alone = is_edge(before.chars().next_back()) && is_edge(after.chars().next());
        plain.push_str(before);
        plain.push_str(if stands_alone { said } else { word });
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_read_and_left_out() {
        assert_eq!(decode("\u{feff}é".as_bytes()).unwrap(), "é");
        assert_eq!(decode(b"\xff\xfe\xe9\0").unwrap(), "é");
        assert_eq!(decode(b"\xfe\xff\0\xe9").unwrap(), "é");
        assert_eq!((decode(b"\xff\xfe\xe9"), decode(b"\xe9")), (None, None));
    }

    #[test]
    fn types_become_words() {
        let cases = [
            (
                "invalid type: string \"u16\", expected u16",
                "invalid type: string \"u16\", expected a whole number",
            ),
            ("invalid type: map, expected a sequence", "invalid type: an object, expected a list"),
            ("expected struct TensorInfo with 3 elements", "expected an object with 3 elements"),
            (
                "data did not match any variant of untagged enum ModelWrapper at line 1 column 9",
                "it has none of the forms that it may have at line 1 column 9",
            ),
            ("unknown field `mapped`, expected `map`", "unknown field `mapped`, expected `map`"),
        ];
        for (message, expected) in cases {
            assert_eq!(plain(message), expected);
        }
    }
}

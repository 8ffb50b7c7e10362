//! Text that streams onto a terminal, broken between words.

use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal, Write};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A writer of text that comes in pieces. A word is written when its end is known to fit the line.
pub struct Wrapper<W> {
    out: W,
    /// Columns of a line; lines are not broken if there is no terminal.
    columns: Option<usize>,
    column: usize,
    spaces: String,
    word: String,
}

impl Wrapper<io::StdoutLock<'static>> {
    /// Standard output, as wide as its terminal.
    pub fn of_stdout() -> Self {
        let out = io::stdout();
        let size = out.is_terminal().then(|| tcgetwinsize(&out).ok()).flatten();
        let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        Self::new(out.lock(), columns)
    }
}

impl<W: Write> Wrapper<W> {
    fn new(out: W, columns: Option<usize>) -> Self {
        Self { out, columns, column: 0, spaces: String::new(), word: String::new() }
    }

    /// Writes a piece of text, but for a word that may go on.
    pub fn push(&mut self, text: &str) -> io::Result<()> {
        let Some(columns) = self.columns else {
            self.out.write_all(text.as_bytes())?;
            return self.out.flush();
        };
        for letter in text.chars() {
            match letter {
                '\n' => {
                    self.end_word()?;
                    self.out.write_all(b"\n")?;
                    (self.column, self.spaces) = (0, String::new());
                }
                ' ' | '\t' => {
                    self.end_word()?;
                    self.spaces.push(letter);
                }
                _ => {
                    // Lines of wide letters are broken anywhere, and so are words that fill a line.
                    let is_wide = letter.width() == Some(2);
                    if is_wide || self.word.width() >= columns {
                        self.end_word()?;
                    }
                    self.word.push(letter);
                    if is_wide {
                        self.end_word()?;
                    }
                }
            }
        }
        self.out.flush()
    }

    /// Writes what is left, and ends the line.
    pub fn finish(mut self) -> io::Result<()> {
        self.end_word()?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    fn end_word(&mut self) -> io::Result<()> {
        if self.word.is_empty() {
            return Ok(());
        }
        let spaces = self.spaces.width();
        let word = self.word.width();
        if self.column > 0 && self.columns.is_some_and(|columns| self.column + spaces + word > columns) {
            self.out.write_all(b"\n")?;
            self.column = 0;
        } else {
            self.out.write_all(self.spaces.as_bytes())?;
            self.column += spaces;
        }
        self.out.write_all(self.word.as_bytes())?;
        self.column += word;
        self.spaces.clear();
        self.word.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(columns: Option<usize>, pieces: &[&str]) -> String {
        let mut out = Vec::new();
        let mut wrapper = Wrapper::new(&mut out, columns);
        pieces.iter().try_for_each(|piece| wrapper.push(piece)).expect("memory takes all");
        wrapper.finish().expect("memory takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn lines_are_broken_between_words_wherever_the_pieces_end() {
        let text = "Once upon a time, there was  a cat.\n\nIt had a hat.";
        let expected = "Once upon\na time,\nthere was\na cat.\n\nIt had a\nhat.\n";
        assert_eq!(wrapped(Some(10), &[text]), expected);
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(wrapped(Some(10), &letters), expected);
    }

    #[test]
    fn long_words_and_wide_letters_are_broken_anywhere() {
        assert_eq!(wrapped(Some(4), &["a 0123456789"]), "a\n0123\n4567\n89\n");
        assert_eq!(wrapped(Some(4), &["日本語"]), "日本\n語\n");
    }

    #[test]
    fn without_a_terminal_nothing_is_changed() {
        assert_eq!(wrapped(None, &["a  b\t", "c "]), "a  b\tc \n");
    }
}

//! What Jinja2 reads and minijinja does not, said in words that both read. Texts outside of tags, comments, and strings inside of
//! tags stay as they are.
//!
//! | Jinja2, as transformers extends it | minijinja |
//! |---|---|
//! | `{% generation %}...{% endgeneration %}` | `{% with %}...{% endwith %}`: as there, names set inside are gone outside |
//! | `left % right`, of strings too | a call of the function [`PERCENT`] |
//! | CR and CR LF | LF |

/// The function that `%` becomes.
pub const PERCENT: &str = "__percent";

/// The rewritten source.
pub fn rewrite(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let (mut text, mut rest) = (String::with_capacity(source.len()), source.as_str());
    while let Some(at) = next_tag(rest) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match &rest[..2] {
            "{#" => rest.find("#}").map_or(rest.len(), |end| end + 2),
            kind => {
                let tag = Tag::read(rest, if kind == "{%" { "%}" } else { "}}" });
                text.push_str(&tag.rewritten());
                rest = &rest[tag.length..];
                if tag.name() == Some("raw") {
                    let raw = end_of_raw(rest);
                    text.push_str(&rest[..raw]);
                    rest = &rest[raw..];
                }
                continue;
            }
        };
        text.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    text.push_str(rest);
    text
}

fn next_tag(text: &str) -> Option<usize> {
    text.as_bytes().windows(2).position(|pair| matches!(pair, b"{%" | b"{{" | b"{#"))
}

/// Where the tag that ends a raw block begins.
fn end_of_raw(text: &str) -> usize {
    let ends = |at: usize| {
        let inside = text[at + 2..].trim_start_matches(['-', '+']).trim_start();
        inside.starts_with("endraw")
    };
    text.match_indices("{%").map(|(at, _)| at).find(|&at| ends(at)).unwrap_or(text.len())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Word,
    Literal,
    Open,
    Close,
    Operator,
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    /// White space in front, then the token.
    space: String,
    text: String,
}

/// A block or an expression with its delimiters.
struct Tag<'s> {
    begin: &'s str,
    tokens: Vec<Token>,
    end: &'s str,
    length: usize,
}

impl<'s> Tag<'s> {
    fn read(source: &'s str, delimiter: &str) -> Self {
        let begin = if source[2..].starts_with(['-', '+']) { 3 } else { 2 };
        let (mut tokens, mut at, mut open) = (Vec::new(), begin, 0usize);
        loop {
            let space = source[at..].len() - source[at..].trim_start().len();
            let rest = &source[at + space..];
            let sign = usize::from(rest.starts_with(['-', '+']));
            if rest.is_empty() || (open == 0 && rest[sign..].starts_with(delimiter)) {
                let length = (at + space + sign + 2).min(source.len());
                return Self { begin: &source[..begin], tokens, end: &source[at..length], length };
            }
            let (kind, length) = token(rest);
            match kind {
                Kind::Open => open += 1,
                Kind::Close => open = open.saturating_sub(1),
                _ => {}
            }
            let (space, text) = (source[at..at + space].to_owned(), rest[..length].to_owned());
            at += space.len() + length;
            tokens.push(Token { kind, space, text });
        }
    }

    /// The first word of a block.
    fn name(&self) -> Option<&str> {
        let first = self.tokens.first().filter(|_| self.begin.starts_with("{%"))?;
        Some(&first.text)
    }

    fn rewritten(&self) -> String {
        let mut tokens = self.tokens.clone();
        match self.name() {
            Some("generation") => tokens[0].text = "with".into(),
            Some("endgeneration") => tokens[0].text = "endwith".into(),
            _ => tokens = calls(tokens),
        }
        format!("{}{}{}", self.begin, text_of(&tokens), self.end)
    }
}

fn text_of(tokens: &[Token]) -> String {
    tokens.iter().flat_map(|token| [token.space.as_str(), token.text.as_str()]).collect()
}

/// Kind and bytes of the token that a text begins with.
fn token(text: &str) -> (Kind, usize) {
    let mut characters = text.chars();
    let first = characters.next().unwrap_or(' ');
    let run = |is_part: fn(char) -> bool| text.find(|c| !is_part(c)).unwrap_or(text.len());
    match first {
        '\'' | '"' => (Kind::Literal, string(text, first)),
        '(' | '[' | '{' => (Kind::Open, 1),
        ')' | ']' | '}' => (Kind::Close, 1),
        '0'..='9' => (Kind::Literal, number(text)),
        _ if first == '_' || first.is_alphabetic() => (Kind::Word, run(|c| c == '_' || c.is_alphanumeric())),
        _ => {
            let double = ["**", "//", "==", "!=", "<=", ">="].iter().any(|pair| text.starts_with(pair));
            (Kind::Operator, if double { 2 } else { first.len_utf8() })
        }
    }
}

/// Bytes of the string literal that a text begins with.
fn string(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Bytes of the number that a text begins with: `1`, `1.5`, `1e-3`, `0x1f`, `1_000`.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_part = |at: usize| {
        let after = |marks: &[u8]| at > 0 && marks.contains(&bytes[at - 1]);
        match bytes[at] {
            b'.' => bytes.get(at + 1).is_some_and(u8::is_ascii_digit),
            b'+' | b'-' => {
                after(b"eE") && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) && !text.starts_with("0x")
            }
            byte => byte.is_ascii_alphanumeric() || byte == b'_',
        }
    };
    (0..bytes.len()).find(|&at| !is_part(at)).unwrap_or(bytes.len())
}

/// Words that end an operand.
const WORDS: [&str; 12] = ["and", "or", "not", "in", "is", "if", "else", "elif", "set", "for", "do", "call"];

fn is_boundary(token: &Token) -> bool {
    match token.kind {
        Kind::Operator => !matches!(token.text.as_str(), "*" | "/" | "//" | "%" | "**" | "|" | "."),
        Kind::Word => WORDS.contains(&token.text.as_str()),
        _ => false,
    }
}

fn is_product(token: &Token) -> bool {
    token.kind == Kind::Operator && matches!(token.text.as_str(), "*" | "/" | "//" | "%")
}

/// Each `%` with its operands as a call. It binds as `*` does, so its left operand is the whole product before it and its right
/// one a single factor.
fn calls(mut tokens: Vec<Token>) -> Vec<Token> {
    while let Some(at) = tokens.iter().position(|token| token.kind == Kind::Operator && token.text == "%") {
        let (begin, end) = (left_end(&tokens, at), right_end(&tokens, at));
        if begin == at || end == at + 1 {
            // Not an expression: the parser says what is wrong with it.
            return tokens;
        }
        let left = text_of(&tokens[begin..at]);
        let right = text_of(&calls(tokens[at + 1..end].to_vec()));
        let space = tokens[begin].space.clone();
        let text = format!("{PERCENT}({}, {})", left.trim_start(), right.trim_start());
        tokens.splice(begin..end, [Token { kind: Kind::Literal, space, text }]);
    }
    tokens
}

/// Where the product begins that ends before `at`.
fn left_end(tokens: &[Token], at: usize) -> usize {
    let (mut begin, mut depth) = (at, 0usize);
    while let Some(before) = begin.checked_sub(1) {
        let token = &tokens[before];
        match token.kind {
            Kind::Close => depth += 1,
            Kind::Open if depth == 0 => break,
            Kind::Open => depth -= 1,
            _ if depth > 0 => {}
            Kind::Operator if matches!(token.text.as_str(), "-" | "+") && is_sign(tokens, before) => {}
            _ if is_attribute(tokens, before) => {}
            _ if is_boundary(token) => break,
            _ => {}
        }
        begin = before;
    }
    begin
}

/// Where the factor ends that begins after `at`.
fn right_end(tokens: &[Token], at: usize) -> usize {
    let (mut end, mut depth) = (at + 1, 0usize);
    while let Some(token) = tokens.get(end) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth == 0 => break,
            Kind::Close => depth -= 1,
            _ if depth > 0 => {}
            Kind::Operator if matches!(token.text.as_str(), "-" | "+") && is_sign(tokens, end) => {}
            _ if is_attribute(tokens, end) => {}
            _ if is_boundary(token) || is_product(token) => break,
            _ => {}
        }
        end += 1;
    }
    end
}

/// Whether a plus or minus has nothing at its left that it could be taken from.
fn is_sign(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| &tokens[before]);
    before.is_none_or(|token| match token.kind {
        Kind::Operator | Kind::Open => true,
        Kind::Word => is_boundary(token) && !is_attribute(tokens, at - 1),
        _ => false,
    })
}

/// Whether a word is the name after a dot or a bar, where no word is reserved.
fn is_attribute(tokens: &[Token], at: usize) -> bool {
    tokens[at].kind == Kind::Word
        && at > 0
        && tokens[at - 1].kind == Kind::Operator
        && matches!(tokens[at - 1].text.as_str(), "." | "|")
}

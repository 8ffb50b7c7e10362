//! Conversations: messages, and the template that turns them into one text.
//!
//! A model that was trained to chat brings its template in Jinja; [`Template::for_tokenizer`] takes it. One that was not gets
//! its messages one after the other, a line each.
//!
//! # Invariants
//! 1. A template that loops ends in an error: it may execute [`FUEL_MAX`] instructions and write [`TEXT_BYTES_MAX`] bytes.
//! 2. A template sees the messages and nothing else of this computer.

use crate::model::Tokenizer;
use crate::model::tokenizer::EncodeError;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::{Deserialize, Serialize};

/// Instructions of a template; the longest conversations take some ten thousand.
pub const FUEL_MAX: u64 = 2_000_000;
/// Bytes of a conversation's text.
pub const TEXT_BYTES_MAX: usize = 16 << 20;

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`, as the template knows them.
    pub role: String,
    pub content: String,
}

impl Message {
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error("the chat template is damaged: {reason}; name another one, or run the model without chat")]
    Template { reason: String },
    #[error("the chat template refuses this conversation: {reason}")]
    Refused { reason: String },
    #[error(
        "the chat template does not end within {FUEL_MAX} instructions and {TEXT_BYTES_MAX} bytes; \
         shorten the conversation or name another template"
    )]
    Endless,
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// How a conversation becomes a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    source: Option<String>,
    start: String,
    end: String,
}

impl Template {
    /// The tokenizer's own template, or plain lines if it has none.
    pub fn for_tokenizer(tokenizer: &Tokenizer) -> Self {
        Self {
            source: tokenizer.chat_template().map(Into::into),
            start: tokenizer.start_text(),
            end: tokenizer.end_text(),
        }
    }

    /// A template of the user's, with the texts that start and end a text.
    pub fn new(source: impl Into<String>, start: impl Into<String>, end: impl Into<String>) -> Self {
        Self { source: Some(source.into()), start: start.into(), end: end.into() }
    }

    /// Whether the model was trained to chat.
    pub fn is_trained(&self) -> bool {
        self.source.is_some()
    }

    /// The text that the model continues with the next answer.
    ///
    /// # Errors
    /// When the template is damaged, refuses the messages, or does not end.
    pub fn render(&self, messages: &[Message]) -> Result<String, ChatError> {
        let Some(source) = &self.source else { return Ok(lines(messages)) };
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL_MAX));
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the usual delimiters differ from one another"));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |reason: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, reason))
        });
        let template = environment
            .template_from_str(source)
            .map_err(|error| ChatError::Template { reason: error.to_string() })?;
        let facts = context! {
            messages => Serde(messages),
            add_generation_prompt => true,
            bos_token => self.start.as_str(),
            eos_token => self.end.as_str(),
        };
        let mut text = Bounded::default();
        let done = template.render_captured_to(facts, &mut text);
        match done {
            Ok(_) => Ok(String::from_utf8_lossy(&text.bytes).into_owned()),
            Err(_) if text.is_full => Err(ChatError::Endless),
            Err(error) if error.kind() == ErrorKind::OutOfFuel => Err(ChatError::Endless),
            Err(error) => Err(ChatError::Refused { reason: error.to_string() }),
        }
    }

    /// The ids of [`Template::render`]. A trained template writes the start itself where its model wants one; plain lines get the
    /// tokenizer's.
    ///
    /// # Errors
    /// As [`Template::render`], and when the vocabulary cannot say the text.
    pub fn encode(&self, tokenizer: &Tokenizer, messages: &[Message]) -> Result<Vec<u32>, ChatError> {
        let text = self.render(messages)?;
        match self.is_trained() {
            true => Ok(tokenizer.encode_plain(&text)?),
            false => Ok(tokenizer.encode(&text)?),
        }
    }
}

/// What models without a template get: stories are continued, not answered.
fn lines(messages: &[Message]) -> String {
    messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n")
}

/// Text that stops growing.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.is_full = self.bytes.len() + bytes.len() > TEXT_BYTES_MAX;
        if self.is_full {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHATML: &str = "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message.content.strip() }}\n\
                          {% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

    fn hello() -> Vec<Message> {
        vec![Message::new("system", "Be kind."), Message::new("user", " Hello ")]
    }

    #[test]
    fn a_template_writes_the_conversation() {
        let text = Template::new(CHATML, "<s>", "</s>").render(&hello()).unwrap();
        assert_eq!(text, "<s><|system|>Be kind.\n<|user|>Hello\n<|assistant|>");
    }

    #[test]
    fn a_template_that_loops_is_ended() {
        let endless = "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}";
        let error = Template::new(endless, "", "").render(&hello()).unwrap_err();
        assert!(matches!(error, ChatError::Endless), "{error}");
        let recursive = "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}";
        assert!(Template::new(recursive, "", "").render(&hello()).is_err());
        let grows = "{% set ns = namespace(s='0123456789abcdef') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}\
                     {{ ns.s }}{% endfor %}";
        let error = Template::new(grows, "", "").render(&hello()).unwrap_err();
        assert!(matches!(error, ChatError::Endless), "{error}");
    }

    #[test]
    fn a_template_says_why_it_refuses() {
        let strict = "{{ raise_exception('roles must alternate') }}";
        let error = Template::new(strict, "", "").render(&hello()).unwrap_err().to_string();
        assert!(error.contains("roles must alternate"), "{error}");
        let broken = Template::new("{% for %}", "", "").render(&hello()).unwrap_err();
        assert!(matches!(broken, ChatError::Template { .. }), "{broken}");
    }
}

//! Conversations: messages, and the template that turns them into one text.
//!
//! A model that was trained to chat brings its template in Jinja; [`Template::for_tokenizer`] takes it, and it is rendered as
//! Hugging Face's `transformers` renders it (`jinja/`). One that was not gets its messages one after the other, a line each.
//!
//! # Invariants
//! 1. A template that loops ends in an error: it may execute [`FUEL_MAX`] instructions and write [`TEXT_BYTES_MAX`] bytes.
//! 2. A template sees the messages and nothing else of this computer.

pub mod jinja;

use chrono::{Local, NaiveDateTime};
use jinja::{Failure, Limits};
use lpu_model::Tokenizer;
use lpu_model::tokenizer::EncodeError;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Instructions of a template; the longest conversations take some ten thousand.
pub const FUEL_MAX: u64 = 2_000_000;
/// Bytes of a conversation's text.
pub const TEXT_BYTES_MAX: usize = 16 << 20;
/// The template that transformers takes where several have names and no tools are used.
const DEFAULT: &str = "default";
/// What an answer holds while the template is asked what follows one. Templates trim answers and look for tags in them.
const ANSWER: &str = "lpu-answer";
/// Characters of the name of a token.
const NAME_CHARACTERS_MAX: usize = 64;

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
    #[error(
        "the chat template is damaged: {reason}; name another one with --chat-template, or run the model without chat"
    )]
    Template { reason: String },
    #[error("the chat template refuses this conversation: {reason}")]
    Refused { reason: String },
    #[error(
        "the chat template does not end within {FUEL_MAX} instructions and {TEXT_BYTES_MAX} bytes; \
         shorten the conversation or name another template"
    )]
    Endless,
    #[error(
        "the model has several chat templates and none of them is its default; \
         expected --chat-template with one of {names}, or a file"
    )]
    Undecided { names: String },
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// How a conversation becomes a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    source: Source,
    /// The texts that a template sees besides the messages, such as `bos_token`.
    special_tokens: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    /// The model was not trained to chat.
    Lines,
    Jinja(String),
    /// Several templates with names, and no default.
    Undecided(Vec<String>),
}

impl Template {
    /// The tokenizer's own template, or plain lines if it has none.
    pub fn for_tokenizer(tokenizer: &Tokenizer) -> Self {
        let mut templates = tokenizer.chat_templates();
        let source = match templates.remove(DEFAULT) {
            Some(template) => Source::Jinja(template),
            None if templates.is_empty() => Source::Lines,
            None => Source::Undecided(templates.into_keys().collect()),
        };
        Self { source, special_tokens: tokenizer.special_tokens() }
    }

    /// The tokenizer's template of this name.
    pub fn named(tokenizer: &Tokenizer, name: &str) -> Option<Self> {
        let template = tokenizer.chat_templates().remove(name)?;
        Some(Self::for_tokenizer(tokenizer).with_source(template))
    }

    /// A template of the user's, with the texts that start and end a text.
    pub fn new(source: impl Into<String>, start: impl Into<String>, end: impl Into<String>) -> Self {
        let special_tokens = [("bos_token".into(), start.into()), ("eos_token".into(), end.into())].into();
        Self { source: Source::Jinja(source.into()), special_tokens }
    }

    /// The same with another template.
    #[must_use]
    pub fn with_source(self, source: impl Into<String>) -> Self {
        Self { source: Source::Jinja(source.into()), ..self }
    }

    /// Whether the model was trained to chat.
    pub fn is_trained(&self) -> bool {
        self.source != Source::Lines
    }

    /// The text that the model continues with the next answer.
    ///
    /// # Errors
    /// When the template is damaged, refuses the messages, or does not end.
    pub fn render(&self, messages: &[Message]) -> Result<String, ChatError> {
        self.render_at(messages, true, Local::now().naive_local())
    }

    fn render_at(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        now: NaiveDateTime,
    ) -> Result<String, ChatError> {
        let source = match &self.source {
            Source::Jinja(source) => source,
            Source::Lines => return Ok(lines(messages)),
            Source::Undecided(names) => return Err(ChatError::Undecided { names: names.join(", ") }),
        };
        // What transformers passes whatever the conversation is: a variable that is none is another thing than an undefined one.
        let variables = context! {
            messages => Serde(messages),
            tools => Value::from(()),
            documents => Value::from(()),
            add_generation_prompt,
            ..Value::from_pairs(self.special_tokens.clone())
        };
        let limits = Limits { fuel: FUEL_MAX, text_bytes: TEXT_BYTES_MAX };
        jinja::render(source, variables, now, limits).map_err(|failure| match failure {
            Failure::Syntax(reason) => ChatError::Template { reason },
            Failure::Raised(reason) => ChatError::Refused { reason },
            Failure::Endless => ChatError::Endless,
        })
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

    /// The tokenizer, which from now on also ends an answer at the token that this template writes after one.
    #[must_use]
    pub fn with_turn_end(&self, tokenizer: Tokenizer) -> Tokenizer {
        match self.turn_end(&tokenizer) {
            Some(id) => tokenizer.with_end(id),
            None => tokenizer,
        }
    }

    /// The token that the template writes after an answer, if it is one: a piece in brackets, as `<|im_end|>`.
    fn turn_end(&self, tokenizer: &Tokenizer) -> Option<u32> {
        let Source::Jinja(_) = &self.source else { return None };
        let messages = [Message::new("user", "?"), Message::new("assistant", ANSWER)];
        let text = self.render_at(&messages, false, Local::now().naive_local()).ok()?;
        let after = text[text.rfind(ANSWER)? + ANSWER.len()..].trim_start();
        if !after.starts_with(['<', '[', '{']) {
            return None;
        }
        let ends =
            after.char_indices().take(NAME_CHARACTERS_MAX).map(|(at, character)| at + character.len_utf8());
        ends.skip(2).filter_map(|end| tokenizer.id_of(&after[..end])).last()
    }
}

/// What models without a template get: stories are continued, not answered.
fn lines(messages: &[Message]) -> String {
    messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_model::tokenizer::{Facts, Vocabulary, hugging_face};

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

    const NAMES: &str = "{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}";

    #[test]
    fn variables_are_none_or_undefined_as_in_transformers() {
        let asks = "{{ tools is none }} {{ tools is defined }} {{ documents is none }} {{ pad_token is defined }}[{{ pad_token }}]";
        assert_eq!(Template::new(asks, "", "").render(&[]).unwrap(), "True True True False[]");
    }

    #[test]
    fn a_model_without_a_start_gives_its_template_none() {
        let tokenizer = tokenizer("", Some("{{ bos_token }}|{{ bos_token is defined }}|{{ eos_token }}"));
        assert_eq!(Template::for_tokenizer(&tokenizer).render(&[]).unwrap(), "|False|</s>");
    }

    #[test]
    fn several_templates_without_a_default_are_named() {
        let tokenizer = tokenizer("rag", Some(NAMES));
        let error = Template::for_tokenizer(&tokenizer).render(&hello()).unwrap_err().to_string();
        assert!(error.contains("expected --chat-template with one of rag"), "{error}");
        let template = Template::named(&tokenizer, "rag").unwrap();
        assert!(template.render(&hello()).unwrap().starts_with("system:Be kind.\n"));
        assert!(Template::named(&tokenizer, "default").is_none());
    }

    #[test]
    fn an_answer_ends_where_the_template_ends_it() {
        let ends = "{% for m in messages %}{{ m.content }} <turn>\n{% endfor %}";
        let tokenizer = tokenizer("default", Some(ends));
        assert!(!tokenizer.is_end(3));
        let template = Template::for_tokenizer(&tokenizer);
        assert!(template.with_turn_end(tokenizer.clone()).is_end(3));
        let plain = template.with_source(NAMES);
        assert_eq!(plain.with_turn_end(tokenizer.clone()).ends(), tokenizer.ends());
    }

    /// A vocabulary of four pieces without a start.
    fn tokenizer(name: &str, template: Option<&str>) -> Tokenizer {
        let vocab = serde_json::json!({ "a": 0, "</s>": 1, "b": 2, "<turn>": 3 });
        let model = serde_json::json!({ "type": "BPE", "vocab": vocab, "merges": [] });
        let file = serde_json::json!({ "version": "1.0", "added_tokens": [], "model": model }).to_string();
        let name = if name.is_empty() { DEFAULT } else { name };
        let facts = Facts {
            chat_templates: template
                .map(|template| (name.to_owned(), template.to_owned()))
                .into_iter()
                .collect(),
            special_tokens: Some([("eos_token".into(), "</s>".into())].into()),
            ..Facts::default()
        };
        Vocabulary::from(hugging_face::read(file.as_bytes()).unwrap()).with(facts).unwrap()
    }
}

//! Which fields a request may have, and what becomes of each: one table a route, which reading, messages and tests walk.
//!
//! A documented field at null, or at a value that changes nothing, is as good as absent. What would change the answer and cannot
//! be honoured is refused, and so is a field that nobody documents. Messages name a field by its path in the request.

mod tables;

pub use tables::{CHAT, COMPLETIONS, GENERATE, ROUTES, TOKENIZE};

use super::error::ApiError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

/// Characters of a wrong value that a message shows.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// Groups of fields: what routes share is written once.
pub type Fields = &'static [&'static [Field]];

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The request has no meaning without it.
    Required,
    Honoured,
    /// Only the neutral values are accepted: any other would change the answer, and cannot be honoured.
    Fixed,
    /// No value changes an answer.
    Free,
}

/// A documented field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    /// Ends the sentence "expected ...".
    pub expected: &'static str,
    pub rule: Rule,
    /// Values in JSON that change nothing, beside null and absence.
    pub neutral: &'static [&'static str],
    /// Fields of the object, or of each object in the list, that stands here.
    pub members: Fields,
}

impl Field {
    const fn new(name: &'static str, rule: Rule, expected: &'static str) -> Self {
        Self { name, expected, rule, neutral: &[], members: &[] }
    }

    const fn neutral(self, neutral: &'static [&'static str]) -> Self {
        Self { neutral, ..self }
    }

    const fn members(self, members: Fields) -> Self {
        Self { members, ..self }
    }

    fn is_neutral(&self, value: &Value) -> bool {
        self.neutral_values().any(|neutral| match (neutral.as_f64(), value.as_f64()) {
            (Some(neutral), Some(value)) => neutral == value,
            _ => neutral == *value,
        })
    }

    /// The neutral values, read.
    pub fn neutral_values(&self) -> impl Iterator<Item = Value> {
        self.neutral.iter().filter_map(|text| serde_json::from_str(text).ok())
    }

    /// Whether the value is left for the request's type to read.
    fn settle(&self, value: &mut Value, place: &str) -> Result<bool, ApiError> {
        match self.rule {
            _ if value.is_null() => Ok(false),
            Rule::Free => Ok(false),
            Rule::Fixed if self.is_neutral(value) => Ok(false),
            Rule::Fixed => Err(ApiError::unsupported(place, self.expected)),
            Rule::Required | Rule::Honoured => self.settle_members(value, place).map(|()| true),
        }
    }

    fn settle_members(&self, value: &mut Value, place: &str) -> Result<(), ApiError> {
        match value {
            _ if self.members.is_empty() => Ok(()),
            Value::Object(object) => settle(object, self.members, place),
            Value::Array(list) => list.iter_mut().enumerate().try_for_each(|(index, item)| match item {
                Value::Object(object) => settle(object, self.members, &format!("{place}[{index}]")),
                _ => Ok(()),
            }),
            _ => Ok(()),
        }
    }
}

fn named(fields: Fields, name: &str) -> Option<&'static Field> {
    fields.iter().copied().flatten().find(|field| field.name == name)
}

fn member(place: &str, name: &str) -> String {
    if place.is_empty() { name.into() } else { format!("{place}.{name}") }
}

/// Takes out of an object what changes nothing.
///
/// # Errors
/// When a field is missing, unknown, or cannot be honoured.
pub fn settle(object: &mut Map<String, Value>, fields: Fields, place: &str) -> Result<(), ApiError> {
    let mut kept = Map::new();
    for (name, mut value) in std::mem::take(object) {
        let place = member(place, &name);
        let field = named(fields, &name).ok_or_else(|| {
            let message = format!("unknown field `{place}`; see /docs for the fields of this route");
            ApiError::invalid(&place, message).code("unknown_parameter")
        })?;
        if field.settle(&mut value, &place)? {
            kept.insert(name, value);
        }
    }
    *object = kept;
    need(object, fields, place)
}

fn need(object: &Map<String, Value>, fields: Fields, place: &str) -> Result<(), ApiError> {
    let mut required = fields.iter().copied().flatten().filter(|field| field.rule == Rule::Required);
    let Some(missing) = required.find(|field| !object.contains_key(field.name)) else { return Ok(()) };
    let place = member(place, missing.name);
    let message = format!("`{place}` is missing; expected {}", missing.expected);
    Err(ApiError::invalid(&place, message).code("missing_required_parameter"))
}

/// A settled request, or the part of it that a type knows.
pub fn typed<T: DeserializeOwned>(value: &Value, fields: Fields) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| wrong(value, fields, error.path().iter()))
}

/// A value of another type than its field has. Fields inside maps and lists are described by what encloses them.
fn wrong<'a>(value: &Value, fields: Fields, path: impl Iterator<Item = &'a Segment>) -> ApiError {
    let (mut value, mut members, mut place) = (value, fields, String::new());
    let mut expected = "an object of the fields that /docs lists";
    for segment in path {
        let inner = match segment {
            Segment::Map { key } => {
                if let Some(field) = named(members, key) {
                    (expected, members) = (field.expected, field.members);
                }
                place = member(&place, key);
                value.get(key)
            }
            Segment::Seq { index } => {
                place = format!("{place}[{index}]");
                value.get(index)
            }
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        value = inner.unwrap_or(value);
    }
    ApiError::invalid(&place, format!("`{place}` is {}; expected {expected}", shown(value)))
}

/// A value in a message, cut short.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    fn settled(value: Value, fields: Fields) -> Result<Value, (Option<String>, String)> {
        let Value::Object(mut object) = value else { panic!("an object") };
        settle(&mut object, fields, "").map_err(|error| (error.param, error.message))?;
        Ok(Value::Object(object))
    }

    #[test]
    fn neutral_values_are_json_and_names_are_unique() {
        fn check(fields: Fields) {
            let mut names: Vec<&str> = fields.iter().copied().flatten().map(|field| field.name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
            for field in fields.iter().copied().flatten() {
                assert_eq!(field.neutral_values().count(), field.neutral.len(), "{}", field.name);
                check(field.members);
            }
        }
        ROUTES.iter().for_each(|(_, fields)| check(fields));
    }

    #[test]
    fn what_changes_nothing_is_taken_out() {
        let asked = json!({
            "messages": [{"role": "user", "content": "a", "name": "b", "tool_calls": null}],
            "tools": [], "tool_choice": "none", "store": false, "metadata": {"a": "b"}, "temperature": null,
            "stream_options": {"include_usage": true, "include_obfuscation": false},
        });
        let expected = json!({
            "messages": [{"role": "user", "content": "a"}], "stream_options": {"include_usage": true},
        });
        assert_eq!(settled(asked, CHAT), Ok(expected));
        let asked =
            json!({"inputs": "a", "parameters": {"typical_p": 1, "watermark": false, "grammar": null}});
        assert_eq!(settled(asked, GENERATE), Ok(json!({"inputs": "a", "parameters": {}})));
    }

    #[test]
    fn what_cannot_be_honoured_is_named_by_its_path() {
        let refused = |value: Value| settled(value, CHAT).expect_err("it is refused");
        let message = json!({"role": "user", "content": "a"});
        let (param, told) = refused(json!({"messages": [message, {"content": "a"}]}));
        assert_eq!(param.as_deref(), Some("messages[1].role"), "{told}");
        let (_, told) = refused(json!({"messages": [message], "stream_options": {"usage": 1}}));
        assert_eq!(told, "unknown field `stream_options.usage`; see /docs for the fields of this route");
        let (param, told) = refused(json!({"messages": [message], "tools": [{"type": "function"}]}));
        assert_eq!(param.as_deref(), Some("tools"));
        assert_eq!(told, "`tools` is not supported here; expected an empty list, or leave it out");
    }

    #[test]
    fn values_of_other_types_are_shown_with_what_was_expected() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only reading is tried")]
        struct Part {
            temperature: Option<f64>,
            logit_bias: Option<std::collections::BTreeMap<String, f64>>,
        }
        let told = |value: Value| typed::<Part>(&value, CHAT).expect_err("it is refused");
        let error = told(json!({"temperature": "hot"}));
        assert_eq!(error.message, "`temperature` is \"hot\"; expected a number from 0 to 2");
        let error = told(json!({"logit_bias": {"5": "x".repeat(99)}}));
        assert_eq!(error.param.as_deref(), Some("logit_bias.5"));
        let expected = "expected an object of token numbers to numbers from -100 to 100";
        assert_eq!(error.message, format!("`logit_bias.5` is \"{}...; {expected}", "x".repeat(59)));
    }
}

//! Chat templates against Jinja2 as transformers sets it up (`goldens/templates.py`).

use chrono::{NaiveDate, NaiveDateTime};
use lpu_runtime::chat::jinja::{self, Limits};
use minijinja::Value;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const LIMITS: Limits =
    Limits { fuel: lpu_runtime::chat::FUEL_MAX, text_bytes: lpu_runtime::chat::TEXT_BYTES_MAX };
const TEMPLATES_MIN: usize = 30;
const CONVERSATIONS_MIN: usize = 5;

/// What Jinja2 wrote; `None` where it raised an exception.
#[derive(Deserialize)]
struct Golden {
    templates: BTreeMap<String, Vec<Option<String>>>,
    expressions: Vec<(String, Option<String>)>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/goldens/templates")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn golden() -> Golden {
    serde_json::from_str(&read("golden.json")).unwrap()
}

/// Dictionaries keep the order of the file.
fn conversations() -> Vec<Value> {
    serde_json::from_str(&read("conversations.json")).unwrap()
}

/// The recipe's time.
fn now() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 11, 3).unwrap().and_hms_micro_opt(4, 5, 9, 123_456).unwrap()
}

fn assert_text(name: &str, source: &str, variables: &Value, expected: Option<&str>) {
    let found = jinja::render(source, variables.clone(), now(), LIMITS);
    match (&found, expected) {
        (Ok(found), Some(expected)) => assert_eq!(found, expected, "{name}"),
        (Err(_), None) => {}
        _ => panic!("{name}: {found:?}, expected {expected:?}"),
    }
}

#[test]
fn every_template_writes_what_jinja2_writes() {
    let (golden, conversations) = (golden(), conversations());
    assert!(golden.templates.len() >= TEMPLATES_MIN && conversations.len() >= CONVERSATIONS_MIN);
    for (name, texts) in &golden.templates {
        let source = read(name);
        assert_eq!(texts.len(), conversations.len());
        for (index, (variables, text)) in conversations.iter().zip(texts).enumerate() {
            assert_text(&format!("{name}, conversation {index}"), &source, variables, text.as_deref());
        }
    }
}

#[test]
fn every_expression_writes_what_jinja2_writes() {
    let conversations = conversations();
    for (source, text) in golden().expressions {
        assert_text(&source, &source, &conversations[0], text.as_deref());
    }
}

/// A template's file may come from another system.
#[test]
fn carriage_returns_are_line_feeds() {
    let variables = &conversations()[1];
    for (name, texts) in golden().templates {
        let source = read(&name);
        for ends in ["\r\n", "\r"] {
            let source = source.replace('\n', ends);
            assert_text(&name, &source, variables, texts[1].as_deref());
        }
    }
}

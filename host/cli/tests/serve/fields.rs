//! Every documented field of every route, absent, null and at each value that changes nothing: the answer is the same.

use crate::support::{Served, post};
use lpu_serve::documented_fields;
use serde_json::{Value, json};

/// A request of a route in which every object stands that a field may be in.
fn request(route: &str) -> Value {
    match route {
        "/v1/chat/completions" => json!({
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Lily"}]}],
            "max_completion_tokens": 2, "temperature": 0, "stream_options": {}, "x_lpu": {},
        }),
        "/v1/completions" => json!({
            "prompt": "Lily", "max_tokens": 2, "temperature": 0, "stream_options": {}, "x_lpu": {},
        }),
        "/generate" => json!({"inputs": "Lily", "parameters": {"max_new_tokens": 2}}),
        "/tokenize" => json!({"inputs": "Lily"}),
        other => panic!("the test knows no request for {other}"),
    }
}

/// The object of a request in which a field of this path stands.
fn enclosing<'a>(request: &'a mut Value, path: &[&str]) -> &'a mut serde_json::Map<String, Value> {
    let inner = path[..path.len() - 1].iter().fold(request, |value, name| match &mut value[*name] {
        Value::Array(list) => &mut list[0],
        value => value,
    });
    inner.as_object_mut().unwrap_or_else(|| panic!("an object around {path:?}"))
}

#[test]
fn documented_fields_are_accepted_where_they_change_nothing() {
    let served = Served::start(&[]);
    let mut tried = 0;
    let mut asked = |route: &str, path: &[&str], value: Option<Value>| {
        let mut request = request(route);
        let object = enclosing(&mut request, path);
        let name = path[path.len() - 1];
        match value {
            Some(value) => object.insert(name.into(), value),
            None => object.remove(name),
        };
        tried += 1;
        (post(served.address, route, &request.to_string()), request)
    };
    let fields = documented_fields();
    for field in &fields {
        // Only an assistant's message may be without content.
        let is_needed = field.is_required || field.path == ["messages", "content"];
        let expected = if is_needed { 400 } else { 200 };
        for value in [None, Some(Value::Null)] {
            let (answer, request) = asked(field.route, &field.path, value);
            assert_eq!(answer.status, expected, "{}: {request}: {}", field.route, answer.body);
        }
        for value in &field.neutral {
            let (answer, request) = asked(field.route, &field.path, Some(value.clone()));
            assert_eq!(answer.status, 200, "{}: {request}: {}", field.route, answer.body);
        }
    }
    assert!(fields.len() > 120 && tried > 300, "{} fields in {tried} requests", fields.len());
}

#[test]
fn what_cannot_be_honoured_is_named_by_its_path_and_never_by_a_type_of_the_program() {
    let served = Served::start(&[]);
    let mut tried = 0;
    for field in documented_fields() {
        // No field takes a deep list of lists of objects, unless any value will do.
        let mut request = request(field.route);
        let name = field.path[field.path.len() - 1];
        enclosing(&mut request, &field.path).insert(name.into(), json!([[[{"a": 1}]]]));
        let answer = post(served.address, field.route, &request.to_string());
        if answer.status == 200 {
            continue;
        }
        tried += 1;
        assert_eq!(answer.status, 400, "{request}: {}", answer.body);
        assert!(answer.body.contains(name), "{request}: {}", answer.body);
        for word in ["usize", "u32", "u64", "i64", "f64", "struct", "enum", "variant", "Option", "untagged"] {
            assert!(!answer.body.contains(word), "`{word}` in {}", answer.body);
        }
    }
    assert!(tried > 90, "{tried} fields refused a wrong value");
    let refused = |route: &str, request: Value, param: &str, words: &str| {
        let answer = post(served.address, route, &request.to_string());
        let told = answer.json();
        let message = if route == "/generate" { &told["error"] } else { &told["error"]["message"] };
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(message.as_str().is_some_and(|message| message.contains(words)), "{}", answer.body);
        assert!(route == "/generate" || told["error"]["param"] == param, "{}", answer.body);
    };
    let (chat, text) = ("/v1/chat/completions", "/v1/completions");
    let said = json!([{"role": "user", "content": "Lily"}]);
    refused(
        chat,
        json!({"messages": [{"role": "robot", "content": ""}]}),
        "messages[0].role",
        "is \"robot\"; expected",
    );
    refused(
        chat,
        json!({"messages": said, "tools": [{"type": "function"}]}),
        "tools",
        "is not supported here",
    );
    refused(chat, json!({"messages": said, "n": -1}), "n", "`n` is -1; expected a whole number from 1 to 32");
    refused(
        chat,
        json!({"messages": said, "stream_options": {"usage": true}}),
        "stream_options.usage",
        "unknown field",
    );
    refused(
        chat,
        json!({"messages": said, "max_completion_tokens": 0}),
        "max_completion_tokens",
        "at least 1",
    );
    refused(text, json!({"prompt": 5}), "prompt", "`prompt` is 5; expected a text, a list of texts");
    refused(text, json!({"prompt": "a", "max_tokens": 0}), "max_tokens", "`echo: true` beside it");
    refused("/generate", json!({"inputs": "a", "parameters": {"seed": -1}}), "", "`parameters.seed` is -1");
    refused(
        "/generate",
        json!({"inputs": "a", "parameters": {"typical_p": 0.5}}),
        "",
        "`parameters.typical_p`",
    );
    refused(
        "/generate",
        json!({"inputs": "a", "parameters": {"max_new_tokens": 0}}),
        "",
        "`parameters.max_new_tokens`",
    );
    let twice = post(served.address, text, r#"{"prompt": "a", "n": 1, "n": 2}"#);
    assert!(twice.status == 400 && twice.body.contains("`n` is given twice"), "{twice:?}");
}

//! Requests as proxies, browsers and older clients send them.

use crate::support::{Served, get, model, post, request, send};
use serde_json::{Value, json};

const BODY: &str = r#"{"prompt": "Lily", "max_tokens": 2, "temperature": 0}"#;

#[test]
fn a_request_says_once_which_host_it_means() {
    let served = Served::start(&[]);
    let asked = |version: &str, hosts: &str| {
        let text = format!("GET /health HTTP/{version}\r\n{hosts}connection: close\r\n\r\n");
        send(served.address, &text).expect("an answer").status
    };
    assert_eq!(asked("1.1", "host: x\r\n"), 200);
    assert_eq!(asked("1.1", ""), 400);
    assert_eq!(asked("1.1", "host: x\r\nhost: y\r\n"), 400);
    assert_eq!(asked("1.0", ""), 200, "older than the header");
    assert_eq!(asked("1.0", "host: x\r\nhost: x\r\n"), 400);
}

#[test]
fn forms_are_no_json() {
    let served = Served::start(&[]);
    let asked = |kind: &str| {
        let header = format!("content-type: {kind}\r\n");
        send(served.address, &request("POST", "/v1/completions", &header, BODY)).expect("an answer")
    };
    for kind in
        ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "Multipart/Form-Data"]
    {
        let answer = asked(kind);
        assert_eq!(answer.status, 415, "{kind}");
        assert!(answer.body.contains("expected JSON with the header"), "{answer:?}");
    }
    for kind in ["application/json", "application/json; charset=utf-8"] {
        assert_eq!(asked(kind).status, 200, "{kind}");
    }
}

#[test]
fn paths_may_lack_the_version_and_end_with_a_slash() {
    let served = Served::start(&[]);
    for path in ["/v1/models", "/v1/models/", "/models", "/openai/v1/models/", "/v1/models/stories-lpu/"] {
        assert_eq!(get(served.address, path).status, 200, "{path}");
    }
    let chat = r#"{"messages": [{"role": "user", "content": "Lily"}], "max_tokens": 2}"#;
    for path in ["/chat/completions", "/v1/chat/completions/", "/openai/v1/chat/completions"] {
        assert_eq!(post(served.address, path, chat).status, 200, "{path}");
    }
    assert_eq!(post(served.address, "/completions", BODY).status, 200);
    assert_eq!(
        post(served.address, "/v1/", r#"{"inputs": "Lily", "parameters": {"max_new_tokens": 2}}"#).status,
        200
    );
    let metrics = get(served.address, "/metrics").body;
    assert!(metrics.contains("route=\"/v1/models\""), "a slash makes no other route: {metrics}");
}

#[test]
fn a_model_answers_to_its_own_name_and_to_none() {
    let ask = |served: &Served, name: Value| {
        let body = json!({"model": name, "prompt": "Lily", "max_tokens": 2}).to_string();
        let answer = post(served.address, "/v1/completions", &body);
        (answer.status, answer.json())
    };
    let served = Served::start(&[&format!("second={}", model().display())]);
    for name in [json!("stories-lpu"), json!("default"), Value::Null, json!("tgi"), json!("dummy")] {
        let (status, told) = ask(&served, name.clone());
        assert_eq!((status, &told["model"]), (200, &json!("stories-lpu")), "{name}: {told}");
    }
    let (status, told) = ask(&served, json!("gpt-4o"));
    assert_eq!((status, &told["error"]["code"]), (404, &json!("model_not_found")), "{told}");
    assert_eq!(
        ask(&Served::start(&[]), json!("gpt-4o")).0,
        404,
        "one model is no reason to answer for another"
    );
    let (status, told) = ask(&Served::start(&["--any-model-name"]), json!("gpt-4o"));
    assert_eq!((status, &told["model"]), (200, &json!("stories-lpu")), "{told}");
}

#[test]
fn prompts_that_are_too_long_are_told_in_openais_words() {
    let served = Served::start(&[]);
    let context = &get(served.address, "/v1/models").json()["data"][0]["context_window"];
    let long = "word ".repeat(700);
    let asked = [
        ("/v1/completions", json!({"prompt": long}), "prompt"),
        ("/v1/chat/completions", json!({"messages": [{"role": "user", "content": long}]}), "messages"),
        ("/v1/completions", json!({"prompt": "word ".repeat(20_000)}), "prompt"),
    ];
    for (route, body, param) in asked {
        let answer = post(served.address, route, &body.to_string());
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["code"]), (400, &json!("context_length_exceeded")), "{error}");
        assert_eq!(error["param"], param, "{error}");
        let told = error["message"].as_str().unwrap_or_default();
        let expected = format!(
            "This model's maximum context length is {context} tokens. However, your {param} resulted in "
        );
        assert!(told.starts_with(&expected), "{error}");
    }
}

#[test]
fn tokens_lie_where_they_say() {
    let served = Served::start(&[]);
    let text = "Lily saw é€😀 twice";
    let answer = post(served.address, "/tokenize", &json!({"inputs": text}).to_string());
    let tokens = answer.json();
    let tokens = tokens.as_array().expect("a list");
    let number = |value: &Value| value.as_u64().expect("a number") as usize;
    let places: Vec<(usize, usize)> =
        tokens.iter().map(|token| (number(&token["start"]), number(&token["stop"]))).collect();
    assert_eq!(places[0], (0, 0), "what begins texts stands nowhere");
    assert_eq!(places.last().map(|place| place.1), Some(text.chars().count()));
    assert!(places.windows(2).all(|pair| pair[1].0 <= pair[0].1 && pair[0].1 <= pair[1].1), "{places:?}");
    for (token, (start, stop)) in tokens.iter().zip(&places).skip(1) {
        let part: String = text.chars().take(*stop).skip(*start).collect();
        let told = token["text"].as_str().unwrap_or_default();
        assert!(told.contains('\u{fffd}') || told.trim_start() == part.trim_start(), "{token}: {part:?}");
    }
}

#[test]
fn info_has_what_clients_of_text_generation_inference_read() {
    let info = get(Served::start(&[]).address, "/info").json();
    for name in [
        "max_input_tokens",
        "max_input_length",
        "max_total_tokens",
        "max_batch_total_tokens",
        "validation_workers",
    ] {
        assert!(info[name].as_u64().is_some_and(|number| number > 0), "{name}: {info}");
    }
    assert!(
        info.get("sha").is_some() && info["version"].is_string() && info["model_id"] == "stories-lpu",
        "{info}"
    );
}

//! Log-probabilities as evaluation harnesses read them.

use crate::flaky;
use crate::support::{Answer, Served, post};
use lpu_serve::Limits;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

const PROMPT: &str = "Once upon a time, there was a little girl named Lily.";

fn complete(address: SocketAddr, fields: Value) -> Answer {
    let mut request = json!({"prompt": PROMPT, "max_tokens": 20, "temperature": 0});
    request.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let answer = post(address, "/v1/completions", &request.to_string());
    assert_eq!(answer.status, 200, "{request}: {}", answer.body);
    answer
}

fn list<'a>(logprobs: &'a Value, name: &str) -> &'a [Value] {
    logprobs[name].as_array().unwrap_or_else(|| panic!("a list of {name} in {logprobs}"))
}

#[test]
fn the_token_itself_is_always_listed() {
    let served = Served::start(&[]);
    for count in [0, 2, 5] {
        // A warm text, so that many tokens are not among the likeliest.
        let fields =
            json!({"max_tokens": 60, "logprobs": count, "temperature": 1.5, "seed": 3, "ignore_eos": true});
        let answer = complete(served.address, fields).json();
        let logprobs = &answer["choices"][0]["logprobs"];
        let (tokens, chosen) = (list(logprobs, "tokens"), list(logprobs, "token_logprobs"));
        let mut unlikely = 0;
        for (index, top) in list(logprobs, "top_logprobs").iter().enumerate() {
            let token = tokens[index].as_str().expect("a text");
            assert_eq!(top[token], chosen[index], "{index}: {top}");
            let listed = top.as_object().expect("an object").len();
            assert!((1..=count + 1).contains(&listed), "{top}");
            unlikely += usize::from(listed == count + 1);
        }
        assert!(tokens.len() > 50 && unlikely > 5, "{unlikely} of {} tokens were unlikely", tokens.len());
    }
}

#[test]
fn echo_tells_what_the_model_expected_of_the_prompt() {
    let served = Served::start(&[]);
    let echoed = complete(
        served.address,
        json!({"echo": true, "logprobs": 2, "max_tokens": 8, "x_lpu": {"tokens": true}}),
    )
    .json();
    let choice = &echoed["choices"][0];
    let logprobs = &choice["logprobs"];
    let (tokens, chosen) = (list(logprobs, "tokens"), list(logprobs, "token_logprobs"));
    let prompt = echoed["usage"]["prompt_tokens"].as_u64().expect("a number") as usize;
    assert_eq!(tokens.len(), prompt + 8);
    assert_eq!((&chosen[0], &list(logprobs, "top_logprobs")[0]), (&Value::Null, &Value::Null));
    assert!(chosen[1..].iter().all(|found| found.as_f64().is_some_and(|found| found <= 0.0)), "{logprobs}");
    let text: String = tokens.iter().filter_map(Value::as_str).collect();
    assert_eq!(choice["text"], text.as_str());
    assert!(text.starts_with(PROMPT), "{text}");
    let ids = post(served.address, "/tokenize", &json!({"inputs": PROMPT}).to_string()).json();
    let ids: Vec<Value> = ids.as_array().expect("a list").iter().map(|token| token["id"].clone()).collect();
    // What was expected of a token does not depend on whether it stands in the prompt or in the answer.
    let made = list(choice, "x_lpu_tokens").iter().map(|token| token["id"].clone());
    let whole: Vec<Value> = ids.iter().cloned().chain(made).collect();
    let whole =
        complete(served.address, json!({"prompt": whole, "echo": true, "logprobs": 2, "max_tokens": 0}))
            .json();
    let (all, read) = (list(&whole["choices"][0]["logprobs"], "token_logprobs"), &whole["choices"][0]);
    assert_eq!((all, &read["text"], &read["finish_reason"]), (chosen, &json!(text), &json!("length")));
    assert_eq!(whole["usage"]["completion_tokens"], 0, "{whole}");
    // Harnesses send tokens and ask for one more, by the stream or not.
    let fields = json!({"prompt": [ids], "echo": true, "logprobs": 1, "max_tokens": 1});
    let harness = complete(served.address, fields.clone()).json();
    let harness = list(&harness["choices"][0]["logprobs"], "token_logprobs");
    assert_eq!(harness, &chosen[..prompt + 1]);
    let mut streamed = fields;
    streamed["stream"] = json!(true);
    let events = complete(served.address, streamed);
    let events = events.events().into_iter().filter_map(|event| serde_json::from_str::<Value>(event).ok());
    let events: Vec<Value> = events.collect();
    let told: Vec<&Value> = events
        .iter()
        .filter_map(|event| event["choices"][0]["logprobs"]["token_logprobs"].as_array())
        .flatten()
        .collect();
    assert_eq!(told, harness.iter().collect::<Vec<_>>());
}

#[test]
fn a_device_that_fails_in_the_prompt_changes_no_log_probability() {
    let served = flaky::Served::start(2, Limits::default());
    let fields = json!({"echo": true, "logprobs": 1, "max_tokens": 1});
    let expected = complete(served.address, fields.clone()).json()["choices"][0].clone();
    for plan in &served.plans {
        plan.steps_to_break.store(7, Ordering::SeqCst);
    }
    assert_eq!(complete(served.address, fields).json()["choices"][0], expected);
    let broken = served.plans.iter().filter(|plan| plan.steps_to_break.load(Ordering::SeqCst) == 0).count();
    assert!(broken > 0, "a device failed");
}

//! Devices that fail: the text goes on unchanged on another one, or ends with an error; never other text.

use crate::flaky::Served;
use crate::support::{Answer, get, post};
use lpu_host::serve::Limits;
use std::sync::atomic::Ordering;
use std::time::Duration;

const REQUEST: &str =
    r#"{"prompt": "Once upon a time", "max_tokens": 40, "temperature": 1, "seed": 7, "stream": true}"#;

/// The text of a stream, and how it ended.
fn text(answer: &Answer) -> (String, String) {
    let mut text = String::new();
    let events = answer.events();
    for event in &events {
        if let Ok(event) = serde_json::from_str::<serde_json::Value>(event) {
            text.push_str(event["choices"][0]["text"].as_str().unwrap_or_default());
        }
    }
    (text, events.last().map_or(String::new(), ToString::to_string))
}

#[test]
fn the_text_goes_on_unchanged_when_a_device_fails_in_the_middle() {
    let served = Served::start(2, Limits::default());
    let (expected, end) = text(&post(served.address, "/v1/completions", REQUEST));
    assert_eq!(end, "[DONE]");
    // Both hold the program before anything breaks: a device that cannot be opened would fail before its text begins.
    for device in ["flaky-0", "flaky-1"] {
        let pinned = REQUEST.replace("\"stream\": true", &format!("\"x_lpu\": {{\"device\": \"{device}\"}}"));
        assert_eq!(post(served.address, "/v1/completions", &pinned).status, 200);
    }
    for (number, plan) in served.plans.iter().enumerate() {
        plan.flags.store(number == 1, Ordering::SeqCst);
        plan.gone.store(true, Ordering::SeqCst);
        plan.steps_to_break.store(25, Ordering::SeqCst);
        // Whichever device takes a request, after some pairs the flaky one was among them.
        for _ in 0..200 {
            let ask = || text(&post(served.address, "/v1/completions", REQUEST));
            let answers =
                std::thread::scope(|scope| [scope.spawn(ask), scope.spawn(ask)].map(|answer| answer.join()));
            for answer in answers {
                assert_eq!(answer.expect("an answer"), (expected.clone(), "[DONE]".to_owned()));
            }
            if plan.steps_to_break.load(Ordering::SeqCst) == 0 {
                break;
            }
        }
        let states = if number == 0 { ["failed", "idle"] } else { ["idle", "failed"] };
        served.wait_for(&states);
        assert_eq!(get(served.address, "/ready").status, 200, "the other device works");
        plan.gone.store(false, Ordering::SeqCst);
        served.wait_for(&["idle", "idle"]);
    }
    let metrics = get(served.address, "/metrics").body;
    assert!(metrics.contains("lpu_device_failures_total{device=\"flaky-0\"} 1\n"), "{metrics}");
    assert!(metrics.contains("lpu_device_faults_total{device=\"flaky-1\"} 1\n"), "{metrics}");
}

#[test]
fn a_device_that_breaks_its_prediction_is_no_longer_believed() {
    let served = Served::start(1, Limits { patience: Duration::from_millis(1500), ..Limits::default() });
    served.plans[0].dawdles.store(true, Ordering::SeqCst);
    let answer = post(served.address, "/v1/completions", REQUEST);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(get(served.address, "/ready").status, 503);
    assert_eq!(get(served.address, "/health").status, 200, "the process itself is well");
    served.plans[0].dawdles.store(false, Ordering::SeqCst);
    served.wait_for(&["idle"]);
    assert_eq!(post(served.address, "/v1/completions", REQUEST).status, 200);
}

#[test]
fn devices_that_disagree_end_the_answer_with_an_error() {
    let served = Served::start(2, Limits::default());
    let (expected, _) = text(&post(served.address, "/v1/completions", REQUEST));
    for plan in &served.plans {
        plan.lies.store(true, Ordering::SeqCst);
        plan.steps_to_break.store(20, Ordering::SeqCst);
    }
    let answer = post(served.address, "/v1/completions", REQUEST);
    let (found, end) = text(&answer);
    assert!(end.contains("devices_disagree"), "{answer:?}");
    assert!(!found.is_empty() && expected.starts_with(&found) && found.len() < expected.len(), "{answer:?}");
}

#[test]
fn a_request_for_one_device_is_not_given_to_another() {
    let served = Served::start(2, Limits::default());
    served.plans[1].steps_to_break.store(10, Ordering::SeqCst);
    let request = REQUEST.replace("\"stream\": true", "\"x_lpu\": {\"device\": \"flaky-1\"}");
    let answer = post(served.address, "/v1/completions", &request);
    assert_eq!(answer.status, 503);
    assert!(
        answer.body.contains(
            "`flaky-1` failed and the request allows no other: the line to the device failed: unplugged"
        ),
        "{answer:?}"
    );
    served.wait_for(&["idle", "idle"]);
    let answer = post(served.address, "/v1/completions", &request);
    assert_eq!(answer.json()["x_lpu"]["device"], "flaky-1");
}

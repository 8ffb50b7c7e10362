//! Devices that fail: the text goes on unchanged on another one, or ends with an error; never other text.

use crate::flaky::{FAULTY, Served};
use crate::support::{Answer, get, post};
use lpu_serve::Limits;
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

/// A program that faults, at its first position or later: its requests fail, all others are answered, no device is lost.
#[test]
fn a_program_that_faults_is_blamed_and_no_device() {
    for (devices, faulty_from) in [(1, 0), (2, 0), (1, 3), (2, 3)] {
        let served = Served::with_models(devices, Limits::default(), &["stories-lpu", FAULTY]);
        for plan in &served.plans {
            plan.faulty_from.store(faulty_from, Ordering::SeqCst);
        }
        let ask = |model: &str| {
            let request = format!(r#"{{"model": "{model}", "prompt": "Once upon a time", "max_tokens": 8}}"#);
            post(served.address, "/v1/completions", &request)
        };
        for _ in 0..2 {
            let (faulty, sound) = std::thread::scope(|scope| {
                let faulty = scope.spawn(|| ask(FAULTY));
                let sound: Vec<_> = (0..4).map(|_| scope.spawn(|| ask("stories-lpu"))).collect();
                (faulty.join(), sound.into_iter().map(|answer| answer.join()).collect::<Vec<_>>())
            });
            let faulty = faulty.expect("an answer");
            assert_eq!(faulty.status, 500, "{devices} devices, from {faulty_from}: {faulty:?}");
            let error = &faulty.json()["error"];
            assert_eq!((&error["type"], &error["code"]), (&"server_error".into(), &"program_failed".into()));
            let message = error["message"].as_str().expect("a message");
            assert!(message.contains("`faulty`") && message.contains("VMEM_CONFLICT"), "{message}");
            for sound in sound {
                assert_eq!(sound.expect("an answer").status, 200);
            }
        }
        served.wait_for(&vec!["idle"; devices]);
        assert_eq!(ask("stories-lpu").status, 200);
    }
}

#[test]
fn saturation_is_counted_by_model() {
    let served = Served::start(1, Limits::default());
    let count = || {
        let metrics = get(served.address, "/metrics").body;
        let line = metrics.lines().find(|line| line.starts_with("lpu_saturated_rows_total{"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    assert_eq!(post(served.address, "/v1/completions", REQUEST).status, 200);
    assert_eq!(count(), Some(0), "the bundled model does not saturate");
    served.plans[0].saturations.store(3, Ordering::SeqCst);
    assert_eq!(post(served.address, "/v1/completions", REQUEST).status, 200);
    assert!(count().is_some_and(|rows| rows >= 3), "{:?}", count());
}

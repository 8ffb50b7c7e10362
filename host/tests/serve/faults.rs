//! Devices that fail: the text goes on unchanged on another one, or ends with an error; never other text.

use crate::support::{Answer, get, post};
use lpu_host::compile::{Options, compile};
use lpu_host::model;
use lpu_host::serve::{DeviceSpec, Limits, Running, ServedModel, Settings};
use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_isa::image::Image;
use lpu_sim::device::{Device, DeviceError, Identity, RunRequest, Step};
use lpu_sim::{Emulator, PortDevice};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::oneshot;

const REQUEST: &str =
    r#"{"prompt": "Once upon a time", "max_tokens": 40, "temperature": 1, "seed": 7, "stream": true}"#;

static MODEL: LazyLock<(Image, model::Tokenizer)> = LazyLock::new(|| {
    let (model, tokenizer) = model::load(crate::support::model()).expect("the bundled model");
    let tokenizer = tokenizer.expect("the bundled tokenizer");
    let options = Options { name: "stories-lpu".into(), ..Options::default() };
    let compiled = compile(&model, Some(&tokenizer), &Geometry::ULX3S_85F, &options).expect("it fits");
    (compiled.image, tokenizer)
});

/// What shall go wrong.
#[derive(Default)]
struct Plan {
    /// The line breaks when this many more steps were taken; 0 is never.
    steps_to_break: AtomicU64,
    /// The device raises a fault flag instead of breaking.
    flags: AtomicBool,
    /// The device chooses other tokens once any device has broken.
    lies: AtomicBool,
    /// A device of this server has broken; all plans share it.
    broke: Arc<AtomicBool>,
    /// The device takes more cycles than predicted.
    dawdles: AtomicBool,
    /// The device cannot be opened.
    gone: AtomicBool,
}

/// An emulator that fails by plan.
struct Flaky {
    inner: PortDevice<Emulator>,
    plan: Arc<Plan>,
    flagged: bool,
}

impl Device for Flaky {
    fn identify(&mut self) -> Result<Identity, DeviceError> {
        self.inner.identify()
    }

    fn load(&mut self, image: &Image) -> Result<(), DeviceError> {
        self.flagged = false;
        self.inner.load(image)
    }

    fn start(&mut self, request: &RunRequest) -> Result<(), DeviceError> {
        self.inner.start(request)
    }

    fn next_step(&mut self) -> Result<Option<Step>, DeviceError> {
        let step = self.inner.next_step()?;
        let count = |left: u64| left.checked_sub(1);
        let breaks =
            self.plan.steps_to_break.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1);
        if breaks && self.plan.flags.load(Ordering::SeqCst) {
            self.flagged = true;
        } else if breaks {
            self.plan.broke.store(true, Ordering::SeqCst);
            return Err(DeviceError::Line("unplugged".into()));
        }
        let lies = self.plan.lies.load(Ordering::SeqCst) && self.plan.broke.load(Ordering::SeqCst);
        let other = u16::from(lies);
        let late = u32::from(self.plan.dawdles.load(Ordering::SeqCst));
        Ok(step.map(|step| Step { token: step.token ^ other, cycles: step.cycles + late, ..step }))
    }

    fn logits(&mut self) -> Result<Vec<i32>, DeviceError> {
        self.inner.logits()
    }

    fn faults(&mut self) -> Result<Fault, DeviceError> {
        if self.flagged { Ok(Fault::VMEM_CONFLICT) } else { self.inner.faults() }
    }

    fn saturations(&mut self) -> Result<u64, DeviceError> {
        self.inner.saturations()
    }

    fn cancel(&mut self) -> Result<(), DeviceError> {
        self.inner.cancel()
    }
}

/// A server on flaky devices in a thread of its own.
struct Served {
    address: SocketAddr,
    plans: Vec<Arc<Plan>>,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    fn start(devices: usize, limits: Limits) -> Self {
        let broke: Arc<AtomicBool> = Arc::default();
        let plan = |_| Arc::new(Plan { broke: Arc::clone(&broke), ..Plan::default() });
        let plans: Vec<Arc<Plan>> = (0..devices).map(plan).collect();
        let specs = plans.iter().enumerate().map(|(number, plan)| spec(number, Arc::clone(plan))).collect();
        let (told, address) = std::sync::mpsc::channel();
        let (shutdown, ended) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (image, tokenizer) = MODEL.clone();
                let settings = Settings {
                    models: vec![ServedModel::new("stories-lpu".into(), image, tokenizer)],
                    devices: specs,
                    address: "127.0.0.1:0".parse().expect("an address"),
                    keys: None,
                    usage: None,
                    is_open_to_all: false,
                    limits,
                };
                let running = Running::start(settings).await.expect("it starts");
                told.send(running.address()).expect("the test waits");
                running.until(async { _ = ended.await }).await;
            });
        });
        let address = address.recv().expect("an address");
        Self { address, plans, shutdown: Some(shutdown), thread: Some(thread) }
    }

    /// Waits until the devices have these states.
    fn wait_for(&self, states: &[&str]) {
        for _ in 0..400 {
            let devices = get(self.address, "/lpu/devices").json();
            let found: Vec<&str> = devices
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|device| device["state"].as_str())
                .collect();
            if found == states {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("the devices never were {states:?}: {:?}", get(self.address, "/lpu/devices"));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.shutdown.take().map(|shutdown| shutdown.send(()));
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server's thread panicked");
        }
    }
}

fn spec(number: usize, plan: Arc<Plan>) -> DeviceSpec {
    let opener = move |image: &Image| -> Result<Box<dyn Device>, String> {
        if plan.gone.load(Ordering::SeqCst) {
            return Err("no such port".into());
        }
        let inner = PortDevice::new(Emulator::new(image.geometry));
        Ok(Box::new(Flaky { inner, plan: Arc::clone(&plan), flagged: false }))
    };
    DeviceSpec { name: format!("flaky-{number}"), opener: Box::new(opener) }
}

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

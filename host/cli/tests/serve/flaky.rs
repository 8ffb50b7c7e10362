//! A server in this process, with its own limits, on devices that fail by plan.

use crate::support::get;
use lpu_compiler::{Options, compile};
use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_isa::image::Image;
use lpu_serve::{DeviceSpec, Limits, Running, ServedModel, Settings};
use lpu_sim::device::{Device, DeviceError, Identity, RunRequest, Step};
use lpu_sim::{Emulator, PortDevice};
use lpu_verifier::VerifiedProgram;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::oneshot;

static MODEL: LazyLock<(VerifiedProgram, lpu_model::Tokenizer)> = LazyLock::new(|| {
    let (model, tokenizer) = lpu_model::load(crate::support::model()).expect("the bundled model");
    let tokenizer = tokenizer.expect("the bundled tokenizer");
    let options = Options { name: "stories-lpu".into(), ..Options::default() };
    let compiled = compile(&model, Some(&tokenizer), &Geometry::ULX3S_85F, &options).expect("it fits");
    (compiled.image, tokenizer)
});

/// What shall go wrong.
#[derive(Default)]
pub struct Plan {
    /// The line breaks when this many more steps were taken; 0 is never.
    pub steps_to_break: AtomicU64,
    /// The device raises a fault flag instead of breaking.
    pub flags: AtomicBool,
    /// The device chooses other tokens once any device has broken.
    pub lies: AtomicBool,
    /// A device of this server has broken; all plans share it.
    broke: Arc<AtomicBool>,
    /// The device takes more cycles than predicted.
    pub dawdles: AtomicBool,
    /// The device cannot be opened.
    pub gone: AtomicBool,
    /// The program of the model [`FAULTY`] raises a fault flag from this position on.
    pub faulty_from: AtomicU64,
    /// Rows that saturate in each run.
    pub saturations: AtomicU64,
}

/// A model whose program faults on every device.
pub const FAULTY: &str = "faulty";

/// An emulator that fails by plan.
struct Flaky {
    inner: PortDevice<Emulator>,
    plan: Arc<Plan>,
    flagged: bool,
    is_faulty: bool,
}

impl Device for Flaky {
    fn identify(&mut self) -> Result<Identity, DeviceError> {
        self.inner.identify()
    }

    fn load(&mut self, image: &Image) -> Result<(), DeviceError> {
        self.flagged = false;
        self.is_faulty = image.model.name == FAULTY;
        self.inner.load(image)
    }

    fn start(&mut self, request: &RunRequest) -> Result<(), DeviceError> {
        self.inner.start(request)
    }

    fn next_step(&mut self) -> Result<Option<Step>, DeviceError> {
        let step = self.inner.next_step()?;
        let faulty_from = self.plan.faulty_from.load(Ordering::SeqCst);
        self.flagged |= self.is_faulty && step.is_some_and(|step| u64::from(step.position) >= faulty_from);
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
        Ok(self.inner.saturations()? + self.plan.saturations.load(Ordering::SeqCst))
    }

    fn cancel(&mut self) -> Result<(), DeviceError> {
        self.inner.cancel()
    }
}

/// A server on flaky devices in a thread of its own.
pub struct Served {
    pub address: SocketAddr,
    pub plans: Vec<Arc<Plan>>,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    pub fn start(devices: usize, limits: Limits) -> Self {
        Self::with_models(devices, limits, &["stories-lpu"])
    }

    /// All models are the bundled one under other names.
    pub fn with_models(devices: usize, limits: Limits, models: &'static [&'static str]) -> Self {
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
                let settings = Settings {
                    models: models.iter().map(|name| served(name)).collect(),
                    devices: specs,
                    address: "127.0.0.1:0".parse().expect("an address"),
                    keys: None,
                    usage: None,
                    is_open_to_all: false,
                    answers_any_name: false,
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
    pub fn wait_for(&self, states: &[&str]) {
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

fn served(name: &str) -> ServedModel {
    let (program, tokenizer) = MODEL.clone();
    let mut image = program.into_image();
    image.model.name = name.into();
    let program = VerifiedProgram::new(image).expect("only its name differs");
    ServedModel::new(name.into(), program, tokenizer)
}

fn spec(number: usize, plan: Arc<Plan>) -> DeviceSpec {
    let opener = move |image: &Image| -> Result<Box<dyn Device>, String> {
        if plan.gone.load(Ordering::SeqCst) {
            return Err("no such port".into());
        }
        let inner = PortDevice::new(Emulator::new(image.geometry));
        Ok(Box::new(Flaky { inner, plan: Arc::clone(&plan), flagged: false, is_faulty: false }))
    };
    DeviceSpec { name: format!("flaky-{number}"), opener: Box::new(opener) }
}

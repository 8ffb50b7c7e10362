//! The thread of one device: takes jobs, runs them token by token, and mends the device when it fails.

use super::blame::Blame;
use super::job::{Job, JobError, PromptToken, Token};
use super::queue::Queue;
use crate::metrics::Metrics;
use crate::model::ServedModel;
use lpu_isa::host::Fault;
use lpu_isa::image::Image;
use lpu_runtime::sampling::{Engine, Event, Executed, Finish, GenerateError, Generation, LogProb, Reason};
use lpu_sim::device::{Device, DeviceError, RunRequest};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Opens a device for an image's chip. It is called on the thread of the device, and again after each failure.
pub type Opener = Box<dyn Fn(&Image) -> Result<Box<dyn Device>, String> + Send>;

/// Time between two attempts to mend a device.
const MEND_PAUSE: Duration = Duration::from_millis(500);

/// What a device is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    Idle,
    Busy,
    Failed,
}

/// What others may know of a device.
pub struct DeviceStatus {
    pub name: Arc<str>,
    state: AtomicU8,
    positions: AtomicU64,
    model: Mutex<Option<String>>,
    metrics: Arc<Metrics>,
}

impl DeviceStatus {
    pub(super) fn new(name: &str, metrics: &Arc<Metrics>) -> Self {
        let (state, positions, model) = (AtomicU8::new(0), AtomicU64::new(0), Mutex::default());
        let status = Self { name: name.into(), state, positions, model, metrics: Arc::clone(metrics) };
        status.set(DeviceState::Idle);
        status
    }

    pub fn state(&self) -> DeviceState {
        match self.state.load(Ordering::Relaxed) {
            0 => DeviceState::Idle,
            1 => DeviceState::Busy,
            _ => DeviceState::Failed,
        }
    }

    /// Positions executed since the start.
    pub fn positions(&self) -> u64 {
        self.positions.load(Ordering::Relaxed)
    }

    /// The model whose program is loaded.
    pub fn model(&self) -> Option<String> {
        self.model.lock().unwrap_or_else(|broken| broken.into_inner()).clone()
    }

    fn set(&self, state: DeviceState) {
        self.state.store(state as u8, Ordering::Relaxed);
        self.metrics.device_up.with_label_values(&[&*self.name]).set(i64::from(state != DeviceState::Failed));
    }

    fn set_model(&self, model: Option<String>) {
        *self.model.lock().unwrap_or_else(|broken| broken.into_inner()) = model;
    }
}

/// A device with a program loaded.
struct Loaded {
    engine: Engine,
    model: Arc<ServedModel>,
}

/// The thread's own state.
pub struct Worker {
    opener: Opener,
    status: Arc<DeviceStatus>,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    blame: Arc<Blame>,
    models: Vec<Arc<ServedModel>>,
    loaded: Option<Loaded>,
}

/// What all workers share.
pub struct Shared {
    pub queue: Arc<Queue>,
    pub metrics: Arc<Metrics>,
    pub blame: Arc<Blame>,
    pub models: Vec<Arc<ServedModel>>,
}

/// Why a run stopped before its end.
enum Broken {
    /// The device failed: the job may go to another one.
    Device(String),
    /// The chip raised a fault or broke its prediction: the device or the program is at fault.
    Chip(String),
    /// The job cannot go on anywhere.
    Job(JobError),
}

impl From<GenerateError> for Broken {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Device(error) => Self::Device(error.to_string()),
            other => Self::Job(JobError::Refused(other.to_string())),
        }
    }
}

impl Worker {
    pub fn new(opener: Opener, status: Arc<DeviceStatus>, shared: Shared) -> Self {
        let Shared { queue, metrics, blame, models } = shared;
        Self { opener, status, queue, metrics, blame, models, loaded: None }
    }

    /// Serves until the queue is closed.
    pub fn run(mut self) {
        loop {
            let loaded = self.loaded.as_ref().map(|loaded| loaded.model.id.as_str());
            let Some(mut job) = self.queue.take(&self.status.name, loaded) else { return };
            if let Some(last) = self.blame.refused(&self.status.name, &job.request.model.id) {
                let model = job.request.model.id.clone();
                job.fail(JobError::Program { model, last });
                continue;
            }
            self.status.set(DeviceState::Busy);
            let (why, again) = match self.serve(&mut job) {
                Ok(finish) => {
                    self.status.set(DeviceState::Idle);
                    self.conclude(job, finish);
                    continue;
                }
                Err(Broken::Job(error)) => {
                    self.status.set(DeviceState::Idle);
                    job.fail(error);
                    continue;
                }
                Err(Broken::Device(why)) => (why, false),
                Err(Broken::Chip(why)) => {
                    let again = job.fails_again(&why);
                    (why, again)
                }
            };
            let model = Arc::clone(&job.request.model);
            if again {
                self.blame.refuse_everywhere(&model.id, &why);
            }
            self.give_up(job, &why);
            if !self.mend(&model, &why) {
                return;
            }
        }
    }

    fn serve(&mut self, job: &mut Job) -> Result<Finish, Broken> {
        let model = Arc::clone(&job.request.model);
        self.load(&model).map_err(Broken::Device)?;
        if let Some(waited) = job.begin() {
            self.metrics.queue_seconds.observe(waited.as_secs_f64());
        }
        let Some(loaded) = &mut self.loaded else {
            return Err(Broken::Device("no program is loaded".into()));
        };
        let generation = loaded.engine.generate(&job.request.prompt, &job.request.options)?;
        Run { generation, model: &model, status: &self.status, metrics: &self.metrics }.end(job)
    }

    fn conclude(&self, job: Job, finish: Finish) {
        if let Some(warning) = self.metrics.saturated(&job.request.model.id, finish.saturations) {
            tracing::warn!(model = job.request.model.id, "{warning}");
        }
        let abandoned = finish.reason == Reason::Cancelled;
        let outcome = if abandoned { "abandoned" } else { "finished" };
        self.metrics.answers.with_label_values(&[job.request.model.id.as_str(), outcome]).inc();
        if !abandoned {
            job.finish(finish.reason, finish.reused_tokens, Arc::clone(&self.status.name));
        }
    }

    /// Opens the device for a model and loads its program, unless that is what it holds.
    fn load(&mut self, model: &Arc<ServedModel>) -> Result<(), String> {
        if self.loaded.as_ref().is_some_and(|loaded| Arc::ptr_eq(&loaded.model, model)) {
            return Ok(());
        }
        // A line to a device is open once: it is closed before it is opened again.
        self.loaded = None;
        self.status.set_model(None);
        let device = (self.opener)(&model.image)?;
        let engine = Engine::new(device, &model.image, Some(model.tokenizer.clone()));
        let engine = engine.map_err(|error| error.to_string())?;
        self.status.set_model(Some(model.id.clone()));
        self.loaded = Some(Loaded { engine, model: Arc::clone(model) });
        Ok(())
    }

    /// Takes the device out of service and hands its job to another one.
    fn give_up(&mut self, job: Job, why: &str) {
        let device = Arc::clone(&self.status.name);
        let model = job.request.model.id.as_str();
        tracing::warn!(device = &*device, model, error = why, "device failed");
        self.loaded = None;
        self.status.set_model(None);
        self.status.set(DeviceState::Failed);
        self.metrics.device_failures.with_label_values(&[&*device]).inc();
        if let Some(job) = job.retry(&device, why.into()) {
            self.queue.put_back(job);
        }
    }

    /// Opens, loads and asks the device until it answers, with the program that failed or with another one, which it then refuses the
    /// first for. False when the server ends before.
    fn mend(&mut self, model: &Arc<ServedModel>, why: &str) -> bool {
        let mut failed = false;
        while !self.queue.is_closed_after(MEND_PAUSE) {
            if self.passes_trial(model) {
                if failed {
                    // The same program runs now: it was the device.
                    self.blame.forgive(&model.id);
                }
                self.come_back();
                return true;
            }
            failed = true;
            let others: Vec<_> = self.models.iter().filter(|other| other.id != model.id).cloned().collect();
            if others.iter().any(|other| self.passes_trial(other)) {
                let device = &self.status.name;
                tracing::warn!(device = &**device, model = model.id, error = why, "program refused");
                self.blame.refuse(device, &model.id, why);
                self.come_back();
                return true;
            }
        }
        false
    }

    fn come_back(&self) {
        tracing::info!(device = &*self.status.name, "device answers again");
        self.status.set(DeviceState::Idle);
        // Others may wait for what this device ends or refuses now.
        self.queue.wake();
    }

    fn passes_trial(&mut self, model: &Arc<ServedModel>) -> bool {
        let passed = self.load(model).and_then(|()| self.check()).is_ok();
        if !passed {
            self.loaded = None;
            self.status.set_model(None);
        }
        passed
    }

    /// Runs one position: a device that answers must also compute, in the predicted time.
    fn check(&mut self) -> Result<(), String> {
        let Some(Loaded { engine, model }) = &mut self.loaded else { return Err("nothing is loaded".into()) };
        let device = engine.device();
        let mut check = || -> Result<bool, DeviceError> {
            device.start(&RunRequest::greedy(&[0], 1))?;
            let step = device.next_step()?;
            let ended = device.next_step()?.is_none();
            let sound = device.faults()? == Fault::default();
            let expected = model.cycles.first().copied();
            Ok(ended && sound && step.map(|step| u64::from(step.cycles)) == expected)
        };
        match check() {
            Ok(true) => Ok(()),
            Ok(false) => Err("a trial position went wrong".into()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// One run of a job on a device.
struct Run<'a> {
    generation: Generation<'a>,
    model: &'a ServedModel,
    status: &'a DeviceStatus,
    metrics: &'a Metrics,
}

impl Run<'_> {
    fn end(mut self, job: &mut Job) -> Result<Finish, Broken> {
        let mut last = Instant::now();
        let mut made = 0;
        while let Some(event) = self.generation.next_event()? {
            match event {
                Event::Prompt(executed) => {
                    self.check(job, &executed)?;
                    self.tell_prompt(job, &executed);
                }
                Event::Token(token) => {
                    self.check(job, &token.executed)?;
                    let elapsed = std::mem::replace(&mut last, Instant::now()).elapsed();
                    let is_end = self.model.tokenizer.is_end(token.id);
                    self.tell(job, made, Token { made: token, is_end, elapsed })?;
                    made += 1;
                }
            }
            if job.is_abandoned() {
                self.generation.canceller().cancel();
            }
        }
        Ok(self.generation.finish()?)
    }

    /// A position with a fault or other cycles than predicted is a failure of the device.
    fn check(&mut self, job: &mut Job, executed: &Executed) -> Result<(), Broken> {
        let Executed { position, cycles_predicted, cycles_measured, .. } = *executed;
        job.count(cycles_predicted, cycles_measured);
        self.status.positions.fetch_add(1, Ordering::Relaxed);
        self.metrics.position(&self.model.id, cycles_predicted, cycles_measured);
        if cycles_predicted != cycles_measured {
            let why =
                format!("position {position} took {cycles_measured} cycles; expected {cycles_predicted}");
            return Err(Broken::Chip(why));
        }
        let faults = self.generation.faults()?;
        if faults != Fault::default() {
            let names = Fault::TABLE.iter().filter(|(fault, ..)| faults.contains(*fault));
            let names: Vec<&str> = names.map(|(_, name, _)| *name).collect();
            self.metrics.device_faults.with_label_values(&[&*self.status.name]).inc();
            return Err(Broken::Chip(format!("faults at position {position}: {}", names.join(", "))));
        }
        Ok(())
    }

    /// Tells the token that follows a position of the prompt, if that was asked for.
    fn tell_prompt(&self, job: &mut Job, executed: &Executed) {
        let index = executed.position + 1;
        let (Some(count), Some(&id)) = (job.request.options.logprobs, job.request.prompt.get(index)) else {
            return;
        };
        if job.request.tells_prompt() {
            let logprob = LogProb::of(&executed.natural_logits(&self.model.image.model), id, count);
            job.tell_prompt(index, PromptToken { id, logprob });
        }
    }

    /// Tells the answer's token number `index`, unless it was told before a device failed.
    fn tell(&self, job: &mut Job, index: usize, token: Token) -> Result<(), Broken> {
        let found = token.made.id;
        match job.told(index) {
            _ if job.request.reads_only => {}
            Some(expected) if expected == found => {}
            Some(expected) => return Err(Broken::Job(JobError::Different { expected, found })),
            None => {
                let elapsed = token.elapsed;
                job.tell(token);
                self.metrics.token(job, elapsed);
            }
        }
        Ok(())
    }
}

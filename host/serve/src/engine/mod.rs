//! From requests to tokens: one thread a device, one queue for all.
//!
//! ```text
//!  API ── Job ──► Queue ──► worker (device) ── Event ──► API
//!                   ▲           │
//!                   └── retry ──┘ the device failed: another begins again and skips the tokens already told
//! ```
//!
//! # Invariants
//! 1. A token is told once, and only after the device showed no fault and took the predicted cycles.
//! 2. A run begun again must choose the tokens already told; if it does not, the request fails, it never goes on with other text.
//! 3. A program that faults takes no device with it: the device comes back with another program, and the model's requests fail.
//! 4. A job whose listener is gone ends at the next token.

mod blame;
mod job;
mod listener;
mod queue;
mod worker;

pub use job::{Event, Finished, Job, JobError, JobRequest, PromptToken, Token};
pub use listener::{Events, listen};
pub use queue::{Queue, QueueFull};
pub use worker::{DeviceState, DeviceStatus, Opener};

use super::metrics::Metrics;
use super::model::ServedModel;
use blame::Blame;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use worker::{Shared, Worker};

/// A device to start: its name and how to open it.
pub struct DeviceSpec {
    pub name: String,
    pub opener: Opener,
}

/// All devices with their queue.
pub struct Engine {
    queue: Arc<Queue>,
    devices: Vec<Arc<DeviceStatus>>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Starts a thread for each device. `waiting_max` bounds the queue.
    pub fn start(
        devices: Vec<DeviceSpec>,
        models: &[Arc<ServedModel>],
        waiting_max: usize,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let states: Vec<Arc<DeviceStatus>> =
            devices.iter().map(|spec| Arc::new(DeviceStatus::new(&spec.name, metrics))).collect();
        let blame = Arc::new(Blame::new(states.iter().map(|status| Arc::clone(&status.name)).collect()));
        let queue = Arc::new(Queue::new(waiting_max, Arc::clone(metrics), Arc::clone(&blame)));
        let mut workers = Vec::new();
        for (DeviceSpec { name, opener }, status) in devices.into_iter().zip(&states) {
            let shared = Shared {
                queue: Arc::clone(&queue),
                metrics: Arc::clone(metrics),
                blame: Arc::clone(&blame),
                models: models.to_vec(),
            };
            let status = Arc::clone(status);
            // A device stays on the thread that opens it.
            let run = move || Worker::new(opener, status, shared).run();
            workers.push(std::thread::Builder::new().name(name).spawn(run)?);
        }
        Ok(Self { queue, devices: states, workers: Mutex::new(workers) })
    }

    /// Queues a job.
    ///
    /// # Errors
    /// When as many jobs wait as may.
    pub fn submit(&self, jobs: Vec<Job>) -> Result<(), QueueFull> {
        self.queue.submit(jobs)
    }

    /// The devices in the order of their numbers.
    pub fn devices(&self) -> &[Arc<DeviceStatus>] {
        &self.devices
    }

    /// Whether any device works.
    pub fn is_ready(&self) -> bool {
        self.devices.iter().any(|device| device.state() != DeviceState::Failed)
    }

    /// Ends all workers after their current token, and waits for them.
    pub fn stop(&self) {
        self.queue.close();
        let workers = std::mem::take(&mut *self.workers.lock().unwrap_or_else(|broken| broken.into_inner()));
        for worker in workers {
            // A worker that panicked has already told so on standard error.
            _ = worker.join();
        }
    }
}

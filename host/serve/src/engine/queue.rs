//! Who is served next: clients take turns, and a device prefers the model that it holds, within limits.
//!
//! Each client has a line of jobs. A device takes the first job that it may run from the line whose turn it is; the line then
//! goes to the end. A job of another model than the device holds may be passed over [`PASSED_MAX`] times. A device passes over the
//! programs that it refuses while another one may run them.

use super::blame::Blame;
use super::job::{Job, JobError};
use crate::metrics::Metrics;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Times that the job whose turn it is may be passed over by jobs that need no loading.
const PASSED_MAX: u32 = 4;

/// As many jobs wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} requests wait already, and at most {max} may; try again later")]
pub struct QueueFull {
    pub waiting: usize,
    pub max: usize,
}

/// Jobs that wait for a device.
pub struct Queue {
    lines: Mutex<Lines>,
    changed: Condvar,
    waiting_max: usize,
    metrics: Arc<Metrics>,
    blame: Arc<Blame>,
}

#[derive(Default)]
struct Lines {
    lines: VecDeque<Line>,
    passed: u32,
    closed: bool,
}

struct Line {
    client: Arc<str>,
    jobs: VecDeque<Job>,
}

impl Queue {
    pub fn new(waiting_max: usize, metrics: Arc<Metrics>, blame: Arc<Blame>) -> Self {
        Self { lines: Mutex::default(), changed: Condvar::new(), waiting_max, metrics, blame }
    }

    /// Adds the jobs of one request, all or none.
    pub fn submit(&self, jobs: Vec<Job>) -> Result<(), QueueFull> {
        let mut lines = self.lock();
        let waiting = lines.waiting();
        if waiting + jobs.len() > self.waiting_max {
            return Err(QueueFull { waiting, max: self.waiting_max });
        }
        for job in jobs {
            lines.push(job, false);
        }
        self.tell(&lines);
        Ok(())
    }

    /// Takes back a job whose device failed: it comes first.
    pub fn put_back(&self, job: Job) {
        let mut lines = self.lock();
        lines.push(job, true);
        self.tell(&lines);
    }

    /// Has all devices look for jobs anew.
    pub fn wake(&self) {
        // With the lock, so that nobody is between looking and waiting.
        self.tell(&self.lock());
    }

    /// Waits for a job that `device` may run, which holds the model `loaded`. `None` when the queue is closed.
    pub fn take(&self, device: &Arc<str>, loaded: Option<&str>) -> Option<Job> {
        let mut lines = self.lock();
        loop {
            if lines.closed {
                return None;
            }
            lines.drop_abandoned();
            let job = lines.take(|job| self.may_run(device, job), loaded);
            self.metrics.waiting.set(lines.waiting() as i64);
            if job.is_some() {
                return job;
            }
            lines = self.changed.wait(lines).unwrap_or_else(|broken| broken.into_inner());
        }
    }

    /// Whether a device may run a job, or is the one to end it.
    fn may_run(&self, device: &Arc<str>, job: &Job) -> bool {
        let model = &job.request.model.id;
        match job.request.device.as_deref() {
            Some(wanted) => wanted == &**device,
            None => self.blame.refused(device, model).is_none() || self.blame.refused_everywhere(model),
        }
    }

    /// Waits, and says whether the queue was closed meanwhile.
    pub fn is_closed_after(&self, pause: Duration) -> bool {
        let wait = self.changed.wait_timeout_while(self.lock(), pause, |lines| !lines.closed);
        wait.unwrap_or_else(|broken| broken.into_inner()).0.closed
    }

    /// Ends the jobs that wait, and the workers when they ask for the next one.
    pub fn close(&self) {
        let mut lines = self.lock();
        lines.closed = true;
        for line in std::mem::take(&mut lines.lines) {
            line.jobs.into_iter().for_each(|job| job.fail(JobError::Closing));
        }
        self.tell(&lines);
    }

    fn tell(&self, lines: &Lines) {
        self.metrics.waiting.set(lines.waiting() as i64);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // The lines are sound at every point where a thread could have panicked.
        self.lines.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Lines {
    fn waiting(&self) -> usize {
        self.lines.iter().map(|line| line.jobs.len()).sum()
    }

    fn push(&mut self, job: Job, first: bool) {
        if self.closed {
            return job.fail(JobError::Closing);
        }
        let place = self.lines.iter().position(|line| line.client == job.client);
        let mut line = match place.and_then(|place| self.lines.remove(place)) {
            Some(line) => line,
            None => Line { client: Arc::clone(&job.client), jobs: VecDeque::new() },
        };
        if first {
            line.jobs.push_front(job);
            return self.lines.push_front(line);
        }
        line.jobs.push_back(job);
        let place = place.unwrap_or(self.lines.len());
        self.lines.insert(place, line);
    }

    fn drop_abandoned(&mut self) {
        for line in &mut self.lines {
            line.jobs.retain(|job| !job.is_abandoned());
        }
        self.lines.retain(|line| !line.jobs.is_empty());
    }

    fn take(&mut self, allowed: impl Fn(&Job) -> bool, loaded: Option<&str>) -> Option<Job> {
        let first = self.find(&allowed)?;
        let same = |job: &Job| allowed(job) && loaded == Some(job.request.model.id.as_str());
        let preferred = if self.passed < PASSED_MAX { self.find(same) } else { None };
        let chosen = preferred.unwrap_or(first);
        self.passed = if chosen == first { 0 } else { self.passed + 1 };
        let mut line = self.lines.remove(chosen.0)?;
        let job = line.jobs.remove(chosen.1);
        if !line.jobs.is_empty() {
            self.lines.push_back(line);
        }
        job
    }

    /// Line and place of the first job that fulfils a condition, in the order of turns.
    fn find(&self, fulfils: impl Fn(&Job) -> bool) -> Option<(usize, usize)> {
        let mut lines = self.lines.iter().enumerate();
        lines.find_map(|(line, jobs)| Some((line, jobs.jobs.iter().position(&fulfils)?)))
    }
}

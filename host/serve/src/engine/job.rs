//! A text to be made, what is told of it, and how far it has come.

use super::listener::Listener;
use crate::keys::Ticket;
use crate::model::ServedModel;
use lpu_runtime::sampling::{self, LogProb, Options, Reason};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Devices that a job may lose before it is given up.
const FAILURES_MAX: u32 = 4;

/// What is to be made.
#[derive(Clone)]
pub struct JobRequest {
    pub model: Arc<ServedModel>,
    /// Tokens that begin the text: at least one, no more than the context.
    pub prompt: Vec<u32>,
    pub options: Options,
    /// Only this device may run it.
    pub device: Option<String>,
    /// Only the prompt is of interest: no token of the answer is told.
    pub reads_only: bool,
}

impl JobRequest {
    /// Whether each token of the prompt is told, with its log-probability.
    pub fn tells_prompt(&self) -> bool {
        self.options.keep_logits && self.options.logprobs.is_some()
    }
}

/// One token of a prompt, beyond its first.
#[derive(Clone, Debug)]
pub struct PromptToken {
    pub id: u32,
    /// What the model expected after the tokens before it.
    pub logprob: LogProb,
}

/// One token of an answer.
#[derive(Clone, Debug)]
pub struct Token {
    pub made: sampling::Token,
    /// Whether it ends texts and is none itself.
    pub is_end: bool,
    /// Since the token before, measured at the device.
    pub elapsed: Duration,
}

/// An answer's end.
#[derive(Clone, Debug)]
pub struct Finished {
    pub reason: Reason,
    pub device: Arc<str>,
    /// Devices that failed while they made this answer.
    pub retries: u32,
    pub prompt_tokens: usize,
    pub completion_tokens: usize,
    /// Positions of the prompt that the device still held from its last run.
    pub reused_tokens: usize,
    /// Executed positions, those of the prompt included; the cycles are theirs.
    pub positions: usize,
    pub cycles_predicted: u64,
    pub cycles_measured: u64,
    pub queue: Duration,
    pub prompt: Duration,
    pub completion: Duration,
    pub seed: u64,
}

/// Why an answer could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    #[error("{failures} devices failed while they made this answer, the last with: {last}. Try again later")]
    Devices { failures: u32, last: String },
    #[error(
        "the device `{device}` failed and the request allows no other: {last}. Leave out `x_lpu.device`, or try again later"
    )]
    Pinned { device: String, last: String },
    #[error(
        "after a device failed, another chose token {found} where {expected} was told: the answer ends here, and the devices \
         must be checked with `lpu bench`"
    )]
    Different { expected: u32, found: u32 },
    #[error(
        "the program of the model `{model}` fails on every device that may run it, and other programs do not: {last}. \
         Compile the model again, and check the image with `lpu check`"
    )]
    Program { model: String, last: String },
    #[error("{0}")]
    Refused(String),
    #[error("the server is shutting down; send the request to another one")]
    Closing,
}

/// What a listener is told.
#[derive(Clone, Debug)]
pub enum Event {
    Prompt(PromptToken),
    Token(Token),
    Finished(Box<Finished>),
    Failed(JobError),
}

/// A request with its progress, which survives the device that made it.
pub struct Job {
    pub request: JobRequest,
    /// Who asks: jobs of one client wait for each other.
    pub client: Arc<str>,
    choice: usize,
    listener: Listener,
    ticket: Option<Arc<Ticket>>,
    submitted: Instant,
    /// When a device first began.
    begun: Option<Instant>,
    first_token: Option<Instant>,
    told: Vec<u32>,
    /// Tokens of the prompt told.
    told_prompt: usize,
    positions: usize,
    cycles: [u64; 2],
    failures: u32,
    /// The fault of the chip that ended the last run.
    fault: Option<String>,
}

impl Job {
    /// A job for one choice of an answer.
    pub fn new(
        request: JobRequest,
        client: Arc<str>,
        choice: usize,
        listener: Listener,
        ticket: Option<Arc<Ticket>>,
    ) -> Self {
        Self {
            request,
            client,
            choice,
            listener,
            ticket,
            submitted: Instant::now(),
            begun: None,
            first_token: None,
            told: Vec::new(),
            told_prompt: 0,
            positions: 0,
            cycles: [0; 2],
            failures: 0,
            fault: None,
        }
    }

    /// Remembers a fault of the chip, and says whether the last run ended with the same.
    pub fn fails_again(&mut self, fault: &str) -> bool {
        self.fault.replace(fault.into()).as_deref() == Some(fault)
    }

    /// Whether nobody listens any more.
    pub fn is_abandoned(&self) -> bool {
        self.listener.is_gone()
    }

    /// A device begins. Gives the time in the queue, once.
    pub fn begin(&mut self) -> Option<Duration> {
        self.cycles = [0; 2];
        self.positions = 0;
        if self.begun.is_some() {
            return None;
        }
        let now = Instant::now();
        self.begun = Some(now);
        Some(now - self.submitted)
    }

    /// Counts a position's cycles.
    pub fn count(&mut self, predicted: u64, measured: u64) {
        self.positions += 1;
        self.cycles[0] += predicted;
        self.cycles[1] += measured;
    }

    /// The token that must come as number `index`, if it was told before a device failed.
    pub fn told(&self, index: usize) -> Option<u32> {
        self.told.get(index).copied()
    }

    /// Tokens told.
    pub fn told_count(&self) -> usize {
        self.told.len()
    }

    /// Time from the submission to the first token.
    pub fn time_to_first_token(&self) -> Option<Duration> {
        self.first_token.map(|first| first - self.submitted)
    }

    /// Tells the prompt's token number `index`, unless it was told before a device failed.
    pub fn tell_prompt(&mut self, index: usize, token: PromptToken) {
        if index > self.told_prompt {
            self.told_prompt = index;
            self.send(Event::Prompt(token));
        }
    }

    /// Tells the next token.
    pub fn tell(&mut self, token: Token) {
        self.first_token.get_or_insert_with(Instant::now);
        self.told.push(token.made.id);
        self.send(Event::Token(token));
    }

    /// Ends the job.
    pub fn finish(mut self, reason: Reason, reused_tokens: usize, device: Arc<str>) {
        // Before anybody hears of the end, so that the next request meets the new count.
        self.charge();
        let now = Instant::now();
        let begun = self.begun.unwrap_or(now);
        let first = self.first_token.unwrap_or(now);
        let finished = Finished {
            reason: if self.request.reads_only { Reason::Length } else { reason },
            device,
            retries: self.failures,
            prompt_tokens: self.request.prompt.len(),
            completion_tokens: self.told.len(),
            reused_tokens,
            positions: self.positions,
            cycles_predicted: self.cycles[0],
            cycles_measured: self.cycles[1],
            queue: begun - self.submitted,
            prompt: first - begun,
            completion: now - first,
            seed: self.request.options.seed,
        };
        self.send(Event::Finished(Box::new(finished)));
    }

    /// Ends the job without an answer.
    pub fn fail(self, error: JobError) {
        self.send(Event::Failed(error));
    }

    /// A device failed: gives the job back for another one, or ends it.
    pub fn retry(mut self, device: &str, last: String) -> Option<Self> {
        self.failures += 1;
        let failures = self.failures;
        if self.request.device.is_some() {
            self.fail(JobError::Pinned { device: device.into(), last });
            return None;
        }
        if failures >= FAILURES_MAX {
            self.fail(JobError::Devices { failures, last });
            return None;
        }
        Some(self)
    }

    /// Counts the tokens of prompt and answer, once.
    fn charge(&mut self) {
        if let (Some(ticket), Some(_)) = (self.ticket.take(), self.begun) {
            ticket.charge((self.request.prompt.len() + self.told.len()) as u64);
        }
    }

    fn send(&self, event: Event) {
        self.listener.tell(self.choice, event);
    }
}

impl Drop for Job {
    /// What was made is charged, whether it was heard or not.
    fn drop(&mut self) {
        self.charge();
    }
}

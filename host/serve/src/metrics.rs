//! What operators watch, in Prometheus' text form. Times are measured at the devices, not at the network.

use super::engine::Job;
use lpu_runtime::saturation;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, exponential_buckets,
};
use std::time::Duration;

/// All measurements of a server.
pub struct Metrics {
    registry: Registry,
    pub requests: IntCounterVec,
    pub request_seconds: HistogramVec,
    pub connections: IntGauge,
    pub waiting: IntGauge,
    pub queue_seconds: Histogram,
    pub first_token_seconds: HistogramVec,
    pub between_tokens_seconds: HistogramVec,
    pub answers: IntCounterVec,
    pub tokens: IntCounterVec,
    pub positions: IntCounterVec,
    pub cycles: IntCounterVec,
    pub cycles_per_token: HistogramVec,
    pub device_up: IntGaugeVec,
    pub device_failures: IntCounterVec,
    pub device_faults: IntCounterVec,
    saturated_rows: IntCounterVec,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// When two measurements have one name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let times = |start: f64| exponential_buckets(start, 2.0, 20);
        let made = Self {
            requests: counters("lpu_requests_total", "Answered requests.", &["route", "status"])?,
            request_seconds: histograms(
                "lpu_request_seconds",
                "Time to the head of an answer.",
                &["route"],
                times(1e-4)?,
            )?,
            connections: IntGauge::new("lpu_connections", "Open connections.")?,
            waiting: IntGauge::new("lpu_queue_length", "Answers that wait for a device.")?,
            queue_seconds: Histogram::with_opts(
                HistogramOpts::new("lpu_queue_seconds", "Time in the queue.").buckets(times(1e-5)?),
            )?,
            first_token_seconds: histograms(
                "lpu_time_to_first_token_seconds",
                "From the request to its first token, queue included.",
                &["model"],
                times(1e-4)?,
            )?,
            between_tokens_seconds: histograms(
                "lpu_time_between_tokens_seconds",
                "Between two tokens, at the device.",
                &["model"],
                times(1e-5)?,
            )?,
            answers: counters("lpu_answers_total", "Answers that a device ended.", &["model", "outcome"])?,
            tokens: counters("lpu_tokens_total", "Tokens of answers.", &["model"])?,
            positions: counters("lpu_positions_total", "Executed positions, prompts included.", &["model"])?,
            cycles: counters("lpu_cycles_total", "Chip cycles of executed positions.", &["model", "kind"])?,
            cycles_per_token: histograms(
                "lpu_cycles_per_token",
                "Measured chip cycles of a position.",
                &["model"],
                exponential_buckets(512.0, 1.25, 24)?,
            )?,
            device_up: IntGaugeVec::new(
                Opts::new("lpu_device_up", "1 while the device works."),
                &["device"],
            )?,
            device_failures: counters(
                "lpu_device_failures_total",
                "Times a device was taken out.",
                &["device"],
            )?,
            device_faults: counters("lpu_device_faults_total", "Runs with fault flags.", &["device"])?,
            saturated_rows: counters(
                "lpu_saturated_rows_total",
                "Rows in which a value was cut off at the limit of its format.",
                &["model"],
            )?,
            registry,
        };
        made.register()?;
        Ok(made)
    }

    fn register(&self) -> prometheus::Result<()> {
        let counters = [&self.requests, &self.answers, &self.tokens, &self.positions, &self.cycles];
        let of_devices = [&self.device_failures, &self.device_faults];
        for counters in counters.into_iter().chain(of_devices).chain([&self.saturated_rows]) {
            self.registry.register(Box::new(counters.clone()))?;
        }
        let histograms = [&self.first_token_seconds, &self.between_tokens_seconds, &self.cycles_per_token];
        for histograms in histograms.into_iter().chain([&self.request_seconds]) {
            self.registry.register(Box::new(histograms.clone()))?;
        }
        for gauge in [&self.connections, &self.waiting] {
            self.registry.register(Box::new(gauge.clone()))?;
        }
        self.registry.register(Box::new(self.device_up.clone()))?;
        self.registry.register(Box::new(self.queue_seconds.clone()))
    }

    /// Counts an executed position.
    pub fn position(&self, model: &str, predicted: u64, measured: u64) {
        self.positions.with_label_values(&[model]).inc();
        self.cycles.with_label_values(&[model, "predicted"]).inc_by(predicted);
        self.cycles.with_label_values(&[model, "measured"]).inc_by(measured);
        self.cycles_per_token.with_label_values(&[model]).observe(measured as f64);
    }

    /// Counts rows that saturated in an answer, and gives what to tell of a model's first.
    pub fn saturated(&self, model: &str, rows: u64) -> Option<String> {
        let counter = self.saturated_rows.with_label_values(&[model]);
        let is_first = counter.get() == 0;
        counter.inc_by(rows);
        saturation::warning(rows).filter(|_| is_first)
    }

    /// Counts a token of an answer.
    pub fn token(&self, job: &Job, elapsed: Duration) {
        let model = job.request.model.id.as_str();
        self.tokens.with_label_values(&[model]).inc();
        match (job.told_count(), job.time_to_first_token()) {
            (1, Some(waited)) => {
                self.first_token_seconds.with_label_values(&[model]).observe(waited.as_secs_f64());
            }
            _ => self.between_tokens_seconds.with_label_values(&[model]).observe(elapsed.as_secs_f64()),
        }
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// When a measurement cannot be written.
    pub fn text(&self) -> prometheus::Result<String> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn counters(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn histograms(
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: Vec<f64>,
) -> prometheus::Result<HistogramVec> {
    HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_have_the_form_of_prometheus() {
        let metrics = Metrics::new().expect("all names differ");
        metrics.position("tiny", 900, 900);
        let text = metrics.text().expect("text");
        assert!(text.contains("lpu_cycles_total{kind=\"measured\",model=\"tiny\"} 900\n"), "{text}");
        assert!(text.contains("# TYPE lpu_cycles_per_token histogram\n"), "{text}");
    }
}

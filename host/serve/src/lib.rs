//! `lpu serve`: models behind the interfaces that users' tools already speak.
//!
//! ```text
//!  clients ─► listen (limits) ─► api (families, keys) ─► engine (queue, devices) ─► lpu_sim::Device
//! ```
//!
//! # Invariants
//! 1. A field of a request is honoured, without effect, or refused; one that would change the answer is never ignored.
//! 2. Whatever a client sends, holds back or stops reading, it takes a bounded share of memory, time and connections.
//! 3. What is told is the device's own text: see [`engine`].

mod api;
mod engine;
mod keys;
mod listen;
mod metrics;
mod model;

pub use api::{DocumentedField, documented_fields, openapi};
pub use engine::{DeviceSpec, Opener};
pub use keys::{KeyError, UsageError, create as create_key};
pub use model::ServedModel;

use api::Server;
use engine::Engine;
use keys::{Keys, Usage};
use metrics::Metrics;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// What a client may take at most.
#[derive(Clone, Debug)]
pub struct Limits {
    pub body_bytes_max: usize,
    /// Time for a body to arrive.
    pub body_timeout: Duration,
    /// Time for a header to arrive, and for a connection to stay without a request.
    pub header_timeout: Duration,
    pub header_bytes_max: usize,
    /// Time for the network to take a part of an answer.
    pub write_timeout: Duration,
    pub connections_max: usize,
    /// Answers that wait for a device.
    pub waiting_max: usize,
    /// Time without any event of an answer.
    pub patience: Duration,
    /// Time for answers to end when the server does.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            body_timeout: Duration::from_secs(20),
            header_timeout: Duration::from_secs(30),
            header_bytes_max: 32 << 10,
            write_timeout: Duration::from_secs(30),
            connections_max: 4096,
            waiting_max: 256,
            patience: Duration::from_secs(120),
            drain: Duration::from_secs(30),
        }
    }
}

/// A server to start.
pub struct Settings {
    pub models: Vec<ServedModel>,
    pub devices: Vec<DeviceSpec>,
    pub address: SocketAddr,
    /// File of keys; without one, anybody may ask.
    pub keys: Option<PathBuf>,
    /// File of usage.
    pub usage: Option<PathBuf>,
    /// Allows a public address without keys.
    pub is_open_to_all: bool,
    /// The first model answers requests for names that no model has.
    pub answers_any_name: bool,
    pub limits: Limits,
}

/// Why a server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(
        "{0} is reachable from other machines and no keys are set, so that anybody could ask; expected --keys FILE, \
         a loopback address such as 127.0.0.1, or --open-to-all"
    )]
    Open(SocketAddr),
    #[error("two models are named `{0}`; expected a name of its own for each: write NAME=FILE")]
    Twice(String),
    #[error(
        "cannot listen on {address}: {source}. End the program that uses the port, or choose another with --port"
    )]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot start the threads of the devices: {0}")]
    Threads(std::io::Error),
    #[error("cannot set up the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A server that listens.
pub struct Running {
    server: Arc<Server>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Running {
    /// Starts devices and listens.
    ///
    /// # Errors
    /// When a file or the address cannot be used, or the settings would let anybody in unasked.
    pub async fn start(settings: Settings) -> Result<Self, ServeError> {
        let Settings { models, devices, address, keys, usage, is_open_to_all, answers_any_name, limits } =
            settings;
        if !address.ip().is_loopback() && keys.is_none() && !is_open_to_all {
            return Err(ServeError::Open(address));
        }
        let mut names: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ServeError::Twice(pair[0].into()));
        }
        let keys = keys.as_deref().map(Keys::open).transpose()?;
        let usage = Usage::open(usage.as_deref())?;
        // Each connection is a file; where the system allows fewer, fewer connections are accepted.
        _ = rlimit::increase_nofile_limit(limits.connections_max as u64 + 64);
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ServeError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
        let metrics = Arc::new(Metrics::new()?);
        let models: Vec<Arc<ServedModel>> = models.into_iter().map(Arc::new).collect();
        let engine = Engine::start(devices, &models, limits.waiting_max, &metrics);
        let engine = engine.map_err(ServeError::Threads)?;
        let draining = AtomicBool::new(false);
        let server =
            Arc::new(Server { models, engine, metrics, keys, usage, limits, draining, answers_any_name });
        Ok(Self { server, listener, address })
    }

    /// Where it listens; with port 0 the system has chosen one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready; then takes no new requests, lets answers end, and writes the usage.
    pub async fn until(self, shutdown: impl Future<Output = ()>) {
        let Self { server, listener, .. } = self;
        let router = api::router(Arc::clone(&server));
        let drain = || server.draining.store(true, Ordering::Relaxed);
        listen::serve(listener, router, &server, shutdown, drain).await;
        let stopped = tokio::task::spawn_blocking(move || {
            server.engine.stop();
            server.usage.close();
        });
        // The threads tell their own failures.
        _ = stopped.await;
    }
}

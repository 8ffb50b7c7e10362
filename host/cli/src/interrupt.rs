//! Ctrl-C as a wish to end the answer, not the command.

use super::Failure;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Ctrl-C was pressed.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on. A second Ctrl-C before the first was heeded ends the process as usual.
    pub fn listen() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        let listening = flag::register_conditional_default(SIGINT, asked.clone())
            .and_then(|_| flag::register(SIGINT, asked.clone()));
        listening.map_err(|error| Failure::machine(format!("cannot listen to Ctrl-C: {error}")))?;
        Ok(Self(asked))
    }

    /// Whether it was pressed since the last time that this was asked.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

//! Whether a device or a program is at fault.
//!
//! A chip that raises a fault flag, or takes other cycles than predicted, does not say why. Two observations do: a device that runs one
//! program and not another refuses the other, and a fault that comes back at the same position after the device has passed a trial
//! is the program's, whatever device runs it. A program that every device refuses ends its requests with an error; the devices serve
//! the other programs on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Time after which a refused program is tried again: a device may have been mended, or blamed the wrong one.
const REFUSAL: Duration = Duration::from_secs(60);

/// The programs that devices refuse.
pub struct Blame {
    devices: Vec<Arc<str>>,
    refusals: Mutex<HashMap<(Arc<str>, String), Refusal>>,
}

#[derive(Clone)]
struct Refusal {
    why: String,
    since: Instant,
}

impl Blame {
    pub fn new(devices: Vec<Arc<str>>) -> Self {
        Self { devices, refusals: Mutex::default() }
    }

    /// A device refuses a model's program.
    pub fn refuse(&self, device: &Arc<str>, model: &str, why: &str) {
        let refusal = Refusal { why: why.into(), since: Instant::now() };
        self.lock().insert((Arc::clone(device), model.into()), refusal);
    }

    /// All devices refuse it.
    pub fn refuse_everywhere(&self, model: &str, why: &str) {
        self.devices.iter().for_each(|device| self.refuse(device, model, why));
    }

    /// The model's program is not at fault after all.
    pub fn forgive(&self, model: &str) {
        self.lock().retain(|(_, refused), _| refused != model);
    }

    /// Why a device refuses a model's program, if it does.
    pub fn refused(&self, device: &Arc<str>, model: &str) -> Option<String> {
        let refusals = self.lock();
        let refusal = refusals.get(&(Arc::clone(device), model.into()))?;
        (refusal.since.elapsed() < REFUSAL).then(|| refusal.why.clone())
    }

    /// Whether every device refuses a model's program.
    pub fn refused_everywhere(&self, model: &str) -> bool {
        self.devices.iter().all(|device| self.refused(device, model).is_some())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Arc<str>, String), Refusal>> {
        // The map is sound at every point where a thread could have panicked.
        self.refusals.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_refused_by_one_device_or_by_all_and_forgiven() {
        let devices: Vec<Arc<str>> = vec!["a".into(), "b".into()];
        let blame = Blame::new(devices.clone());
        assert!(!blame.refused_everywhere("m"));
        blame.refuse(&devices[0], "m", "too early");
        assert_eq!(blame.refused(&devices[0], "m"), Some("too early".into()));
        assert_eq!(blame.refused(&devices[1], "m"), None);
        assert_eq!(blame.refused(&devices[0], "n"), None);
        assert!(!blame.refused_everywhere("m"));
        blame.refuse_everywhere("m", "again");
        assert!(blame.refused_everywhere("m"));
        blame.forgive("m");
        assert_eq!(blame.refused(&devices[0], "m"), None);
    }
}

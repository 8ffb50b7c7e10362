//! What the slice does, worked out without registers.

use super::shape::Shape;

/// What a cycle of the memory's time is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    pub refresh: bool,
    pub slot: bool,
}

/// The memory's time under `segment` and `hold` of each cycle.
pub fn frames(shape: &Shape, script: &[(bool, bool)]) -> Vec<Time> {
    let mut began: Option<usize> = None;
    let mut times = vec![];
    for (t, (segment, hold)) in script.iter().enumerate() {
        let frame = began.map(|began| t - began);
        let slot = |cycle: usize| {
            let after = cycle.checked_sub(shape.refresh)?;
            Some(after % shape.granule() == 0 && after / shape.granule() < shape.slots())
        };
        times.push(Time {
            refresh: frame == Some(shape.refresh_cycle),
            slot: frame.and_then(slot).unwrap_or(false),
        });
        let ended = frame.is_none_or(|cycle| cycle + 1 >= shape.frame);
        if *segment || (ended && !hold) {
            began = Some(t + 1);
        }
    }
    times
}

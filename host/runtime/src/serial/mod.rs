//! Boards on a serial line: the host's side of [`lpu_isa::link`].
//!
//! ```text
//!  SerialDevice (verbs of a device) ─► Link (requests, answers, patience) ─► Line (bytes, time)
//!     load.rs: windows, resume                                                ├─ Port: a serial port of this machine
//!                                                                             ├─ Recorder: any line, and a file of what passed
//!                                                                             └─ tests: a board in memory, time in their hands
//! ```
//!
//! # Invariants
//! 1. Every wait ends: with an answer, or after the patience of [`Options`] with an error that says what to do.
//! 2. A step is handed out only if its run is the caller's and every step before it was.

mod device;
mod line;
mod link;
mod load;
mod port;
mod record;

pub use device::{Options, Progress, SerialDevice};
pub use line::Line;
pub use load::stored_program;
pub use port::{Found, Port, find, only, open};
pub use record::{Recorder, Replay};

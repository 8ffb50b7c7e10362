//! The slice before the memory's model.

mod bus;
mod host;
mod transfers;

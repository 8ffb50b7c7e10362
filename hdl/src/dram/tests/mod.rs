//! The slice before the memory's model.

mod bus;
mod expected;
mod host;
mod transfers;

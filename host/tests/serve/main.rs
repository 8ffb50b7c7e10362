//! The server under what clients, devices and machines do to it.

mod boards;
mod fairness;
mod faults;
mod flaky;
mod keys;
mod limits;
mod operation;
mod proxy;
mod support;

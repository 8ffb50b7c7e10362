//! The server under what clients, devices and machines do to it.

mod fairness;
mod faults;
mod keys;
mod limits;
mod proxy;
mod support;

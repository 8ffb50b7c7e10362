//! The server under what clients, devices and machines do to it.

mod boards;
mod fairness;
mod faults;
mod fields;
mod flaky;
mod http;
mod keys;
mod limits;
mod logprobs;
mod operation;
mod proxy;
mod support;

//! Bytes of the line into the host's side of the link.
#![no_main]

#[path = "../link.rs"]
mod link;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| link::host(bytes));

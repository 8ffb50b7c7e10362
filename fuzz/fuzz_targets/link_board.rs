//! Bytes of the line into a board's firmware.
#![no_main]

#[path = "../link.rs"]
mod link;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| link::board(bytes));

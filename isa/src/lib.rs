//! The one source of encodings, latencies, geometry and arithmetic rules.
#![no_std]
#![forbid(unsafe_code)]

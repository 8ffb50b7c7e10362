//! Import, quantise, compile, verify, devices and serving.

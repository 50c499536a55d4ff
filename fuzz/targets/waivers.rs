#![no_main]
//! The target `waivers`: see `fuzz/harness.rs`.
#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::waivers(data));

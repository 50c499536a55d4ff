#![no_main]
//! The target `waivers`: see `fuzz/harness.rs`.
#[path = "../harness.rs"]
#[expect(dead_code, reason = "each target has its own part")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::waivers(data));

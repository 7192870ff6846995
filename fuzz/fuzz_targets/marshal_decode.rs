//! Whatever a guest answers, the host reads it without panicking, in bounded time and memory.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| granary_sandbox::decode_hostile(data));

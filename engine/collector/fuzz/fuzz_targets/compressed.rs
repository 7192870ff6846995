//! Compressed bodies are opened within the limit.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| granary_collector::hostile::compressed(data));

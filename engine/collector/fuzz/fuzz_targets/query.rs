//! Queries are read for the client's id and for redirects.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| granary_collector::hostile::query(data));

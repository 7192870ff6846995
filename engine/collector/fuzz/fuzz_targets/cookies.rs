//! Headers with cookies and encodings are read, and cookies set.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| granary_collector::hostile::cookies(data));

//! Records are read, whoever wrote them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| granary_collector::hostile::record(data));

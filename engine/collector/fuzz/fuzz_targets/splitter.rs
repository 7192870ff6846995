//! Bodies too large for one record are split without losing an event.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| granary_collector::hostile::splitter(data));

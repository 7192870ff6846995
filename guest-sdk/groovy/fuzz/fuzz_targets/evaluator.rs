//! Scripts stay within their limits.

#![no_main]

use granary_groovy_fuzz::{hostile, meter, mutate};

libfuzzer_sys::fuzz_target!(|data: &[u8]| meter::run(|| hostile::evaluator(data, &mut meter::Bounds)));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::mutate(data, size, max_size, seed)
});

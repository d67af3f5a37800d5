#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::f11_htu_normaliser(data));

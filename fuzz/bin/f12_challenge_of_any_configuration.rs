#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::f12_challenge_of_any_configuration(data));

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::f01_compact_split(data));

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::f03_jose_header(data));

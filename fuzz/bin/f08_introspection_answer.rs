#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::f08_introspection_answer(data));

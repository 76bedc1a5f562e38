#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| defender_model_fuzz::page(body));

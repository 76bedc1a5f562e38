#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| defender_emulator_fuzz::requests(text));

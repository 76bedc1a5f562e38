#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| defender_actions_fuzz::journal(input));

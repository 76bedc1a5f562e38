#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| defender_fleet_fuzz::plan(input));

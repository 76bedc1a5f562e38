#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| defender_auth_fuzz::azure_cli(input));

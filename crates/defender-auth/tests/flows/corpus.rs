//! Replay of the fuzzing corpus without a fuzzer: see `fuzz/`.
#![allow(clippy::print_stdout, reason = "the name of an input is visible if its claim fails")]

use std::path::Path;

#[expect(
    unreachable_pub,
    clippy::expect_used,
    reason = "the library of the fuzz targets, in which a failure is the finding"
)]
#[path = "../../fuzz/src/lib.rs"]
mod claims;

fn replay(target: &str, claim: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Visible if the claim fails.
        println!("{}", path.display());
        claim(&std::fs::read(path).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus of {target} is empty");
}

#[test]
fn token_corpus_passes() {
    replay("token", claims::token);
}

#[test]
fn device_code_corpus_passes() {
    replay("device_code", claims::device_code);
}

#[test]
fn certificate_corpus_passes() {
    replay("certificate", claims::certificate);
}

#[test]
fn challenge_corpus_passes() {
    replay("challenge", claims::challenge);
}

#[test]
fn claims_corpus_passes() {
    replay("claims", claims::claims);
}

#[test]
fn azure_cli_corpus_passes() {
    replay("azure_cli", claims::azure_cli);
}

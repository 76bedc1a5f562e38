//! Replay of the fuzzing corpus without a fuzzer: see `fuzz/`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot set up its world has failed")]

use std::path::Path;

#[expect(
    unreachable_pub,
    clippy::expect_used,
    reason = "the library of the fuzz targets, in which a failure is the finding"
)]
#[path = "../fuzz/src/lib.rs"]
mod claims;

fn replay(target: &str, claim: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut bodies = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Visible if the claim fails.
        println!("{}", path.display());
        claim(&std::fs::read(path).unwrap());
        bodies += 1;
    }
    assert!(bodies > 0, "the corpus of {target} is empty");
}

#[test]
fn action_corpus_passes() {
    replay("action", claims::action);
}

#[test]
fn machine_corpus_passes() {
    replay("machine", claims::machine);
}

#[test]
fn page_corpus_passes() {
    replay("page", claims::page);
}

#[test]
fn problem_corpus_passes() {
    replay("problem", claims::problem);
}

#[test]
fn transcript_corpus_passes() {
    replay("transcript", claims::transcript);
}

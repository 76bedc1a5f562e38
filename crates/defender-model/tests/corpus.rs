//! What fuzzing has kept is tried again, without a fuzzer: see `fuzz/`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot set up its world has failed")]

use std::path::Path;

#[expect(
    unreachable_pub,
    clippy::expect_used,
    reason = "it is the library of the fuzz targets, whose failing is the finding"
)]
#[path = "../fuzz/src/lib.rs"]
mod claims;

fn replay(target: &str, claim: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut bodies = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Seen where the claim fails.
        println!("{}", path.display());
        claim(&std::fs::read(path).unwrap());
        bodies += 1;
    }
    assert!(bodies > 0, "the corpus of {target} is empty");
}

#[test]
fn the_corpus_of_actions_holds() {
    replay("action", claims::action);
}

#[test]
fn the_corpus_of_machines_holds() {
    replay("machine", claims::machine);
}

#[test]
fn the_corpus_of_pages_holds() {
    replay("page", claims::page);
}

#[test]
fn the_corpus_of_problems_holds() {
    replay("problem", claims::problem);
}

#[test]
fn the_corpus_of_transcripts_holds() {
    replay("transcript", claims::transcript);
}

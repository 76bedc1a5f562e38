//! Replay of the fuzzing corpus without a fuzzer: see `fuzz/`.
#![cfg(all(feature = "compression", feature = "testing"))]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot set up its world has failed")]

use std::path::Path;

#[expect(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
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
fn responses_corpus_passes() {
    replay("responses", claims::responses);
}

#[test]
fn compressed_corpus_passes() {
    replay("compressed", claims::compressed);
}

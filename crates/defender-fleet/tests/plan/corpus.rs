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
fn targets_corpus_passes() {
    replay("targets", claims::targets);
}

#[test]
fn plan_corpus_passes() {
    replay("plan", claims::plan);
}

#[test]
fn tenants_corpus_passes() {
    replay("tenants", claims::tenants);
}

//! The requests that fuzzing has kept, sent again without a fuzzer: see `fuzz/`.

use std::path::Path;

#[expect(
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "it is the library of the fuzz target, whose failing is the finding"
)]
#[path = "../../fuzz/src/lib.rs"]
mod claims;

#[test]
fn the_corpus_of_requests_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/requests");
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Seen where the claim fails.
        println!("{}", path.display());
        claims::requests(&std::fs::read(path).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus is empty");
}

//! Properties of every body, for any bytes. The fuzz targets check them on new bodies, `tests/corpus.rs` on the corpus.

use std::fmt::Debug;

use defender_model::{Machine, MachineAction, Page, Problem, Transcript};
use serde::{Serialize, de::DeserializeOwned};

/// An action that decodes is the same after encoding and decoding.
pub fn action(body: &[u8]) {
    round_trip::<MachineAction>(body);
}

/// A machine that decodes is the same after encoding and decoding.
pub fn machine(body: &[u8]) {
    round_trip::<Machine>(body);
}

/// A page that decodes is the same after encoding and decoding, including rows that cannot be read.
pub fn page(body: &[u8]) {
    round_trip::<Page<MachineAction>>(body);
    round_trip::<Page<Machine>>(body);
}

/// Any body is a problem, keeps its bytes, and can be displayed.
pub fn problem(body: &[u8]) {
    for status in [0, 400, 409, 500] {
        let problem = Problem::parse(status, body);
        assert_eq!(problem.status(), status);
        assert_eq!(problem.raw(), body);
        assert_eq!(problem, Problem::parse(status, problem.raw()));
        assert!(!problem.to_string().is_empty() && !format!("{problem:?}").is_empty());
        let _: bool = problem.is_already_in_progress();
    }
}

/// A transcript that decodes is the same after encoding and decoding, and an error has a text.
pub fn transcript(body: &[u8]) {
    match Transcript::parse(body) {
        Ok(transcript) => {
            let json = serde_json::to_vec(&transcript).expect("a decoded value can be encoded");
            assert_eq!(Transcript::parse(&json).expect("an encoded value can be decoded"), transcript);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn round_trip<T: Debug + DeserializeOwned + PartialEq + Serialize>(body: &[u8]) {
    match serde_json::from_slice::<T>(body) {
        Ok(decoded) => {
            let json = serde_json::to_vec(&decoded).expect("a decoded value can be encoded");
            let again: T = serde_json::from_slice(&json).expect("an encoded value can be decoded");
            assert_eq!(again, decoded);
            assert_eq!(serde_json::to_vec(&again).ok().as_ref(), Some(&json), "the second encoding is the first");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

//! What is claimed of every body, whatever bytes it has. The fuzz targets try it on new ones, and `tests/corpus.rs` on those
//! that were kept.

use std::fmt::Debug;

use defender_model::{Machine, MachineAction, Page, Problem, Transcript};
use serde::{Serialize, de::DeserializeOwned};

/// An action that decodes is the same after encoding and decoding.
pub fn action(body: &[u8]) {
    there_and_back::<MachineAction>(body);
}

/// A machine that decodes is the same after encoding and decoding.
pub fn machine(body: &[u8]) {
    there_and_back::<Machine>(body);
}

/// A page that decodes is the same after encoding and decoding, rows that cannot be read included.
pub fn page(body: &[u8]) {
    there_and_back::<Page<MachineAction>>(body);
    there_and_back::<Page<Machine>>(body);
}

/// Any body is a problem, keeps its bytes, and can be shown.
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

/// A transcript that decodes is the same after encoding and decoding, and an error has words.
pub fn transcript(body: &[u8]) {
    match Transcript::parse(body) {
        Ok(transcript) => {
            let json = serde_json::to_vec(&transcript).expect("what was decoded can be encoded");
            assert_eq!(Transcript::parse(&json).expect("what was encoded can be decoded"), transcript);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn there_and_back<T: Debug + DeserializeOwned + PartialEq + Serialize>(body: &[u8]) {
    match serde_json::from_slice::<T>(body) {
        Ok(decoded) => {
            let json = serde_json::to_vec(&decoded).expect("what was decoded can be encoded");
            let again: T = serde_json::from_slice(&json).expect("what was encoded can be decoded");
            assert_eq!(again, decoded);
            assert_eq!(serde_json::to_vec(&again).ok().as_ref(), Some(&json), "the second encoding is the first");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

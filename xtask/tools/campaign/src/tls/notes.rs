//! What the supervisor and a worker say to each other: the order on the worker's standard input, notes on its standard output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::plan::Stand;
use crate::service::Service;

/// What a worker is told, as the first line of its standard input. The second never comes: where it ends, the worker does too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) seed: u64,
    pub(super) steps: u32,
    /// How many workers there were before it.
    pub(super) incarnation: u32,
    /// When the clocks of all workers of this seed began to go faster.
    pub(super) origin: String,
    /// Where the journal is.
    pub(super) folder: PathBuf,
    pub(super) service: Service,
}

/// What a worker tells, each as a line of its standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Note {
    /// Something was written down.
    Progress,
    /// It stands still, or is about to, until it is killed.
    Stands(Stand),
    /// All steps are done.
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_a_line_and_read_as_it_was_said() {
        for note in [Note::Progress, Note::Stands(Stand::Departed), Note::Done] {
            let line = serde_json::to_string(&note).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Note>(&line).unwrap(), note);
        }
    }
}

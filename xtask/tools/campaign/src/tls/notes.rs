//! Messages between supervisor and worker: the order on the worker's standard input, notes on its standard output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::plan::Stand;
use crate::service::Service;

/// Order to a worker, the first line of its standard input. There is no second: when the input ends, the worker ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) seed: u64,
    pub(super) steps: u32,
    /// Number of workers before it.
    pub(super) incarnation: u32,
    /// Time at which the clocks of all workers of this seed began to go faster.
    pub(super) origin: String,
    /// Folder of the journal.
    pub(super) folder: PathBuf,
    pub(super) service: Service,
}

/// Note of a worker, a line of its standard output.
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
    fn messages_survive_a_line_of_json() {
        for note in [Note::Progress, Note::Stands(Stand::Departed), Note::Done] {
            let line = serde_json::to_string(&note).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Note>(&line).unwrap(), note);
        }
    }
}

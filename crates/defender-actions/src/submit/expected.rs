//! The submission that a record must match.

use std::fmt;

use crate::submit::{particulars::ParticularsRule, submission::Submission};

/// Submission that its record must not contradict.
pub(crate) struct Expected<R: ?Sized = dyn ParticularsRule> {
    pub(crate) submission: Submission,
    pub(crate) rule: R,
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("submission", &self.submission).finish_non_exhaustive()
    }
}

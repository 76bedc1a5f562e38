//! The submission that a record must match.

use std::{fmt, sync::Arc};

use crate::{Intent, submit::particulars::ParticularsRule};

/// Submission that its record must not contradict.
pub(crate) struct Expected<R: ?Sized = dyn ParticularsRule> {
    pub(crate) intent: Arc<Intent>,
    pub(crate) rule: R,
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("intent", &self.intent).finish_non_exhaustive()
    }
}

//! The queue of one process before a quota that several processes share.
//!
//! The calls of one scope wait in the order in which they came, and the first of them asks the store for all that wait. No task runs in
//! the background: a call that asks or ends also reports the ends of earlier calls.

mod queue;
pub(super) mod queues;
mod state;
pub(super) mod turn;

use std::time::Duration;

/// Time from the ask within which a request must be sent: enough to replace a token.
const SEND_WITHIN: Duration = Duration::from_secs(30);

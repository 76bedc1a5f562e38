//! Orders that make no sense.

use http::StatusCode;
use serde_json::Value;

/// A refused order.
pub(super) struct Refused(pub(super) StatusCode, pub(super) String);

/// The response to an order.
pub(super) type Reply = Result<(StatusCode, Value), Refused>;

pub(super) fn bad(why: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, why.into())
}

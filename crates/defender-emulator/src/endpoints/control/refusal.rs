//! Orders that make no sense.

use http::StatusCode;
use serde_json::Value;

/// What is wrong with an order.
pub(super) struct Refused(pub(super) StatusCode, pub(super) String);

/// What an order is answered with.
pub(super) type Told = Result<(StatusCode, Value), Refused>;

pub(super) fn bad(why: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, why.into())
}

//! The rate limits of the service.

use std::time::Duration;

/// Rate limit: at most `calls` calls in any period of length `per`. A plain value, without a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limit {
    /// Number of calls.
    pub calls: u32,
    /// Length of the period.
    pub per: Duration,
}

impl Limit {
    /// Limit of nearly all operations: 100 calls a minute and 1,500 an hour. Source: the page of each operation, such as
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/unrestrict-code-execution>.
    pub const GENERAL: &'static [Self] =
        &[Self::new(100, Duration::from_secs(60)), Self::new(1_500, Duration::from_secs(3_600))];

    /// Creates a limit of `calls` calls in any period of length `per`.
    #[must_use]
    pub const fn new(calls: u32, per: Duration) -> Self {
        Self { calls, per }
    }
}

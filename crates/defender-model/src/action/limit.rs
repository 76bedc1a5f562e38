//! How often the service lets itself be asked.

use std::time::Duration;

/// At most `calls` calls in any stretch of time as long as `per`: a number, with no clock in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limit {
    /// How many calls.
    pub calls: u32,
    /// In what stretch of time.
    pub per: Duration,
}

impl Limit {
    /// What the pages of nearly all operations state: 100 calls a minute and 1,500 an hour, such as
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/unrestrict-code-execution>.
    pub const GENERAL: &'static [Self] =
        &[Self::new(100, Duration::from_secs(60)), Self::new(1_500, Duration::from_secs(3_600))];

    /// At most `calls` in any stretch of `per`.
    #[must_use]
    pub const fn new(calls: u32, per: Duration) -> Self {
        Self { calls, per }
    }
}

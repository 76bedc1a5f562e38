//! Time that passes faster than the machine's.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that runs `speed` times as fast as the machine's, from the time of its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FastTime {
    started: std::time::Instant,
    origin: Timestamp,
    speed: u32,
}

impl FastTime {
    /// Starts at the machine's time.
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    pub(crate) fn start(speed: u32) -> Self {
        Self { started: std::time::Instant::now(), origin: Timestamp::now(), speed: speed.max(1) }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed() * self.speed
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.origin + signed(self.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
    pub(crate) async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time / self.speed).await;
    }
}

/// The same length of time, for arithmetic on timestamps.
pub(crate) fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}

/// Whole seconds, for arithmetic on timestamps.
pub(crate) fn seconds(count: u64) -> SignedDuration {
    signed(Duration::from_secs(count))
}

//! Choices by seed, and their text forms.

use std::time::Duration;

use crate::rng::Rng;

/// Returns the generator for the record of this number; `salt` keeps the choices independent of one another.
pub(super) fn rng(seed: u64, number: usize, salt: u64) -> Rng {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    Rng::new(seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ salt.rotate_left(48))
}

/// The seed in `seeded:7`.
pub(super) fn seed(text: &str) -> Option<u64> {
    text.strip_prefix("seeded:")?.parse().ok()
}

/// The seconds behind `word:`, such as `after:30` or `after:0.5`.
pub(super) fn seconds(text: &str, prefix: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_prefix(prefix)?.strip_prefix(':')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

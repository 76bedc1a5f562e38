//! The clock of clients and stores.

use std::sync::Arc;

use defender_actions::transport::{Clock, SystemClock};

/// Returns the clock of this system. With the feature `testing`, `DEFENDER_TEST_CLOCK` sets another one, that tests of several processes
/// share: an origin and a speed, such as `2026-11-29T20:00:00Z,20`.
pub(crate) fn clock() -> Arc<dyn Clock> {
    #[cfg(feature = "testing")]
    if let Some(clock) = of_tests() {
        return Arc::new(clock);
    }
    Arc::new(SystemClock::new())
}

#[cfg(feature = "testing")]
fn of_tests() -> Option<defender_emulator::FastClock> {
    let text = std::env::var("DEFENDER_TEST_CLOCK").ok()?;
    let (origin, speed) = text.split_once(',')?;
    Some(defender_emulator::FastClock::since(origin.parse().ok()?, speed.parse().ok()?))
}

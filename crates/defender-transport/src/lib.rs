//! transport

pub mod clock;
#[cfg(feature = "testing")]
pub mod testing;

pub use clock::Clock;
#[cfg(feature = "tokio")]
pub use clock::SystemClock;

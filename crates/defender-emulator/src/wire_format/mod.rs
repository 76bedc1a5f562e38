//! How records and headers are written where the service's pages, its captures and its clients' reports differ.
//!
//! Each choice is an enum with one text form, which the command line and `/emulator/behaviors` share, and draws by seed
//! where it is told to. What a POST stores (requestor, comment, external id) is chosen when the action is made; what is only
//! written differently (particulars, rows) is chosen at each read.

mod comments;
mod dates;
mod external_ids;
pub(crate) mod json_style;
mod particulars;
mod requestor;
mod rows;

use std::time::Duration;

pub(crate) use self::rows::Shape;
pub use self::{
    comments::Comments, dates::DateHeader, external_ids::ExternalIds, particulars::Particulars, requestor::Requestor,
    rows::Rows,
};
use crate::rng::Dice;

/// Numbers of one seed for the record of one number; `salt` keeps the choices apart from one another.
fn dice(seed: u64, number: usize, salt: u64) -> Dice {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    Dice::new(seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ salt.rotate_left(48))
}

/// The seed in `seeded:7`.
fn seed(text: &str) -> Option<u64> {
    text.strip_prefix("seeded:")?.parse().ok()
}

/// The seconds behind `word:`, such as `after:30` or `after:0.5`.
fn seconds(text: &str, word: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_prefix(word)?.strip_prefix(':')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

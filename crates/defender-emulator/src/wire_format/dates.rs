//! The header `Date` of a response.

use std::{str::FromStr, time::Duration};

use jiff::Timestamp;

use super::seeded::{rng, seconds, seed};

/// The `Date` header of responses.
///
/// A client may learn the service's clock from it; a proxy may drop it, or put on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DateHeader {
    /// The emulator's clock. The default.
    #[default]
    Clock,
    /// Absent.
    Absent,
    /// The first second of 1970.
    Epoch,
    /// Ahead of the clock by this time.
    Ahead(Duration),
    /// Behind the clock by this time.
    Behind(Duration),
    /// Any of these for each response, by this seed; ahead or behind by one to ten minutes.
    Seeded(u64),
}

impl DateHeader {
    /// The date of the response of this number; `None` without a header.
    pub(crate) fn of(self, number: usize, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Clock => Some(now),
            Self::Absent => None,
            Self::Epoch => Some(Timestamp::UNIX_EPOCH),
            Self::Ahead(time) => Some(now.checked_add(time).unwrap_or(now)),
            Self::Behind(time) => Some(now.checked_sub(time).unwrap_or(now)),
            Self::Seeded(seed) => {
                let mut rng = rng(seed, number, 6);
                let choice = rng.below(5);
                let time = Duration::from_secs(60 + rng.below(541));
                let drawn = match choice {
                    0 => Self::Clock,
                    1 => Self::Absent,
                    2 => Self::Epoch,
                    3 => Self::Ahead(time),
                    _ => Self::Behind(time),
                };
                drawn.of(number, now)
            }
        }
    }
}

impl FromStr for DateHeader {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "clock" => Ok(Self::Clock),
            "absent" => Ok(Self::Absent),
            "1970" => Ok(Self::Epoch),
            text => seconds(text, "ahead")
                .map(Self::Ahead)
                .or_else(|| seconds(text, "behind").map(Self::Behind))
                .or_else(|| seed(text).map(Self::Seeded))
                .ok_or("expected clock, absent, 1970, ahead:SECONDS, behind:SECONDS or seeded:NUMBER"),
        }
    }
}

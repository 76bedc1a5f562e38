//! The time at which a record states its `scope` and `relatedFileInfo`.

use std::{str::FromStr, time::Duration};

use super::seeded::{rng, seconds, seed};

/// The time at which a record states its particulars: `scope` of an isolation or a scan, `relatedFileInfo` of a quarantine.
///
/// Captured responses to a POST have null, and records that have ended have values. The time of the change is not
/// known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Particulars {
    /// Null until the action leaves `Pending`. The default.
    #[default]
    AfterPending,
    /// Stated in the response to the POST already.
    AtOnce,
    /// Null until this time after the POST.
    After(Duration),
    /// Always null.
    Never,
    /// Any of these for each action, by this seed; of [`After`](Self::After) up to two minutes.
    Seeded(u64),
}

impl Particulars {
    /// Returns `true` if the record of this number and age states them.
    pub(crate) fn are_stated(self, number: usize, status: &str, age: Duration) -> bool {
        match self {
            Self::AfterPending => status != "Pending",
            Self::AtOnce => true,
            Self::After(time) => age >= time,
            Self::Never => false,
            Self::Seeded(seed) => {
                let mut rng = rng(seed, number, 2);
                let drawn = match rng.below(4) {
                    0 => Self::AfterPending,
                    1 => Self::AtOnce,
                    2 => Self::After(Duration::from_secs(rng.below(120))),
                    _ => Self::Never,
                };
                drawn.are_stated(number, status, age)
            }
        }
    }
}

impl FromStr for Particulars {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "after-pending" => Ok(Self::AfterPending),
            "at-once" => Ok(Self::AtOnce),
            "never" => Ok(Self::Never),
            text => seconds(text, "after")
                .map(Self::After)
                .or_else(|| seed(text).map(Self::Seeded))
                .ok_or("expected after-pending, at-once, after:SECONDS, never or seeded:NUMBER"),
        }
    }
}

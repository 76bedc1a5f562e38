//! The response to a POST while an action of its type is active on its machine.

use std::str::FromStr;

use crate::rng::Rng;

/// The response to a POST while an action of its type is active on its machine.
///
/// The documentation of most has: "returns 'pending machine action' or HTTP 400 with the message 'Action is already in
/// progress'" (<https://learn.microsoft.com/defender-endpoint/api/unrestrict-code-execution>). Users report both, and
/// at times a second action: microsoft-365-docs#5903, #5905, #5906.
///
/// A machine has one live-response session, so that [`Accept`](Self::Accept) refuses a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Duplicates {
    /// A 400 with the code `ActiveRequestAlreadyExists`. The default.
    #[default]
    Refuse,
    /// The older action, with the status of a new one.
    Join,
    /// A second action.
    Accept,
    /// As [`Join`](Self::Join); and where none is active, but one of its type has ended on its machine, the one that was made
    /// last, as it ended: nothing is made. Reported of a service behind a cache; inferred here.
    Ended,
    /// Any of the first three, by this seed, and a second action may end before the first; where none is active, one POST in
    /// eight gets the response of [`Ended`](Self::Ended).
    Seeded(u64),
}

/// The response to one such POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Refuse,
    Join,
    /// A new action, which takes this many tenths of the usual time.
    Accept {
        tenths: u32,
    },
}

impl Duplicates {
    /// Decides for the action that would have this number.
    pub(crate) fn decide(self, number: usize, is_session: bool, throw: u64) -> Decision {
        let decision = match self {
            Self::Refuse => Decision::Refuse,
            Self::Join | Self::Ended => Decision::Join,
            Self::Accept => Decision::Accept { tenths: 10 },
            Self::Seeded(seed) => {
                let mut rng = Self::rng(seed, number, throw);
                match rng.below(3) {
                    0 => Decision::Refuse,
                    1 => Decision::Join,
                    _ => Decision::Accept { tenths: u32::try_from(rng.below(20)).unwrap_or(10) },
                }
            }
        };
        match decision {
            Decision::Accept { .. } if is_session => Decision::Refuse,
            decision => decision,
        }
    }

    /// Returns `true` if the response to a POST is an action that has ended.
    pub(crate) fn joins_ended(self, number: usize, throw: u64) -> bool {
        match self {
            Self::Ended => true,
            Self::Seeded(seed) => Self::rng(!seed, number, throw).below(8) == 0,
            Self::Refuse | Self::Join | Self::Accept => false,
        }
    }

    fn rng(seed: u64, number: usize, throw: u64) -> Rng {
        let number = u64::try_from(number).unwrap_or(0);
        Rng::new(seed ^ number.rotate_left(17) ^ throw.rotate_left(41))
    }
}

impl FromStr for Duplicates {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "join" => Ok(Self::Join),
            "accept" => Ok(Self::Accept),
            "ended" => Ok(Self::Ended),
            text => text
                .strip_prefix("seeded:")
                .unwrap_or(text)
                .parse()
                .map(Self::Seeded)
                .map_err(|_| "expected refuse, join, accept, ended or a seed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_each_way_and_always_the_same() {
        let decide = |throw| Duplicates::Seeded(5).decide(1, false, throw);
        assert!((0..50).any(|throw| decide(throw) == Decision::Refuse));
        assert!((0..50).any(|throw| decide(throw) == Decision::Join));
        assert!((0..50).any(|throw| matches!(decide(throw), Decision::Accept { tenths: 0..10 })));
        assert_eq!(decide(3), decide(3));
    }

    #[test]
    fn a_second_session_is_never_accepted() {
        assert_eq!(Duplicates::Accept.decide(1, true, 0), Decision::Refuse);
        assert!((0..50).all(|throw| !matches!(Duplicates::Seeded(1).decide(1, true, throw), Decision::Accept { .. })));
    }
}

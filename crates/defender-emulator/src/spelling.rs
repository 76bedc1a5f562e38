//! How a record is written: where the service's own pages and its captures differ.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::dice::Dice;

/// What a machine action calls the time of its last change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpdateName {
    /// `lastUpdateDateTimeUtc`, as the table of <https://learn.microsoft.com/defender-endpoint/api/machineaction> and
    /// captures have it. The default.
    #[default]
    Live,
    /// `lastUpdateTimeUtc`, as the samples of <https://learn.microsoft.com/defender-endpoint/api/get-machineactions-collection>
    /// have it.
    Documented,
}

/// How many digits of a second the dates have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fractions {
    /// Seven, as most. The default.
    #[default]
    Seven,
    /// Any number from none to seven, another for each action: captures have 0, 1, 2, 3, 5, 6 and 7.
    Seeded(u64),
}

/// Whether a field without a value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Nulls {
    /// As `null`, as in live captures. The default.
    #[default]
    Written,
    /// Left out, as in the documentation's samples: null fields, and `commands` and `errorHResult` where they say
    /// nothing.
    Omitted,
}

/// With which status an action is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CreatedStatus {
    /// 200 for offboarding and 201 for all others, as their pages print it:
    /// <https://learn.microsoft.com/defender-endpoint/api/offboard-machine-api>. The default.
    #[default]
    Documented,
    /// 201, also for offboarding, as its older page has it.
    Created,
    /// 200 for all, as the sample of <https://learn.microsoft.com/defender-endpoint/api/run-live-response> has it.
    Ok,
}

/// All of the above.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spelling {
    pub(crate) update_name: UpdateName,
    pub(crate) fractions: Fractions,
    pub(crate) nulls: Nulls,
}

impl Spelling {
    /// How many digits the dates of the action of this number have.
    pub(crate) fn digits(self, number: usize) -> u8 {
        match self.fractions {
            Fractions::Seven => 7,
            Fractions::Seeded(seed) => {
                let mut dice = Dice::new(seed ^ u64::try_from(number).unwrap_or(0).rotate_left(32));
                u8::try_from(dice.below(8)).unwrap_or(7)
            }
        }
    }

    /// Leaves out what is not written.
    pub(crate) fn apply(self, record: &mut Map<String, Value>) {
        if self.update_name == UpdateName::Documented
            && let Some(updated) = record.remove("lastUpdateDateTimeUtc")
        {
            record.insert("lastUpdateTimeUtc".to_owned(), updated);
        }
        if self.nulls == Nulls::Omitted {
            record.retain(|name, value| match name.as_str() {
                "errorHResult" => *value != 0,
                "commands" => value.as_array().is_some_and(|commands| !commands.is_empty()),
                _ => !value.is_null(),
            });
        }
    }
}

/// `time` without the digits of a second that `digits` has no room for.
pub(crate) fn cut(time: Timestamp, digits: u8) -> Timestamp {
    let unit = 10_i32.pow(9 - u32::from(digits.min(9)));
    let fraction = time.subsec_nanosecond();
    let cut = jiff::SignedDuration::from_nanos(i64::from(fraction.rem_euclid(unit)));
    time.checked_sub(cut).unwrap_or(time)
}

/// A date in UTC with so many digits, the rest cut off.
pub(crate) fn date(time: Timestamp, digits: u8) -> String {
    match digits {
        0 => format!("{:.0}", cut(time, 0)),
        digits => format!("{:.1$}", cut(time, digits), usize::from(digits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_its_digits_and_a_z() {
        assert_eq!(date(Timestamp::UNIX_EPOCH, 7), "1970-01-01T00:00:00.0000000Z");
        let time = "2026-01-01T12:00:00.987654321Z".parse().unwrap();
        assert_eq!(date(time, 7), "2026-01-01T12:00:00.9876543Z");
        assert_eq!(date(time, 1), "2026-01-01T12:00:00.9Z");
        assert_eq!(date(time, 0), "2026-01-01T12:00:00Z");
    }

    #[test]
    fn each_number_of_digits_comes_by_seed() {
        let spelling = Spelling { fractions: Fractions::Seeded(3), ..Spelling::default() };
        for digits in 0..8 {
            assert!((0..200).any(|number| spelling.digits(number) == digits), "{digits}");
        }
        assert_eq!(spelling.digits(17), spelling.digits(17));
    }
}

//! Values in a `$filter`.

use std::fmt;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use crate::{ActionId, EntraDeviceId, MachineId, MachineName};

/// A value to compare a [`Property`](crate::Property) with.
///
/// Text compares with a property of text; an open enum compares only with a property of that enum; a reference compares like
/// the value behind it. An implementation returns an [`Operand`] and does not write text itself, so that every value is quoted
/// in one place.
///
/// ```
/// use defender_model::{Literal, MachineAction, Operand};
///
/// /// A requestor.
/// struct User(String);
///
/// impl Literal for User {
///     type Of = String;
///
///     fn operand(&self) -> Operand<'_> {
///         Operand::Text(&self.0)
///     }
/// }
///
/// let filter = MachineAction::REQUESTOR.eq(User("o'hara@contoso.com".to_owned()));
/// assert_eq!(filter.to_string(), "requestor eq 'o''hara@contoso.com'");
/// ```
pub trait Literal {
    /// Type of the properties that this value compares with.
    type Of;

    /// Returns the operand to write.
    fn operand(&self) -> Operand<'_>;
}

/// Right operand of a comparison. `Display` writes it in the syntax of `$filter`.
///
/// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-odata-samples>.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Operand<'a> {
    /// Text or the value of an enum: in quotes, with inner quotes doubled.
    Text(&'a str),
    /// A date and time: without quotes, in UTC. The precision of the service is 100 ns; finer digits are cut off.
    Date(Timestamp),
    /// A number: without quotes.
    Number(i64),
    /// A GUID: without quotes.
    Guid(&'a EntraDeviceId),
}

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Date(date) => write!(f, "{}", truncated_to_tick(*date)),
            Self::Number(number) => write!(f, "{number}"),
            Self::Guid(guid) => write!(f, "{guid}"),
        }
    }
}

/// Rounds down to 100 ns. A date at the lower end of the range of `Timestamp`, where that fails, stays unchanged.
fn truncated_to_tick(date: Timestamp) -> Timestamp {
    let tick = TimestampRound::new().smallest(Unit::Nanosecond).increment(100).mode(RoundMode::Floor);
    date.round(tick).unwrap_or(date)
}

impl<L: Literal + ?Sized> Literal for &L {
    type Of = L::Of;

    fn operand(&self) -> Operand<'_> {
        (**self).operand()
    }
}

impl Literal for str {
    type Of = String;

    fn operand(&self) -> Operand<'_> {
        Operand::Text(self)
    }
}

impl Literal for String {
    type Of = Self;

    fn operand(&self) -> Operand<'_> {
        Operand::Text(self)
    }
}

impl Literal for MachineName {
    type Of = String;

    fn operand(&self) -> Operand<'_> {
        Operand::Text(self.as_str())
    }
}

impl Literal for MachineId {
    type Of = Self;

    fn operand(&self) -> Operand<'_> {
        Operand::Text(self.as_str())
    }
}

impl Literal for ActionId {
    type Of = Self;

    fn operand(&self) -> Operand<'_> {
        Operand::Text(self.as_str())
    }
}

impl Literal for EntraDeviceId {
    type Of = Self;

    fn operand(&self) -> Operand<'_> {
        Operand::Guid(self)
    }
}

impl Literal for Timestamp {
    type Of = Self;

    fn operand(&self) -> Operand<'_> {
        Operand::Date(*self)
    }
}

impl Literal for i64 {
    type Of = Self;

    fn operand(&self) -> Operand<'_> {
        Operand::Number(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_is_utc_with_100_nanoseconds() {
        for (date, written) in [
            ("2019-11-22T00:00:00Z", "2019-11-22T00:00:00Z"),
            ("2019-11-22T02:00:00+02:00", "2019-11-22T00:00:00Z"),
            ("2018-12-04T12:15:40.6052029Z", "2018-12-04T12:15:40.6052029Z"),
            ("2018-12-04T12:15:40.605202999Z", "2018-12-04T12:15:40.6052029Z"),
            ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.9999999Z"),
        ] {
            assert_eq!(Operand::Date(date.parse().unwrap()).to_string(), written, "{date}");
        }
        for end in [Timestamp::MIN, Timestamp::MAX] {
            assert!(Operand::Date(end).to_string().ends_with('Z'));
        }
    }
}

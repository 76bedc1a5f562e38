//! A value as `$filter` writes it.

use std::fmt;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use crate::{ActionId, EntraDeviceId, MachineId, MachineName};

/// A value that a [`Property`](crate::Property) can be compared with.
///
/// Text compares with a property of text; the words of an open enum only with a property of that enum; references count
/// as what they refer to. How a value is written is not left to an implementation: it says what it is, and the writer
/// quotes it.
///
/// ```
/// use defender_model::{Literal, MachineAction, Operand};
///
/// /// A requestor of ours.
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
    /// The type of the properties that it can be compared with.
    type Of;

    /// What is written.
    fn operand(&self) -> Operand<'_>;
}

/// What stands on the right of a comparison. It displays as `$filter` writes it.
///
/// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-odata-samples>.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Operand<'a> {
    /// Text or the word of an enum: in quotes, with a quote inside it doubled.
    Text(&'a str),
    /// A date and time: bare, in UTC. The service keeps 100 ns; what is finer is cut off.
    Date(Timestamp),
    /// A number: bare.
    Number(i64),
    /// A GUID: bare.
    Guid(&'a EntraDeviceId),
}

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Date(date) => write!(f, "{}", to_the_tick(*date)),
            Self::Number(number) => write!(f, "{number}"),
            Self::Guid(guid) => write!(f, "{guid}"),
        }
    }
}

/// The last full 100 ns. Where there is none, at the beginning of time, the date itself.
fn to_the_tick(date: Timestamp) -> Timestamp {
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
    fn a_date_is_bare_in_utc_and_no_finer_than_the_service_keeps() {
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

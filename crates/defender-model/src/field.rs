//! How one field of the service's JSON is read: leniently, and so that nothing is lost.

use std::{fmt, marker::PhantomData};

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Number, Value};

/// What was found where a `T` was looked for.
pub(crate) enum Read<T> {
    /// Null, or what the service writes for it.
    Nothing,
    Good(T),
    /// Something else, to be kept as it is.
    Odd(Value),
}

/// A type of field. By default it is never found; an implementation says what it takes.
pub(crate) trait Field: Sized {
    fn text(text: &str) -> Read<Self> {
        Read::Odd(text.into())
    }

    fn number(number: Number) -> Read<Self> {
        Read::Odd(number.into())
    }

    fn boolean(boolean: bool) -> Read<Self> {
        Read::Odd(boolean.into())
    }

    /// An array or an object.
    fn compound(value: Value) -> Read<Self> {
        Read::Odd(value)
    }

    /// Whether it is left out when it is written.
    fn is_absent(&self) -> bool {
        false
    }

    fn value(value: Value) -> Read<Self> {
        match value {
            Value::Null => Read::Nothing,
            Value::Bool(boolean) => Self::boolean(boolean),
            Value::Number(number) => Self::number(number),
            Value::String(text) => Self::text(&text),
            compound => Self::compound(compound),
        }
    }
}

/// An optional field reads as its content does; that it is absent is told by `Read::Nothing`.
impl<T: Field> Field for Option<T> {
    fn text(text: &str) -> Read<Self> {
        T::text(text).map(Some)
    }

    fn number(number: Number) -> Read<Self> {
        T::number(number).map(Some)
    }

    fn boolean(boolean: bool) -> Read<Self> {
        T::boolean(boolean).map(Some)
    }

    fn compound(value: Value) -> Read<Self> {
        T::compound(value).map(Some)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Read<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Nothing => Read::Nothing,
            Self::Good(good) => Read::Good(with(good)),
            Self::Odd(value) => Read::Odd(value),
        }
    }
}

impl Field for String {
    fn text(text: &str) -> Read<Self> {
        Read::Good(text.to_owned())
    }
}

/// A number, also where it comes as text.
impl Field for i32 {
    fn text(text: &str) -> Read<Self> {
        text.parse().map_or_else(|_| Read::Odd(text.into()), Read::Good)
    }

    fn number(number: Number) -> Read<Self> {
        let fits = number.as_i64().and_then(|wide| Self::try_from(wide).ok());
        fits.map_or_else(|| Read::Odd(number.into()), Read::Good)
    }
}

impl Field for Value {
    fn text(text: &str) -> Read<Self> {
        Read::Good(text.into())
    }

    fn number(number: Number) -> Read<Self> {
        Read::Good(number.into())
    }

    fn boolean(boolean: bool) -> Read<Self> {
        Read::Good(boolean.into())
    }

    fn compound(value: Value) -> Read<Self> {
        Read::Good(value)
    }
}

/// A date and time. The service writes UTC with a `Z` and up to 7 digits of a second; an offset is taken too, and where
/// there is none it is taken as UTC. An empty text says that there is no date.
impl Field for Timestamp {
    fn text(text: &str) -> Read<Self> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Read::Nothing;
        }
        let without_zone = || trimmed.parse::<DateTime>().and_then(|local| Offset::UTC.to_timestamp(local));
        trimmed.parse::<Self>().or_else(|_| without_zone()).map_or_else(|_| Read::Odd(text.into()), Read::Good)
    }
}

/// For a type that serde derives: found where the whole of it decodes.
pub(crate) fn decoded<T: for<'de> Deserialize<'de>>(value: Value) -> Read<T> {
    T::deserialize(&value).map_or(Read::Odd(value), Read::Good)
}

/// An array, if each of its elements is found.
impl<T: for<'de> Deserialize<'de>> Field for Vec<T> {
    fn compound(value: Value) -> Read<Self> {
        decoded(value)
    }
}

impl<'de, T: Field> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyShape(PhantomData))
    }
}

struct AnyShape<T>(PhantomData<T>);

impl<'de, T: Field> Visitor<'de> for AnyShape<T> {
    type Value = Read<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Read<T>, E> {
        Ok(Read::Nothing)
    }

    fn visit_bool<E: de::Error>(self, boolean: bool) -> Result<Read<T>, E> {
        Ok(T::boolean(boolean))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Read<T>, E> {
        Ok(T::number(number.into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Read<T>, E> {
        Ok(T::number(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Read<T>, E> {
        Ok(Number::from_f64(number).map_or(Read::Nothing, T::number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Read<T>, E> {
        Ok(T::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Read<T>, A::Error> {
        Value::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(T::compound)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Read<T>, A::Error> {
        Value::deserialize(de::value::MapAccessDeserializer::new(map)).map(T::compound)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn date(text: &str) -> Option<String> {
        match <Timestamp as Field>::text(text) {
            Read::Good(date) => Some(date.to_string()),
            Read::Nothing => Some("nothing".to_owned()),
            Read::Odd(_) => None,
        }
    }

    #[test]
    fn a_date_keeps_its_hundred_nanoseconds() {
        assert_eq!(date("2018-12-04T12:15:40.6052029Z").unwrap(), "2018-12-04T12:15:40.6052029Z");
        for (text, read) in [
            ("2020-01-06T13:05:15Z", "2020-01-06T13:05:15Z"),
            ("2020-01-06T13:05:15.2Z", "2020-01-06T13:05:15.2Z"),
            ("2020-01-06T13:05:15.29", "2020-01-06T13:05:15.29Z"),
            ("2020-01-06T13:05:15", "2020-01-06T13:05:15Z"),
            ("2020-01-06T15:05:15+02:00", "2020-01-06T13:05:15Z"),
            ("", "nothing"),
            ("  ", "nothing"),
        ] {
            assert_eq!(date(text).as_deref(), Some(read), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_kept() {
        for text in ["yesterday", "2020-13-01T00:00:00Z", "99999-01-01T00:00:00Z"] {
            assert!(matches!(<Timestamp as Field>::text(text), Read::Odd(kept) if kept == json!(text)), "{text}");
        }
    }

    #[test]
    fn a_number_may_come_as_text_and_one_that_does_not_fit_is_kept() {
        assert!(matches!(i32::value(json!("-2145844840")), Read::Good(-2_145_844_840)));
        assert!(matches!(i32::value(json!(2_149_122_456_u32)), Read::Odd(_)));
        assert!(matches!(i32::value(json!(0.5)), Read::Odd(_)));
    }
}

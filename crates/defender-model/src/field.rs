//! How one field of the service's JSON is read: leniently, and so that nothing is lost.

use std::{fmt, marker::PhantomData};

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        self, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::{Number, Value};

/// What was found where a `T` was looked for.
#[derive(Debug)]
pub enum Read<T> {
    /// The field is not there.
    Absent,
    /// Null, or what the service writes for it.
    Null,
    Good(T),
    /// Something else, to be kept as it is.
    Odd(Value),
}

impl<T> Read<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Absent => Read::Absent,
            Self::Null => Read::Null,
            Self::Good(good) => Read::Good(with(good)),
            Self::Odd(value) => Read::Odd(value),
        }
    }

    /// The same as JSON, `None` where it was not there.
    pub(crate) fn to_raw(&self) -> Option<Value>
    where
        T: Serialize,
    {
        match self {
            Self::Absent => None,
            Self::Null => Some(Value::Null),
            Self::Good(good) => serde_json::to_value(good).ok(),
            Self::Odd(value) => Some(value.clone()),
        }
    }
}

/// A type of field. By default it is never found; an implementation says what it takes.
pub trait Field: Sized {
    fn text(text: &str) -> Read<Self> {
        Read::Odd(text.into())
    }

    fn number(number: Number) -> Read<Self> {
        Read::Odd(number.into())
    }

    fn boolean(boolean: bool) -> Read<Self> {
        Read::Odd(boolean.into())
    }

    fn array<'de, A: SeqAccess<'de>>(array: A) -> Result<Read<Self>, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(array)).map(Read::Odd)
    }

    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Read<Self>, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(object)).map(Read::Odd)
    }

    /// From JSON that has been read already.
    fn value(value: Value) -> Read<Self> {
        Read::deserialize(&value).unwrap_or(Read::Odd(value))
    }

    /// Whether it is left out when it is written.
    fn is_absent(&self) -> bool {
        false
    }
}

/// An optional field reads as its content does; that there is none is told by `Absent` and `Null`.
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

    fn array<'de, A: SeqAccess<'de>>(array: A) -> Result<Read<Self>, A::Error> {
        T::array(array).map(|read| read.map(Some))
    }

    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Read<Self>, A::Error> {
        T::object(object).map(|read| read.map(Some))
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// An array, if each of its elements is found; else it is kept whole.
impl<T: Field + Serialize> Field for Vec<T> {
    fn array<'de, A: SeqAccess<'de>>(mut array: A) -> Result<Read<Self>, A::Error> {
        let mut found = Self::new();
        while let Some(read) = array.next_element::<Read<T>>()? {
            let odd = match read {
                Read::Good(element) => {
                    found.push(element);
                    continue;
                }
                odd => odd.to_raw().unwrap_or_default(),
            };
            let before = found.into_iter().map(|element| serde_json::to_value(element).unwrap_or_default());
            let mut all: Vec<Value> = before.chain([odd]).collect();
            while let Some(element) = array.next_element()? {
                all.push(element);
            }
            return Ok(Read::Odd(Value::Array(all)));
        }
        Ok(Read::Good(found))
    }
}

impl Field for String {
    fn text(text: &str) -> Read<Self> {
        Read::Good(text.to_owned())
    }
}

impl Field for bool {
    fn boolean(boolean: bool) -> Read<Self> {
        Read::Good(boolean)
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

/// A number, also where it comes as text.
impl Field for i64 {
    fn text(text: &str) -> Read<Self> {
        text.parse().map_or_else(|_| Read::Odd(text.into()), Read::Good)
    }

    fn number(number: Number) -> Read<Self> {
        number.as_i64().map_or_else(|| Read::Odd(number.into()), Read::Good)
    }
}

/// Anything, for what nobody knows the shape of.
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

    fn array<'de, A: SeqAccess<'de>>(array: A) -> Result<Read<Self>, A::Error> {
        Self::deserialize(SeqAccessDeserializer::new(array)).map(Read::Good)
    }

    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Read<Self>, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(object)).map(Read::Good)
    }
}

/// A date and time. The service writes UTC with a `Z` and up to 7 digits of a second; an offset is taken too, and where
/// there is none it is taken as UTC. An empty text says that there is no date.
impl Field for Timestamp {
    fn text(text: &str) -> Read<Self> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Read::Null;
        }
        let without_zone = || trimmed.parse::<DateTime>().and_then(|local| Offset::UTC.to_timestamp(local));
        trimmed.parse::<Self>().or_else(|_| without_zone()).map_or_else(|_| Read::Odd(text.into()), Read::Good)
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
        Ok(Read::Null)
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
        Ok(Number::from_f64(number).map_or(Read::Null, T::number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Read<T>, E> {
        Ok(T::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<Read<T>, A::Error> {
        T::array(array)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Read<T>, A::Error> {
        T::object(object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn date(text: &str) -> Option<String> {
        match <Timestamp as Field>::text(text) {
            Read::Good(date) => Some(date.to_string()),
            Read::Absent | Read::Null => Some("nothing".to_owned()),
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

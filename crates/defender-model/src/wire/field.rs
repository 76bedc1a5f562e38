//! Lenient reading of one JSON field, without loss.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        self, DeserializeSeed, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::{Map, Number, Value};

/// Result of reading a `T`.
#[derive(Debug)]
pub enum Read<T> {
    /// The field is missing.
    Absent,
    /// Null, or an equivalent of the service.
    Null,
    Good(T),
    /// A value of another shape, to be kept unchanged.
    Odd(Value),
}

impl<T> Read<T> {
    #[inline]
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Absent => Read::Absent,
            Self::Null => Read::Null,
            Self::Good(good) => Read::Good(with(good)),
            Self::Odd(value) => Read::Odd(value),
        }
    }

    /// Returns the value as JSON; `None` if it was missing.
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

/// Type of a field. By default every value is [`Read::Odd`]; an implementation overrides the shapes that it accepts.
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

    /// With `arbitrary_precision` of `serde_json`, which any crate of a build can turn on, a number looks like an object.
    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Read<Self>, A::Error> {
        Ok(match Value::deserialize(MapAccessDeserializer::new(object))? {
            Value::Number(number) => Self::number(number),
            other => Read::Odd(other),
        })
    }

    /// Reads from a JSON value in memory.
    fn value(value: Value) -> Read<Self> {
        Read::deserialize(&value).unwrap_or(Read::Odd(value))
    }

    /// Returns `true` if serialization omits the field.
    fn is_absent(&self) -> bool {
        false
    }
}

/// An optional field reads like its content. A missing value is `Absent` or `Null`.
impl<T: Field> Field for Option<T> {
    #[inline]
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

/// A boxed record reads like the record.
impl<T: Field> Field for Box<T> {
    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Read<Self>, A::Error> {
        T::object(object).map(|read| read.map(Self::new))
    }
}

/// An array is read if each element is read; otherwise the whole array is kept as JSON.
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
    #[inline]
    fn text(text: &str) -> Read<Self> {
        Read::Good(text.to_owned())
    }
}

impl Field for bool {
    fn boolean(boolean: bool) -> Read<Self> {
        Read::Good(boolean)
    }
}

/// A number, or a text with a number.
impl Field for i32 {
    fn text(text: &str) -> Read<Self> {
        text.parse().map_or_else(|_| Read::Odd(text.into()), Read::Good)
    }

    fn number(number: Number) -> Read<Self> {
        let fits = number.as_i64().and_then(|wide| Self::try_from(wide).ok());
        fits.map_or_else(|| Read::Odd(number.into()), Read::Good)
    }
}

/// A number, or a text with a number.
impl Field for i64 {
    fn text(text: &str) -> Read<Self> {
        text.parse().map_or_else(|_| Read::Odd(text.into()), Read::Good)
    }

    fn number(number: Number) -> Read<Self> {
        number.as_i64().map_or_else(|| Read::Odd(number.into()), Read::Good)
    }
}

/// Any JSON, for a field of unknown shape.
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

impl<'de, T: Field> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        reading(|read| read).deserialize(deserializer)
    }
}

/// Reads a value of any shape as a `T` and passes it to `then`, which stores it. Rows are large; returned through the results of
/// a deserializer, each row would be copied several times.
pub(crate) fn reading<T: Field, U, F: FnOnce(Read<T>) -> U>(then: F) -> Reading<T, F> {
    Reading(then, PhantomData)
}

/// See [`reading`].
#[derive(Debug)]
pub(crate) struct Reading<T, F>(F, PhantomData<T>);

impl<'de, T: Field, U, F: FnOnce(Read<T>) -> U> DeserializeSeed<'de> for Reading<T, F> {
    type Value = U;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<U, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Field, U, F: FnOnce(Read<T>) -> U> Visitor<'de> for Reading<T, F> {
    type Value = U;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    #[inline]
    fn visit_unit<E: de::Error>(self) -> Result<U, E> {
        Ok((self.0)(Read::Null))
    }

    fn visit_bool<E: de::Error>(self, boolean: bool) -> Result<U, E> {
        Ok((self.0)(T::boolean(boolean)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<U, E> {
        Ok((self.0)(T::number(number.into())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<U, E> {
        Ok((self.0)(T::number(number.into())))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<U, E> {
        Ok((self.0)(Number::from_f64(number).map_or(Read::Null, T::number)))
    }

    #[inline]
    fn visit_str<E: de::Error>(self, text: &str) -> Result<U, E> {
        Ok((self.0)(T::text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<U, A::Error> {
        T::array(array).map(self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<U, A::Error> {
        T::object(object).map(self.0)
    }
}

/// Result of the last reading of a field, without the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Found {
    #[default]
    Absent,
    /// Null, or an equivalent of the service.
    Null,
    /// A value of the expected shape.
    Good,
    /// A value of another shape.
    Odd,
}

impl Found {
    /// Stores a value in `field`, or, if it has another shape, in `extra` under `name`.
    #[inline]
    pub(crate) fn settle<T: Default>(
        &mut self,
        read: Read<T>,
        field: &mut T,
        name: &str,
        extra: &mut Map<String, Value>,
    ) {
        if *self != Self::Absent {
            // The last of two equal keys counts.
            *field = T::default();
            extra.remove(name);
        }
        *self = match read {
            Read::Absent => Self::Absent,
            Read::Null => Self::Null,
            Read::Good(good) => {
                *field = good;
                Self::Good
            }
            Read::Odd(odd) => {
                extra.insert(name.to_owned(), odd);
                Self::Odd
            }
        };
    }
}

/// Returns the field as a JSON entry; `None` if it was missing, or is already in `extra`.
pub(crate) fn raw_entry(found: Found, name: &str, field: &impl Serialize) -> Option<(String, Value)> {
    let raw = match found {
        Found::Absent | Found::Odd => return None,
        Found::Null => Value::Null,
        Found::Good => serde_json::to_value(field).ok()?,
    };
    Some((name.to_owned(), raw))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn number_may_be_text_and_must_fit() {
        assert!(matches!(i32::value(json!("-2145844840")), Read::Good(-2_145_844_840)));
        assert!(matches!(i32::value(json!(2_149_122_456_u32)), Read::Odd(_)));
        assert!(matches!(i32::value(json!(0.5)), Read::Odd(_)));
    }
}

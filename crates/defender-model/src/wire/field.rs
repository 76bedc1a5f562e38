//! How one field of the service's JSON is read: leniently, and so that nothing is lost.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        self, DeserializeSeed, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::{Map, Number, Value};

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
    #[inline]
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

    /// With `arbitrary_precision` of `serde_json`, which any crate of a build can turn on, a number looks like an object.
    fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Read<Self>, A::Error> {
        Ok(match Value::deserialize(MapAccessDeserializer::new(object))? {
            Value::Number(number) => Self::number(number),
            other => Read::Odd(other),
        })
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

impl<'de, T: Field> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        reading(|read| read).deserialize(deserializer)
    }
}

/// Reads a value of any shape as a `T` and hands it to `then`, which puts it where it belongs: rows are large, and on the
/// way up through the results of a deserializer each would be copied several times.
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

/// What a field of a record was last found to be; the value itself is elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Found {
    #[default]
    Absent,
    /// Null, or what the service writes for it.
    Null,
    /// What was looked for.
    Good,
    /// Something else.
    Odd,
}

impl Found {
    /// Puts what was read into its `field`, or into `extra` under its `name` where it is of another shape.
    #[inline]
    pub(crate) fn settle<T: Default>(
        &mut self,
        read: Read<T>,
        field: &mut T,
        name: &str,
        extra: &mut Map<String, Value>,
    ) {
        if *self != Self::Absent {
            // Of a key that comes twice, the last counts.
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

/// What a field was read from, as JSON under its `name`; `None` where it was not there, or is in `extra` already.
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
    fn a_number_may_come_as_text_and_one_that_does_not_fit_is_kept() {
        assert!(matches!(i32::value(json!("-2145844840")), Read::Good(-2_145_844_840)));
        assert!(matches!(i32::value(json!(2_149_122_456_u32)), Read::Odd(_)));
        assert!(matches!(i32::value(json!(0.5)), Read::Odd(_)));
    }
}

//! A record as JSON, field by field, with empty fields written or omitted.

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::wire_format::json_style::JsonStyle;

/// A record that is being written.
pub(crate) struct Fields<M> {
    map: M,
    style: JsonStyle,
}

impl<M: SerializeMap> Fields<M> {
    pub(crate) fn begin<S>(serializer: S, style: JsonStyle) -> Result<Self, S::Error>
    where
        S: Serializer<SerializeMap = M, Ok = M::Ok, Error = M::Error>,
    {
        Ok(Self { map: serializer.serialize_map(None)?, style })
    }

    /// A field that is always there.
    pub(crate) fn put<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), M::Error> {
        self.map.serialize_entry(name, value)
    }

    /// A field that may have no value.
    pub(crate) fn optional<T: Serialize + ?Sized>(&mut self, name: &str, value: Option<&T>) -> Result<(), M::Error> {
        match (value, self.style.omit_nulls) {
            (None, true) => Ok(()),
            (value, _) => self.map.serialize_entry(name, &value),
        }
    }

    /// A field that is empty if `is_nothing`.
    pub(crate) fn unless<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
        is_nothing: impl Fn(&T) -> bool,
    ) -> Result<(), M::Error> {
        if self.style.omit_nulls && is_nothing(value) { Ok(()) } else { self.put(name, value) }
    }

    pub(crate) fn end(self) -> Result<M::Ok, M::Error> {
        self.map.end()
    }
}

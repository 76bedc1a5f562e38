//! Records that are read leniently from JSON objects, and written back without loss.

use serde_json::Value;

use crate::wire::field::Field;

/// A record of the service, such as [`MachineAction`](crate::MachineAction) or [`Machine`](crate::Machine).
///
/// A [`Page`](crate::Page) has rows of this type. The trait cannot be implemented outside this crate.
pub trait Resource: Field + serde::Serialize {
    /// Returns the reason why `raw` is not such a record.
    #[doc(hidden)]
    fn unreadable(raw: &Value) -> String;
}

/// Declares a resource: a struct that is read leniently from a JSON object. Other fields of the object, and fields that do not
/// decode, are in `extra`. The struct is written back under the service's names.
///
/// A field marked `[required]` must decode. A name after `|` is an older spelling; it counts if the first name is missing.
macro_rules! resource {
    (
        $(#[$doc:meta])*
        pub struct $name:ident ($what:literal) {
            $([required] $(#[$required_doc:meta])* $required:ident: $required_type:ty = $required_wire:literal,)?
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $wire:literal $(| $alias:literal)?,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$required_doc])* pub $required: $required_type,)?
            $($(#[$field_doc])* pub $field: $type,)*
            /// Unknown fields, and fields of an unexpected shape, under the service's names.
            pub extra: serde_json::Map<String, serde_json::Value>,
        }

        const _: () = {
            use crate::wire::{field::{Field, Found, Read, raw_entry, reading}, resource::Resource};
            use serde::{de, ser::SerializeMap};
            use serde_json::{Map, Value};

            #[derive(Clone, Copy)]
            #[expect(non_camel_case_types, reason = "the variants are the names of the fields")]
            enum Key {
                $($required,)?
                $($field,)*
                Other,
            }

            /// Reads the name of a field. An unknown name is stored here.
            struct Name<'n>(&'n mut String);

            impl<'de> de::DeserializeSeed<'de> for Name<'_> {
                type Value = Key;

                fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
                    deserializer.deserialize_identifier(self)
                }
            }

            impl de::Visitor<'_> for Name<'_> {
                type Value = Key;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("the name of a field")
                }

                fn visit_str<E: de::Error>(self, name: &str) -> Result<Key, E> {
                    Ok(match name {
                        $($required_wire => Key::$required,)?
                        $($wire => Key::$field,)*
                        other => {
                            other.clone_into(self.0);
                            Key::Other
                        }
                    })
                }
            }

            /// Result of reading each field.
            #[derive(Default)]
            struct Fields {
                $($required: Found,)?
                $($field: Found,)*
            }

            impl Field for $name {
                fn object<'de, A: de::MapAccess<'de>>(mut object: A) -> Result<Read<Self>, A::Error> {
                    let mut found = Fields::default();
                    let mut extra = Map::new();
                    $(let mut $required: Option<$required_type> = None;)?
                    $(let mut $field = <$type>::default();)*
                    let mut other = String::new();
                    while let Some(name) = object.next_key_seed(Name(&mut other))? {
                        match name {
                            $(Key::$required => {
                                let settle = |read| found.$required.settle(read, &mut $required, $required_wire, &mut extra);
                                object.next_value_seed(reading(settle))?;
                            })?
                            $(Key::$field => {
                                let settle = |read| found.$field.settle(read, &mut $field, $wire, &mut extra);
                                object.next_value_seed(reading(settle))?;
                            })*
                            Key::Other => {
                                extra.insert(std::mem::take(&mut other), object.next_value()?);
                            }
                        }
                    }
                    $($(
                        if matches!(found.$field, Found::Absent | Found::Null)
                            && let Some(older) = extra.remove($alias)
                        {
                            match <$type>::value(older) {
                                Read::Odd(odd) => drop(extra.insert($alias.to_owned(), odd)),
                                read => found.$field.settle(read, &mut $field, $wire, &mut extra),
                            }
                        }
                    )?)*
                    #[allow(unused_variables, reason = "a resource that requires nothing is read from any object")]
                    let whole = |mut raw: Map<String, Value>| {
                        $(raw.extend(raw_entry(found.$field, $wire, &$field));)*
                        Value::Object(raw)
                    };
                    $(
                        let Some($required) = $required else {
                            extra.extend(raw_entry(found.$required, $required_wire, &()));
                            return Ok(Read::Odd(whole(extra)));
                        };
                    )?
                    Ok(Read::Good($name { $($required,)? $($field,)* extra }))
                }
            }

            impl Resource for $name {
                fn unreadable(raw: &Value) -> String {
                    if !raw.is_object() {
                        return concat!("expected the JSON object of ", $what).to_owned();
                    }
                    $(
                        match raw.get($required_wire) {
                            None | Some(Value::Null) => {}
                            Some(value) => match <$required_type as serde::Deserialize>::deserialize(value) {
                                Ok(_) => {}
                                Err(error) => return format!("field `{}`: {error}", $required_wire),
                            },
                        }
                        return format!("missing field `{}`", $required_wire);
                    )?
                    #[allow(unreachable_code, reason = "a resource that requires nothing is read from any object")]
                    String::new()
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    struct Object;
                    impl<'de> de::Visitor<'de> for Object {
                        type Value = $name;

                        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                            f.write_str(concat!("the JSON object of ", $what))
                        }

                        fn visit_map<A: de::MapAccess<'de>>(self, object: A) -> Result<$name, A::Error> {
                            match <$name as Field>::object(object)? {
                                Read::Good(good) => Ok(good),
                                odd => Err(de::Error::custom($name::unreadable(&odd.to_raw().unwrap_or_default()))),
                            }
                        }
                    }
                    deserializer.deserialize_map(Object)
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    let mut map = serializer.serialize_map(None)?;
                    $(map.serialize_entry($required_wire, &self.$required)?;)?
                    $(
                        if !Field::is_absent(&self.$field) {
                            map.serialize_entry($wire, &self.$field)?;
                        }
                    )*
                    for (name, value) in &self.extra {
                        map.serialize_entry(name, value)?;
                    }
                    map.end()
                }
            }
        };
    };
}

pub(crate) use resource;

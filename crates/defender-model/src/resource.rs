//! Structs that are read leniently from the service's JSON objects, and written back without loss.

use serde_json::Value;

use crate::field::Field;

/// What the service tells of: [`MachineAction`](crate::MachineAction), [`Machine`](crate::Machine) and the like.
///
/// It is what can be a row of a [`Page`](crate::Page). It cannot be implemented outside this crate.
pub trait Resource: Field + serde::Serialize {
    /// Why `raw` is not one.
    #[doc(hidden)]
    fn unreadable(raw: &Value) -> String;
}

/// Makes a resource: a struct whose fields are read leniently from a JSON object, with whatever else the object holds,
/// and whatever does not decode, in `extra`, and written back under the service's own names.
///
/// A field marked `[required]` must decode. A name after `|` is an older spelling, taken where the first is absent.
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
            /// What this version does not know, and what is not of the shape that it knows, under the service's names.
            pub extra: serde_json::Map<String, serde_json::Value>,
        }

        const _: () = {
            use crate::{
                field::{Field, Read},
                resource::Resource,
            };
            use serde::{de, ser::SerializeMap};
            use serde_json::{Map, Value};

            #[expect(non_camel_case_types, reason = "the variants are the names of the fields")]
            enum Key {
                $($required,)?
                $($field,)*
                Other(String),
            }

            impl<'de> serde::Deserialize<'de> for Key {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    struct Name;
                    impl de::Visitor<'_> for Name {
                        type Value = Key;

                        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                            f.write_str("the name of a field")
                        }

                        fn visit_str<E: de::Error>(self, name: &str) -> Result<Key, E> {
                            Ok(match name {
                                $($required_wire => Key::$required,)?
                                $($wire => Key::$field,)*
                                other => Key::Other(other.to_owned()),
                            })
                        }
                    }
                    deserializer.deserialize_identifier(Name)
                }
            }

            impl Field for $name {
                fn object<'de, A: de::MapAccess<'de>>(mut object: A) -> Result<Read<Self>, A::Error> {
                    let mut extra = Map::new();
                    $(let mut $required: Read<$required_type> = Read::Absent;)?
                    $(let mut $field: Read<$type> = Read::Absent;)*
                    while let Some(name) = object.next_key()? {
                        match name {
                            $(Key::$required => $required = object.next_value()?,)?
                            $(Key::$field => $field = object.next_value()?,)*
                            Key::Other(name) => {
                                extra.insert(name, object.next_value()?);
                            }
                        }
                    }
                    $($(
                        if matches!($field, Read::Absent | Read::Null)
                            && let Some(older) = extra.remove($alias)
                        {
                            $field = match <$type>::value(older) {
                                Read::Odd(odd) => {
                                    extra.insert($alias.to_owned(), odd);
                                    Read::Absent
                                }
                                read => read,
                            };
                        }
                    )?)*
                    #[allow(unused_variables, reason = "a resource that requires nothing is read from any object")]
                    let with_fields = |mut raw: Map<String, Value>| {
                        $(raw.extend($field.to_raw().map(|value| ($wire.to_owned(), value)));)*
                        Value::Object(raw)
                    };
                    $(
                        let $required = match $required {
                            Read::Good(good) => good,
                            odd => {
                                extra.extend(odd.to_raw().map(|value| ($required_wire.to_owned(), value)));
                                return Ok(Read::Odd(with_fields(extra)));
                            }
                        };
                    )?
                    Ok(Read::Good($name {
                        $($required,)?
                        $($field: match $field {
                            Read::Good(good) => good,
                            Read::Absent | Read::Null => <$type>::default(),
                            Read::Odd(value) => {
                                extra.insert($wire.to_owned(), value);
                                <$type>::default()
                            }
                        },)*
                        extra,
                    }))
                }
            }

            impl Resource for $name {
                fn unreadable(raw: &Value) -> String {
                    if !raw.is_object() {
                        return concat!($what, " is a JSON object, and this is none").to_owned();
                    }
                    $(
                        match raw.get($required_wire) {
                            None | Some(Value::Null) => {}
                            Some(value) => match <$required_type as serde::Deserialize>::deserialize(value) {
                                Ok(_) => {}
                                Err(error) => return format!("its `{}`: {error}", $required_wire),
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

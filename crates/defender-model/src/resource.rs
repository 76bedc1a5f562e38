//! Structs that are read leniently from the service's JSON objects, and written back without loss.

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
            use crate::field::{Field, Read};
            use serde::{de, ser::SerializeMap};

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

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    struct Object;
                    impl<'de> de::Visitor<'de> for Object {
                        type Value = $name;

                        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                            f.write_str(concat!("the JSON object of ", $what))
                        }

                        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                            let mut extra = serde_json::Map::new();
                            $(let mut $required: Read<$required_type> = Read::Nothing;)?
                            $(let mut $field: Read<$type> = Read::Nothing;)*
                            while let Some(name) = map.next_key()? {
                                match name {
                                    $(Key::$required => $required = map.next_value()?,)?
                                    $(Key::$field => $field = map.next_value()?,)*
                                    Key::Other(name) => {
                                        extra.insert(name, map.next_value()?);
                                    }
                                }
                            }
                            $($(
                                if let Read::Nothing = $field {
                                    if let Some(value) = extra.remove($alias) {
                                        $field = match <$type>::value(value) {
                                            Read::Odd(value) => {
                                                extra.insert($alias.to_owned(), value);
                                                Read::Nothing
                                            }
                                            read => read,
                                        };
                                    }
                                }
                            )?)*
                            Ok($name {
                                $($required: match $required {
                                    Read::Good(good) => good,
                                    Read::Nothing => return Err(de::Error::missing_field($required_wire)),
                                    Read::Odd(value) => {
                                        <$required_type as serde::Deserialize>::deserialize(value).map_err(de::Error::custom)?
                                    }
                                },)?
                                $($field: match $field {
                                    Read::Good(good) => good,
                                    Read::Nothing => <$type>::default(),
                                    Read::Odd(value) => {
                                        extra.insert($wire.to_owned(), value);
                                        <$type>::default()
                                    }
                                },)*
                                extra,
                            })
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

            impl Field for $name {
                fn compound(value: serde_json::Value) -> Read<Self> {
                    crate::field::decoded(value)
                }
            }
        };
    };
}

pub(crate) use resource;

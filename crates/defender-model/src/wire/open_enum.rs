//! Enums to which the service may add values at any time.

/// A value that this version does not know, as the service sent it. The enum's `as_str` returns the text.
///
/// Code outside this crate can neither create it nor match on its text. A value that becomes known in a later version therefore
/// breaks no caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnknownValue(Box<str>);

impl UnknownValue {
    pub(crate) fn new(word: &str) -> Self {
        Self(word.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Declares an enum of known values with one variant for all others. Known values are read in any letter case and under their
/// aliases, and written in the canonical form. Unknown values are kept verbatim. The default is the unknown value `""`, which
/// stands for a missing value.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal $(| $alias:literal)*),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$variant_doc])*
                #[doc = concat!("\n\nIn JSON: `", $word, "`.")]
                $variant,
            )+
            /// Any other value.
            Unknown(crate::UnknownValue),
        }

        impl $name {
            /// Values that this version knows, as the service writes them.
            pub const KNOWN: &'static [&'static str] = &[$($word),+];

            /// Returns the value as the service writes it; an unknown value as it was received.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown(word) => word.as_str(),
                }
            }
        }

        impl Default for $name {
            /// Returns the missing value: `""`.
            fn default() -> Self {
                Self::Unknown(crate::UnknownValue::new(""))
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                // The service's own spelling is by far the most common, and needs no comparison in lower case.
                match word {
                    $($word => return Self::$variant,)+
                    _ => {}
                }
                $(
                    if word.eq_ignore_ascii_case($word) $(|| word.eq_ignore_ascii_case($alias))* {
                        return Self::$variant;
                    }
                )+
                Self::Unknown(crate::UnknownValue::new(word))
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Ok(word.into())
            }
        }

        impl std::fmt::Display for $name {
            /// Writes the value. An unknown value is sanitized, since it may have any text.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Unknown(word) => f.pad(&crate::sanitize_line(word.as_str(), 200)),
                    _ => f.pad(self.as_str()),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Word;
                impl serde::de::Visitor<'_> for Word {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<$name, E> {
                        Ok(word.into())
                    }
                }
                deserializer.deserialize_str(Word)
            }
        }

        impl crate::Literal for $name {
            type Of = Self;

            fn operand(&self) -> crate::Operand<'_> {
                crate::Operand::Text(self.as_str())
            }
        }

        impl crate::wire::field::Field for $name {
            fn text(word: &str) -> crate::wire::field::Read<Self> {
                crate::wire::field::Read::Good(word.into())
            }

            fn is_absent(&self) -> bool {
                matches!(self, Self::Unknown(word) if word.as_str().is_empty())
            }
        }
    };
}

pub(crate) use open_enum;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::ActionStatus;

    #[test]
    fn known_value_is_read_in_any_case() {
        for word in ["TimeOut", "timeout", "TIMEOUT"] {
            assert_eq!(ActionStatus::from(word), ActionStatus::TimeOut);
        }
        assert_eq!(serde_json::to_string(&ActionStatus::from("canceled")).unwrap(), r#""Cancelled""#);
    }

    #[test]
    fn every_known_value_is_read() {
        for word in ActionStatus::KNOWN {
            assert_eq!(ActionStatus::from(*word).as_str(), *word);
            assert!(!matches!(ActionStatus::from(*word), ActionStatus::Unknown(_)));
        }
    }

    proptest! {
        #[test]
        fn any_value_survives(word in any::<String>()) {
            let json = serde_json::to_string(&word).unwrap();
            let read: ActionStatus = serde_json::from_str(&json).unwrap();
            if matches!(read, ActionStatus::Unknown(_)) {
                prop_assert_eq!(read.as_str(), &word);
            }
            prop_assert_eq!(ActionStatus::from(read.as_str()), read);
        }
    }
}

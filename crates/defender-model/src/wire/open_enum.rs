//! Enums that the service may add words to at any time.

/// A word that this version does not know, as the service wrote it; read it with the enum's `as_str`.
///
/// It cannot be made or matched on from outside, so that a word which becomes known later breaks nobody.
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

/// Makes an enum of known words and one arm for all others. Known words are taken in any letter case and under their
/// aliases, and written in the canonical form; unknown words are kept verbatim. The default is the unknown word `""`,
/// which is how an absent word reads.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal $(| $alias:literal)*),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$variant_doc])*
                #[doc = concat!("\n\nOn the wire: `", $word, "`.")]
                $variant,
            )+
            /// Any other word.
            Unknown(crate::UnknownValue),
        }

        impl $name {
            /// The words that this version knows, as the service writes them.
            pub const KNOWN: &'static [&'static str] = &[$($word),+];

            /// The word as the service writes it; an unknown word as it came.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown(word) => word.as_str(),
                }
            }
        }

        impl Default for $name {
            /// The word of which nothing was said: `""`.
            fn default() -> Self {
                Self::Unknown(crate::UnknownValue::new(""))
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                // As the service writes it, which is the most common by far, it is found without a look at each word.
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
            /// The word, fit to be shown: an unknown one may be anything.
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
                        f.write_str("a word")
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
    fn known_words_come_in_any_case_and_go_out_in_the_service_s() {
        for word in ["TimeOut", "timeout", "TIMEOUT"] {
            assert_eq!(ActionStatus::from(word), ActionStatus::TimeOut);
        }
        assert_eq!(serde_json::to_string(&ActionStatus::from("canceled")).unwrap(), r#""Cancelled""#);
    }

    #[test]
    fn every_known_word_is_read_as_itself() {
        for word in ActionStatus::KNOWN {
            assert_eq!(ActionStatus::from(*word).as_str(), *word);
            assert!(!matches!(ActionStatus::from(*word), ActionStatus::Unknown(_)));
        }
    }

    proptest! {
        #[test]
        fn any_word_survives(word in any::<String>()) {
            let json = serde_json::to_string(&word).unwrap();
            let read: ActionStatus = serde_json::from_str(&json).unwrap();
            if matches!(read, ActionStatus::Unknown(_)) {
                prop_assert_eq!(read.as_str(), &word);
            }
            prop_assert_eq!(ActionStatus::from(read.as_str()), read);
        }
    }
}

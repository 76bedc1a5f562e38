//! The `externalId` of a record.

use std::str::FromStr;

use uuid::Builder;

use super::seeded::{rng, seed};

/// The `externalId` of a record, compared with that of its POST.
///
/// The request's name for it stands in the service's own metadata; no page documents its use, so that other things than
/// an echo are possible: it may be dropped, or filled in by a gateway or another product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExternalIds {
    /// The id of the POST, or null. The default.
    #[default]
    Echoed,
    /// Always null.
    Absent,
    /// A random UUID of somebody else, also where the POST had none.
    Uuid,
    /// A ticket of another product, such as `INC0012345`, also where the POST had none.
    Word,
    /// Any of these for each action, by this seed.
    Seeded(u64),
}

impl ExternalIds {
    /// The external id of the record of this number.
    pub(crate) fn written(self, number: usize, sent: Option<String>) -> Option<String> {
        let mut thrown = rng(0, number, 5);
        match self {
            Self::Echoed => sent,
            Self::Absent => None,
            Self::Uuid => {
                let bytes = (u128::from(thrown.next_u64()) << 64) | u128::from(thrown.next_u64());
                Some(Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid().to_string())
            }
            Self::Word => Some(format!("INC{:07}", thrown.below(10_000_000))),
            Self::Seeded(seed) => {
                let drawn = match rng(seed, number, 4).below(4) {
                    0 => Self::Echoed,
                    1 => Self::Absent,
                    2 => Self::Uuid,
                    _ => Self::Word,
                };
                drawn.written(number, sent)
            }
        }
    }
}

impl FromStr for ExternalIds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "echoed" => Ok(Self::Echoed),
            "absent" => Ok(Self::Absent),
            "uuid" => Ok(Self::Uuid),
            "word" => Ok(Self::Word),
            text => seed(text).map(Self::Seeded).ok_or("expected echoed, absent, uuid, word or seeded:NUMBER"),
        }
    }
}

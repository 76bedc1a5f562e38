//! Rows that a client cannot decode or attribute.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::seeded::{rng, seed};

/// The readability of rows in lists and of single actions. The response to a POST is always readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rows {
    /// They can. The default.
    #[default]
    Readable,
    /// `machineId` is null.
    NullMachine,
    /// `type` is null.
    NullType,
    /// `creationDateTimeUtc` is null.
    NullCreation,
    /// `type` is unknown.
    UnknownType,
    /// They do not decode: without an id, or with values of other types. Each action has one of five such forms.
    Unreadable,
    /// One in four actions has any of these, by this seed.
    Seeded(u64),
}

/// A defect of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Null(&'static str),
    UnknownType,
    NoId,
    NumberForId,
    ObjectForMachine,
    NumberForDate,
    Text,
}

impl Rows {
    /// Returns the defect of the row of the action of this number.
    pub(crate) fn shape(self, number: usize) -> Option<Shape> {
        Some(match self {
            Self::Readable => return None,
            Self::NullMachine => Shape::Null("machineId"),
            Self::NullType => Shape::Null("type"),
            Self::NullCreation => Shape::Null("creationDateTimeUtc"),
            Self::UnknownType => Shape::UnknownType,
            Self::Unreadable => match number % 5 {
                0 => Shape::NoId,
                1 => Shape::NumberForId,
                2 => Shape::ObjectForMachine,
                3 => Shape::NumberForDate,
                _ => Shape::Text,
            },
            Self::Seeded(seed) => {
                let drawn = match rng(seed, number, 7).below(20) {
                    0 => Self::NullMachine,
                    1 => Self::NullType,
                    2 => Self::NullCreation,
                    3 => Self::UnknownType,
                    4 => Self::Unreadable,
                    _ => Self::Readable,
                };
                return drawn.shape(number);
            }
        })
    }
}

impl Shape {
    /// The row as it is written, made of the row as it is.
    pub(crate) fn of(self, mut row: Map<String, Value>) -> Value {
        let mut put = |name: &str, value: Value| drop(row.insert(name.to_owned(), value));
        match self {
            Self::Null(name) => put(name, Value::Null),
            Self::UnknownType => put("type", "QuantumQuarantine".into()),
            Self::NoId => drop(row.remove("id")),
            Self::NumberForId => put("id", 7.into()),
            Self::ObjectForMachine => put("machineId", json!({ "id": "m" })),
            Self::NumberForDate => put("creationDateTimeUtc", 1_767_268_800.into()),
            Self::Text => return "System.Object".into(),
        }
        Value::Object(row)
    }
}

impl FromStr for Rows {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "readable" => Ok(Self::Readable),
            "null-machine" => Ok(Self::NullMachine),
            "null-type" => Ok(Self::NullType),
            "null-creation" => Ok(Self::NullCreation),
            "unknown-type" => Ok(Self::UnknownType),
            "unreadable" => Ok(Self::Unreadable),
            text => seed(text).map(Self::Seeded).ok_or(
                "expected readable, null-machine, null-type, null-creation, unknown-type, unreadable or seeded:NUMBER",
            ),
        }
    }
}

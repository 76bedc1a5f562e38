//! A parsed filter, and its evaluation on a row.

use std::{borrow::Cow, cmp::Ordering};

use jiff::Timestamp;

use super::schema::Kind;

/// A filter.
#[derive(Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Is(Operand, Compare, Operand),
    StartsWith(Operand, Operand),
    /// Holds if any of a property's texts fits.
    Any(usize, Box<Expr>),
}

/// One side of a comparison.
#[derive(Debug, PartialEq)]
pub(crate) enum Operand {
    /// A property, by its place.
    Property(usize, Kind),
    /// The text that `any` looks at.
    Variable,
    Literal(Val<'static>),
}

/// A comparison of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Val<'v> {
    Null,
    Text(Cow<'v, str>),
    Date(Timestamp),
    Number(i64),
    Texts(&'v [String]),
}

/// Something with properties.
pub(crate) trait Row {
    /// The value of the property at this place of the schema.
    fn value(&self, property: usize) -> Val<'_>;
}

impl Expr {
    /// Returns `true` if it holds of `row`.
    pub(crate) fn holds(&self, row: &dyn Row) -> bool {
        self.holds_of(row, None)
    }

    fn holds_of(&self, row: &dyn Row, variable: Option<&str>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds_of(row, variable)),
            Self::Or(parts) => parts.iter().any(|part| part.holds_of(row, variable)),
            Self::Not(part) => !part.holds_of(row, variable),
            Self::Is(left, compare, right) => compare.holds(&left.value(row, variable), &right.value(row, variable)),
            Self::StartsWith(text, start) => match (text.value(row, variable), start.value(row, variable)) {
                (Val::Text(text), Val::Text(start)) => text.starts_with(&*start),
                _ => false,
            },
            Self::Any(property, part) => match row.value(*property) {
                Val::Texts(texts) => texts.iter().any(|text| part.holds_of(row, Some(text))),
                _ => false,
            },
        }
    }
}

impl Operand {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Property(_, kind) => *kind,
            Self::Literal(Val::Null) => Kind::Null,
            Self::Variable | Self::Literal(Val::Text(_)) => Kind::Text,
            Self::Literal(Val::Date(_)) => Kind::Date,
            Self::Literal(Val::Number(_)) => Kind::Number,
            Self::Literal(Val::Texts(_)) => Kind::Texts,
        }
    }

    fn value<'v>(&'v self, row: &'v dyn Row, variable: Option<&'v str>) -> Val<'v> {
        match self {
            Self::Property(property, _) => row.value(*property),
            Self::Variable => variable.map_or(Val::Null, |text| Val::Text(Cow::Borrowed(text))),
            Self::Literal(Val::Text(text)) => Val::Text(Cow::Borrowed(text)),
            Self::Literal(value) => value.clone(),
        }
    }
}

impl Compare {
    fn holds(self, left: &Val<'_>, right: &Val<'_>) -> bool {
        match self {
            Self::Eq => left == right,
            Self::Ne => left != right,
            Self::Gt => left.order(right) == Some(Ordering::Greater),
            Self::Ge => left.order(right).is_some_and(Ordering::is_ge),
            Self::Lt => left.order(right) == Some(Ordering::Less),
            Self::Le => left.order(right).is_some_and(Ordering::is_le),
        }
    }
}

impl Val<'_> {
    pub(crate) fn is_some(&self) -> bool {
        *self != Self::Null
    }

    /// Compares two values. A missing value is neither before nor after anything.
    pub(crate) fn order(&self, other: &Val<'_>) -> Option<Ordering> {
        match (self, other) {
            (Val::Text(one), Val::Text(other)) => Some(one.cmp(other)),
            (Val::Date(one), Val::Date(other)) => Some(one.cmp(other)),
            (Val::Number(one), Val::Number(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

//! The properties of a collection, for filters.

/// A property that may be asked for, and what it holds.
#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Date,
    Number,
    Texts,
    Null,
}

/// The operator `in` in a filter, as in `id in ('a','b')`.
///
/// It is OData's, and not on the service's pages, so that a client that relies on it is caught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InOperator {
    /// A 400. The default.
    #[default]
    Refused,
    /// It is understood.
    Understood,
}

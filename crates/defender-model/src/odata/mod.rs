//! Queries of lists: filters, orders and paging, as OData writes them.

pub(crate) mod filter;
pub(crate) mod literal;
pub(crate) mod percent;
pub(crate) mod property;
pub(crate) mod query;

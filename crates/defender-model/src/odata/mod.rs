//! OData queries of lists: filters, orders and paging.

pub(crate) mod filter;
pub(crate) mod literal;
pub(crate) mod percent;
pub(crate) mod property;
pub(crate) mod query;

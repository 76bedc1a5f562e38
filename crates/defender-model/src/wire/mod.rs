//! Reading and writing of the service's JSON, field by field.

pub(crate) mod date;
pub(crate) mod field;
pub(crate) mod id;
pub(crate) mod json;
pub(crate) mod open_enum;
pub(crate) mod resource;
pub(crate) mod sanitize;

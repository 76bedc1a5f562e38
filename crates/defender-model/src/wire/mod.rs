//! How the service's JSON is read and written, field by field.

pub(crate) mod date;
pub(crate) mod field;
pub(crate) mod id;
pub(crate) mod json;
pub(crate) mod open_enum;
pub(crate) mod resource;
pub(crate) mod sanitize;

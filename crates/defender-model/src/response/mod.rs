//! Responses of the service other than machines and actions.

pub(crate) mod library_file;
pub(crate) mod link;
pub(crate) mod page;
pub(crate) mod problem;
pub(crate) mod transcript;

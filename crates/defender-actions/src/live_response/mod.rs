//! Live response: results of commands, and the library of scripts and files.

pub(crate) mod library;
pub(crate) mod multipart;
pub(crate) mod result;

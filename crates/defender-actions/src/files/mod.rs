//! Downloads of packages and results: links, chunks, names and checks.

pub(crate) mod chunks;
pub(crate) mod content_range;
pub(crate) mod download;
pub(crate) mod fetch;
pub(crate) mod file_name;
pub(crate) mod gunzip;
pub(crate) mod hasher;
pub(crate) mod link;
pub(crate) mod link_target;
pub(crate) mod partial_file;
pub(crate) mod save;

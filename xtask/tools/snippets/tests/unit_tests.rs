//! The unit tests in the pages, each block as a module, run as in a project.
#![allow(clippy::pedantic, clippy::unwrap_used, clippy::indexing_slicing, reason = "pages show short code")]

include!(concat!(env!("OUT_DIR"), "/unit_tests.rs"));

//! Recipes that the READMEs show. The fresh crates of `cargo xtask fresh-crates` have the same files.

#[path = "../../../fresh/reqwest_transport.rs"]
#[allow(missing_docs, clippy::missing_errors_doc, reason = "a recipe is short")]
pub mod reqwest_transport;

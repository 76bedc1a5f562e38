//! Each way to a token, over mocks of the transport and in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed"
)]

mod as_it_comes;
#[cfg(all(unix, feature = "encrypted-keys", feature = "aws-lc-rs", feature = "azure-cli", feature = "browser"))]
mod astray;
mod at_once;
#[cfg(feature = "browser")]
mod authorization_code;
#[cfg(all(unix, feature = "encrypted-keys", feature = "aws-lc-rs", feature = "azure-cli", feature = "browser"))]
mod azure_arc;
#[cfg(all(unix, feature = "azure-cli"))]
mod azure_cli;
#[cfg(all(unix, feature = "encrypted-keys", feature = "aws-lc-rs", feature = "azure-cli", feature = "browser"))]
mod canary;
#[cfg(all(feature = "encrypted-keys", feature = "aws-lc-rs"))]
mod certificate;
mod challenge;
mod client_secret;
#[cfg(all(unix, feature = "encrypted-keys", feature = "aws-lc-rs", feature = "azure-cli"))]
mod corpus;
mod declined;
mod device_code;
mod gallery;
mod hostile;
mod managed_identity;
mod on_behalf_of;
#[cfg(all(feature = "aws-lc-rs", feature = "browser"))]
mod over_tls;
mod refresh_token;
mod support;
mod workload_identity;

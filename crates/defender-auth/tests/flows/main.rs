//! Each way to a token, over mocks of the wire and in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed"
)]

#[cfg(feature = "browser")]
mod authorization_code;
#[cfg(all(unix, feature = "azure-cli"))]
mod azure_cli;
#[cfg(all(feature = "encrypted-keys", feature = "aws-lc-rs"))]
mod certificate;
mod device_code;
mod everywhere;
mod managed_identity;
mod on_behalf_of;
mod refresh_token;
mod support;
mod workload_identity;

//! Cryptography provider that signs.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use crate::{Error, ErrorKind};

/// The provider that the process has installed, else aws-lc-rs if it is compiled in, else ring if that is, else an error.
pub(super) fn provider() -> Result<Arc<CryptoProvider>, Error> {
    let found = CryptoProvider::get_default().cloned().or_else(aws_lc_rs).or_else(ring);
    found.ok_or_else(|| {
        Error::new(ErrorKind::Configuration).context(
            "there is no crypto provider to sign with: turn on the feature `aws-lc-rs` or `ring` of defender-auth, or \
             install one in the process",
        )
    })
}

#[cfg(feature = "aws-lc-rs")]
#[expect(clippy::unnecessary_wraps, reason = "its twin without the feature has nothing to give")]
fn aws_lc_rs() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(not(feature = "aws-lc-rs"))]
fn aws_lc_rs() -> Option<Arc<CryptoProvider>> {
    None
}

#[cfg(feature = "ring")]
#[expect(clippy::unnecessary_wraps, reason = "its twin without the feature has nothing to give")]
fn ring() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(feature = "ring"))]
fn ring() -> Option<Arc<CryptoProvider>> {
    None
}

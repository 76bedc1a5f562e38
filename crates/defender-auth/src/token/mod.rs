//! Access tokens: their cache, claims, expiry and challenges.

pub(crate) mod access_token;
pub(crate) mod base64_text;
pub(crate) mod cache;
pub(crate) mod challenge;
pub(crate) mod claims;
pub(crate) mod expiry;
pub(crate) mod store;

//! The Entra ID that signs in to the service: its token endpoint, its discovery documents, and managed identities.

pub(crate) mod audience;
pub(crate) mod claims;
pub(crate) mod error;
pub(crate) mod grants;
pub(crate) mod identity;
pub(crate) mod jwt;

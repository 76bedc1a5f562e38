//! Stores of a person's refresh token.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;

use crate::{Error, secret::Secret};

/// Refresh token: gives new access tokens for as long as the person's sign-in lasts. Never printed.
///
/// Guard it as one guards a password: it is good for months.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(Arc<Secret>);

impl RefreshToken {
    /// The token's text.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Arc::new(Secret::trimmed(secret)))
    }

    /// Text of the refresh token, for a store of your own.
    #[must_use]
    pub fn secret(&self) -> &str {
        self.0.reveal()
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken").finish_non_exhaustive()
    }
}

/// Store of the refresh token of one sign-in: a keychain, an encrypted file, a vault.
///
/// A credential loads before each refresh and saves the new token, since each refresh gives a new token that takes the
/// place of the old one. The old one is not revoked, so nothing is lost where a save fails: the credential gives the
/// error, and the next call begins again with what is stored.
///
/// ```
/// use defender_auth::{Error, ErrorKind, RefreshToken, TokenStore};
///
/// /// In a file, which only its owner should be able to read. (An example: blocking, and not encrypted.)
/// #[derive(Debug)]
/// struct InAFile(std::path::PathBuf);
///
/// #[async_trait::async_trait]
/// impl TokenStore for InAFile {
///     async fn load(&self) -> Result<Option<RefreshToken>, Error> {
///         match std::fs::read_to_string(&self.0) {
///             Ok(text) => Ok(Some(RefreshToken::new(text))),
///             Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
///             Err(error) => Err(Error::new(ErrorKind::Other).context("the sign-in cannot be read").caused_by(error)),
///         }
///     }
///
///     async fn save(&self, token: &RefreshToken) -> Result<(), Error> {
///         std::fs::write(&self.0, token.secret())
///             .map_err(|error| Error::new(ErrorKind::Other).context("the sign-in cannot be kept").caused_by(error))
///     }
/// }
/// ```
#[async_trait]
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// The token that is kept, if there is one.
    ///
    /// # Errors
    ///
    /// The store is there but cannot be read. The error holds no secret.
    async fn load(&self) -> Result<Option<RefreshToken>, Error>;

    /// Replaces the stored token by `token`.
    ///
    /// # Errors
    ///
    /// It could not be kept. The error holds no secret.
    async fn save(&self, token: &RefreshToken) -> Result<(), Error>;
}

#[async_trait]
impl<T: TokenStore + ?Sized> TokenStore for Arc<T> {
    async fn load(&self) -> Result<Option<RefreshToken>, Error> {
        (**self).load().await
    }

    async fn save(&self, token: &RefreshToken) -> Result<(), Error> {
        (**self).save(token).await
    }
}

/// A store that ends with the process. The default.
#[derive(Debug, Default)]
pub struct MemoryTokenStore(RwLock<Option<RefreshToken>>);

impl MemoryTokenStore {
    /// A store in which there is nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that holds `token`.
    #[must_use]
    pub fn with(token: RefreshToken) -> Self {
        Self(RwLock::new(Some(token)))
    }
}

#[async_trait]
impl TokenStore for MemoryTokenStore {
    async fn load(&self) -> Result<Option<RefreshToken>, Error> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn save(&self, token: &RefreshToken) -> Result<(), Error> {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(())
    }
}

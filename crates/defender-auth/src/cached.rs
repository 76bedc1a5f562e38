//! A token that is kept, and replaced once however many ask.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use defender_transport::Clock;
use tokio::sync::Mutex;

use crate::{AccessToken, Error, TokenCredential, TokenRequest};

/// How long before its end a token is replaced, as the Azure SDKs do.
const MARGIN: Duration = Duration::from_secs(300);

/// Keeps the token of the credential that it wraps.
///
/// - However many ask at once, one of them fetches and the others wait for it; they get its error, too.
/// - It is replaced five minutes before its end, or when the issuer said. While that goes on, and when it fails, the old
///   token is served for as long as it is good.
/// - A token that was refused ([`TokenRequest::stale`]) is replaced once: whoever brings an older one gets the new one.
/// - Nothing runs in the background, and dropping whoever fetches strands nobody: the next in line fetches.
#[derive(Debug)]
pub struct Cached<C> {
    inner: C,
    clock: Arc<dyn Clock>,
    kept: RwLock<Option<AccessToken>>,
    /// Held by whoever fetches. It keeps the last failure, for those who waited for it.
    fetching: Mutex<Option<Error>>,
    /// How many fetches have failed.
    failures: AtomicU64,
}

impl<C: TokenCredential> Cached<C> {
    /// Wraps `inner`; tokens end by `clock`.
    pub fn new(inner: C, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, kept: RwLock::new(None), fetching: Mutex::new(None), failures: AtomicU64::new(0) }
    }

    /// The token that is kept, if it is good and answers what was asked.
    fn kept(&self, ask: &TokenRequest) -> Option<AccessToken> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let good = kept.expires_on() > self.clock.now() && ask.stale.as_ref() != Some(&kept);
        good.then_some(kept)
    }

    fn is_due(&self, token: &AccessToken) -> bool {
        token.is_due(self.clock.now(), MARGIN)
    }
}

#[async_trait]
impl<C: TokenCredential> TokenCredential for Cached<C> {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let challenged = ask.claims.is_some();
        let good = if challenged { None } else { self.kept(ask) };
        let failures = self.failures.load(Ordering::Acquire);
        let mut last_failure = match good {
            Some(token) if !self.is_due(&token) => return Ok(token),
            // It is good for a while yet: nobody waits for its replacement.
            Some(token) => match self.fetching.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(token),
            },
            None => self.fetching.lock().await,
        };
        // While this one waited, somebody may have fetched, or failed to.
        let good = if challenged { None } else { self.kept(ask) };
        if let Some(token) = good.clone().filter(|token| !self.is_due(token)) {
            return Ok(token);
        }
        if good.is_none() && !challenged && self.failures.load(Ordering::Acquire) != failures {
            if let Some(error) = &*last_failure {
                return Err(error.clone());
            }
        }
        match self.inner.token(ask).await {
            Ok(token) => {
                *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
                *last_failure = None;
                Ok(token)
            }
            Err(error) => {
                *last_failure = Some(error.clone());
                self.failures.fetch_add(1, Ordering::Release);
                good.ok_or(error)
            }
        }
    }
}

//! Cache of a token, with one token request for any number of callers.

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

use crate::{AccessToken, Error, TokenCredential, TokenRequest, timeout::timeout};

/// Time before its expiry at which a token is replaced, as in the Azure SDKs.
pub(crate) const MARGIN: Duration = Duration::from_secs(300);

/// Minimum time between attempts to replace a token that is still valid, so that an issuer that is down, or that returns the
/// same token again, does not get a request for each call.
const REST: Duration = Duration::from_secs(30);

/// Maximum time that a call waits for the replacement of a token that is still valid. A token endpoint responds within a second;
/// the retries of one that does not may take five minutes, which the call needs for itself.
const REFRESH_WAIT: Duration = Duration::from_secs(5);

/// Caches the token of the credential that it wraps.
///
/// - Of many concurrent callers, one requests a token. The others wait for the result and get the same token, or the same error
///   if they asked for the same claims.
/// - A token is replaced five minutes before its expiry ([`margin`](Self::margin)), or at the time that the issuer stated. During
///   the replacement, and after a failed one, the old token is returned until it expires. The caller that requests the
///   replacement gets the old token after 5 s at most, or a quarter of the time that its call has left; the next attempt
///   follows 30 s later. Nobody is asked to sign in for it.
/// - A token that the API refused ([`TokenRequest::rejected_token`]) is replaced once: later callers with the refused token get
///   the new one. If the issuer returns the refused token again, as the host of a managed identity does, all callers get it,
///   and no other is requested for 30 s: the API's own refusal is more precise than an error of this layer.
/// - The claims of a challenge are requested once: later callers with the same claims get the same token.
/// - Nothing runs in the background. If the task that requests a token is dropped, the next waiting caller requests it.
#[derive(Debug)]
pub struct Cached<C> {
    inner: C,
    clock: Arc<dyn Clock>,
    margin: Duration,
    refresh_wait: Duration,
    kept: RwLock<Option<Kept>>,
    /// Lock of the task that requests a token. It has the last failure, for the tasks that waited for that request.
    fetching: Mutex<Option<Failure>>,
    /// Number of failed token requests.
    failures: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    token: AccessToken,
    /// The claims that a challenge demanded of the token.
    claims: Option<String>,
    /// True if the issuer returned the token again after the API had refused it.
    again: bool,
    /// Time of the last token request, by [`Clock::elapsed`].
    tried: Duration,
}

/// A failed token request.
#[derive(Debug)]
struct Failure {
    /// The claims that it asked for.
    claims: Option<String>,
    error: Error,
}

impl<C: TokenCredential> Cached<C> {
    /// Wraps `inner`; `clock` decides when a token has expired.
    pub fn new(inner: C, clock: Arc<dyn Clock>) -> Self {
        let (kept, fetching) = (RwLock::new(None), Mutex::new(None));
        Self { inner, clock, margin: MARGIN, refresh_wait: REFRESH_WAIT, kept, fetching, failures: AtomicU64::new(0) }
    }

    /// Sets the time before its expiry at which a token is replaced. Default: 5 minutes.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// Sets the longest time that a call waits for the replacement of a token that is still valid. Default: 5 s.
    #[cfg(feature = "azure-cli")]
    #[must_use]
    pub(crate) fn refresh_wait(mut self, refresh_wait: Duration) -> Self {
        self.refresh_wait = refresh_wait;
        self
    }

    /// Returns the cached token, if it is valid and meets the request, and `true` if it is due to be replaced.
    fn kept(&self, ask: &TokenRequest) -> Option<(AccessToken, bool)> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let Kept { token, claims, again, tried } = kept.as_ref()?;
        let now = self.clock.now();
        // Without the refused token it is not known if the cached token meets the claims.
        let met = ask.claims.is_none() || (ask.claims == *claims && ask.rejected_token.is_some());
        let rested = self.clock.elapsed() >= tried.saturating_add(REST);
        let fresh = ask.rejected_token.as_ref() != Some(token) || (*again && !rested);
        let good = met && token.expires_on() > now && fresh;
        good.then(|| (token.clone(), token.is_due(now, self.margin) && rested))
    }

    /// Requests a token from the credential and caches it.
    async fn fetch(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let fetched = self.inner.token(ask).await.and_then(AccessToken::fit_for_header);
        match fetched {
            Ok(token) => {
                let again = ask.rejected_token.as_ref() == Some(&token);
                let (claims, tried) = (ask.claims.clone(), self.clock.elapsed());
                let kept = Kept { token: token.clone(), claims, again, tried };
                *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
                Ok(token)
            }
            Err(error) => {
                self.rest();
                Err(error)
            }
        }
    }

    /// As [`fetch`](Self::fetch), while the cached token is valid; `None` if there is no other within the wait.
    async fn refresh(&self, ask: &TokenRequest, wait: Duration) -> Option<AccessToken> {
        // At first, since the caller may drop this.
        self.rest();
        let ask = TokenRequest { unattended: true, ..ask.clone() };
        timeout(&self.clock, wait, self.fetch(&ask)).await?.ok()
    }

    /// Returns the time that a call waits for the replacement of a valid token: a quarter of what it has left, so that its request has the rest.
    fn wait(&self, ask: &TokenRequest) -> Duration {
        ask.call_time.map_or(self.refresh_wait, |left| self.refresh_wait.min(left / 4))
    }

    /// Counts the time until the next attempt to replace the cached token from now.
    fn rest(&self) {
        if let Some(kept) = self.kept.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            kept.tried = self.clock.elapsed();
        }
    }

    /// Returns true if the token is valid for longer than `time`.
    fn outlasts(&self, token: &AccessToken, time: Duration) -> bool {
        self.clock.now().checked_add(time).is_ok_and(|then| token.expires_on() > then)
    }
}

#[async_trait]
impl<C: TokenCredential> TokenCredential for Cached<C> {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let failures = self.failures.load(Ordering::Acquire);
        let mut last_failure = match self.kept(ask) {
            Some((token, false)) => return Ok(token),
            // The token is still valid, so no caller waits for the one that replaces it.
            Some((token, true)) => match self.fetching.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(token),
            },
            None => self.fetching.lock().await,
        };
        // Another caller may have requested a token, or failed to, while this one waited.
        let good = match self.kept(ask) {
            Some((token, false)) => return Ok(token),
            good => good.map(|(token, _)| token),
        };
        let shared = good.is_none() && self.failures.load(Ordering::Acquire) != failures;
        if let Some(failure) = last_failure.as_ref().filter(|failure| shared && failure.claims == ask.claims) {
            return Err(failure.error.clone());
        }
        let wait = self.wait(ask);
        if let Some(old) = good.as_ref().filter(|old| self.outlasts(old, wait)) {
            // A failure is not shared: the callers that wait need another token than the old one, and may have a person asked for it.
            return Ok(self.refresh(ask, wait).await.unwrap_or_else(|| old.clone()));
        }
        match self.fetch(ask).await {
            Ok(token) => {
                *last_failure = None;
                Ok(token)
            }
            Err(error) => {
                *last_failure = Some(Failure { claims: ask.claims.clone(), error: error.clone() });
                self.failures.fetch_add(1, Ordering::Release);
                // The attempt may have taken longer than the token was good.
                good.filter(|old| self.outlasts(old, Duration::ZERO)).ok_or(error)
            }
        }
    }

    fn cached_token(&self) -> Option<AccessToken> {
        self.kept(&TokenRequest::new()).and_then(|(token, is_due)| (!is_due).then_some(token))
    }
}

#[cfg(test)]
mod tests;

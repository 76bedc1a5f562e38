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

use crate::{AccessToken, Error, TokenCredential, TokenRequest};

/// Time before its expiry at which a token is replaced, as in the Azure SDKs.
pub(crate) const MARGIN: Duration = Duration::from_secs(300);

/// Minimum time between attempts to replace a token that is still valid, so that an issuer that is down, or that returns the
/// same token again, does not get a request for each call.
const REST: Duration = Duration::from_secs(30);

/// Caches the token of the credential that it wraps.
///
/// - Of many concurrent callers, one requests a token. The others wait for the result and get the same token or error.
/// - A token is replaced five minutes before its expiry ([`margin`](Self::margin)), or at the time that the issuer stated. During
///   the replacement, and after a failed one, the old token is returned until it expires.
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
    kept: RwLock<Option<Kept>>,
    /// Lock of the task that requests a token. It has the last failure, for the tasks that waited for that request.
    fetching: Mutex<Option<Error>>,
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

impl<C: TokenCredential> Cached<C> {
    /// Wraps `inner`; `clock` decides when a token has expired.
    pub fn new(inner: C, clock: Arc<dyn Clock>) -> Self {
        let (kept, fetching) = (RwLock::new(None), Mutex::new(None));
        Self { inner, clock, margin: MARGIN, kept, fetching, failures: AtomicU64::new(0) }
    }

    /// Sets the time before its expiry at which a token is replaced. Default: 5 minutes.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
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
        let fetched = self.inner.token(ask).await;
        let tried = self.clock.elapsed();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(token) => {
                let again = ask.rejected_token.as_ref() == Some(&token);
                *kept = Some(Kept { token: token.clone(), claims: ask.claims.clone(), again, tried });
                Ok(token)
            }
            Err(error) => {
                if let Some(kept) = kept.as_mut() {
                    kept.tried = tried;
                }
                Err(error)
            }
        }
    }
}

#[async_trait]
impl<C: TokenCredential> TokenCredential for Cached<C> {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let failures = self.failures.load(Ordering::Acquire);
        let mut last_failure = match self.kept(ask) {
            Some((token, false)) => return Ok(token),
            // The token is still valid, so no caller waits for its replacement.
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
        if let Some(error) = last_failure.as_ref().filter(|_| shared) {
            return Err(error.clone());
        }
        match self.fetch(ask).await {
            Ok(token) => {
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

    fn cached_token(&self) -> Option<AccessToken> {
        self.kept(&TokenRequest::new()).and_then(|(token, is_due)| (!is_due).then_some(token))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use defender_transport::testing::ManualClock;
    use futures_util::future::{FutureExt, join_all};

    use super::*;
    use crate::ErrorKind;

    /// Credential that returns the scripted results one after the other, each after a second.
    #[derive(Debug)]
    struct Scripted {
        clock: ManualClock,
        answers: std::sync::Mutex<VecDeque<Result<AccessToken, Error>>>,
        asked: AtomicU64,
    }

    #[async_trait]
    impl TokenCredential for Scripted {
        async fn token(&self, _: &TokenRequest) -> Result<AccessToken, Error> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.clock.sleep(Duration::from_secs(1)).await;
            self.answers.lock().unwrap().pop_front().expect("a token was fetched once too often")
        }
    }

    fn cached(clock: &ManualClock, answers: impl IntoIterator<Item = Result<AccessToken, Error>>) -> Cached<Scripted> {
        let answers = std::sync::Mutex::new(answers.into_iter().collect());
        let scripted = Scripted { clock: clock.clone(), answers, asked: AtomicU64::new(0) };
        Cached::new(scripted, Arc::new(clock.clone()))
    }

    fn token(clock: &ManualClock, text: &str) -> AccessToken {
        AccessToken::new(text, clock.now() + Duration::from_secs(3_600))
    }

    fn failure() -> Error {
        Error::new(ErrorKind::Transport)
    }

    #[tokio::test]
    async fn thousand_concurrent_callers_make_one_request() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Ok(token(&clock, "a"))]);
        let ask = TokenRequest::new();
        let all = clock.run(join_all((0..1_000).map(|_| cached.token(&ask)))).await;
        assert!(all.into_iter().all(|got| got.unwrap().secret() == "a"));
        assert_eq!(cached.inner.asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn thousand_concurrent_callers_share_one_failure() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Err(failure())]);
        let ask = TokenRequest::new();
        let all = clock.run(join_all((0..1_000).map(|_| cached.token(&ask)))).await;
        assert!(all.into_iter().all(|got| got.is_err()));
        assert_eq!(cached.inner.asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn stale_token_is_replaced_once() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Ok(token(&clock, "a")), Ok(token(&clock, "b"))]);
        let stale = clock.run(cached.token(&TokenRequest::new())).await.unwrap();
        let ask = TokenRequest::new().rejected_token(stale);
        let all = clock.run(join_all((0..1_000).map(|_| cached.token(&ask)))).await;
        assert!(all.into_iter().all(|got| got.unwrap().secret() == "b"));
        assert_eq!(cached.inner.asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn valid_token_survives_failed_refresh() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Ok(token(&clock, "a")), Err(failure()), Err(failure())]);
        let ask = TokenRequest::new();
        clock.run(cached.token(&ask)).await.unwrap();
        clock.advance(Duration::from_secs(3_400));
        assert_eq!(clock.run(cached.token(&ask)).await.unwrap().secret(), "a");
        clock.advance(Duration::from_secs(300));
        assert!(clock.run(cached.token(&ask)).await.is_err());
    }

    #[tokio::test]
    async fn thousand_equal_claims_demands_make_one_request() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Ok(token(&clock, "a")), Ok(token(&clock, "b")), Ok(token(&clock, "c"))]);
        let stale = clock.run(cached.token(&TokenRequest::new())).await.unwrap();
        let ask = TokenRequest::new().rejected_token(stale).claims("{}");
        let all = clock.run(join_all((0..1_000).map(|_| cached.token(&ask)))).await;
        assert!(all.into_iter().all(|got| got.unwrap().secret() == "b"));
        let without_a_token = TokenRequest::new().claims("{}");
        assert_eq!(clock.run(cached.token(&without_a_token)).await.unwrap().secret(), "c");
    }

    #[tokio::test]
    async fn reissued_refused_token_is_fetched_every_30s() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Ok(token(&clock, "a")), Ok(token(&clock, "a")), Ok(token(&clock, "b"))]);
        let stale = clock.run(cached.token(&TokenRequest::new())).await.unwrap();
        let ask = TokenRequest::new().rejected_token(stale);
        let all = clock.run(join_all((0..1_000).map(|_| cached.token(&ask)))).await;
        assert!(all.into_iter().all(|got| got.unwrap().secret() == "a"));
        assert_eq!(cached.inner.asked.load(Ordering::Relaxed), 2);
        clock.advance(REST);
        assert_eq!(clock.run(cached.token(&ask)).await.unwrap().secret(), "b");
    }

    #[tokio::test]
    async fn always_due_token_is_fetched_sparingly() {
        let clock = ManualClock::new();
        let short = || Ok(AccessToken::new("short", clock.now() + Duration::from_secs(120)));
        let cached = cached(&clock, [short(), Err(failure()), short()]);
        let ask = TokenRequest::new();
        for asked in [1, 1, 2, 2, 3] {
            for _ in 0..100 {
                assert_eq!(clock.run(cached.token(&ask)).await.unwrap().secret(), "short");
            }
            assert_eq!(cached.inner.asked.load(Ordering::Relaxed), asked);
            clock.advance(Duration::from_secs(15));
        }
    }

    #[tokio::test]
    async fn dropped_fetch_strands_no_waiter() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Ok(token(&clock, "a"))]);
        let ask = TokenRequest::new();
        let mut first = cached.token(&ask);
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        assert_eq!(clock.run(cached.token(&ask)).await.unwrap().secret(), "a");
    }
}

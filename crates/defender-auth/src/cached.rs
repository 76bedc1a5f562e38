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
        let shared = good.is_none() && !challenged && self.failures.load(Ordering::Acquire) != failures;
        if let Some(error) = last_failure.as_ref().filter(|_| shared) {
            return Err(error.clone());
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use defender_transport::testing::ManualClock;
    use futures_util::future::{FutureExt, join_all};

    use super::*;
    use crate::ErrorKind;

    /// Gives what it was told to give, one after the other, each after a second.
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
    async fn a_thousand_that_ask_at_once_make_one_request() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Ok(token(&clock, "a"))]);
        let ask = TokenRequest::new();
        let all = clock.run(join_all((0..1_000).map(|_| cached.token(&ask)))).await;
        assert!(all.into_iter().all(|got| got.unwrap().secret() == "a"));
        assert_eq!(cached.inner.asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_thousand_that_ask_at_once_share_one_failure() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Err(failure())]);
        let ask = TokenRequest::new();
        let all = clock.run(join_all((0..1_000).map(|_| cached.token(&ask)))).await;
        assert!(all.into_iter().all(|got| got.is_err()));
        assert_eq!(cached.inner.asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_stale_token_is_replaced_once_however_many_bring_it() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Ok(token(&clock, "a")), Ok(token(&clock, "b"))]);
        let stale = clock.run(cached.token(&TokenRequest::new())).await.unwrap();
        let ask = TokenRequest::new().stale(stale);
        let all = clock.run(join_all((0..1_000).map(|_| cached.token(&ask)))).await;
        assert!(all.into_iter().all(|got| got.unwrap().secret() == "b"));
        assert_eq!(cached.inner.asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn an_old_token_is_served_while_it_is_good_and_its_replacement_fails() {
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
    async fn whoever_fetches_may_be_dropped_and_strands_nobody() {
        let clock = ManualClock::new();
        let cached = cached(&clock, [Ok(token(&clock, "a"))]);
        let ask = TokenRequest::new();
        let mut first = cached.token(&ask);
        assert!((&mut first).now_or_never().is_none());
        drop(first);
        assert_eq!(clock.run(cached.token(&ask)).await.unwrap().secret(), "a");
    }
}

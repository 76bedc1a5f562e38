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

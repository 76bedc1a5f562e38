use std::collections::VecDeque;

use defender_transport::testing::ManualClock;
use futures_util::future::{FutureExt, join, join_all};

use super::*;
use crate::ErrorKind;

/// Credential that returns the scripted results one after the other, each after so many seconds.
#[derive(Debug)]
struct Scripted {
    clock: ManualClock,
    answers: std::sync::Mutex<VecDeque<(u64, Result<AccessToken, Error>)>>,
    asked: AtomicU64,
}

#[async_trait]
impl TokenCredential for Scripted {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let next = self.answers.lock().unwrap().pop_front();
        let (seconds, answer) = next.expect("a token was fetched once too often");
        self.clock.sleep(Duration::from_secs(seconds)).await;
        answer
    }
}

/// Caches the tokens of a credential that takes a second for each.
fn cached(clock: &ManualClock, answers: impl IntoIterator<Item = Result<AccessToken, Error>>) -> Cached<Scripted> {
    cached_after(clock, answers.into_iter().map(|answer| (1, answer)))
}

fn cached_after(
    clock: &ManualClock,
    answers: impl IntoIterator<Item = (u64, Result<AccessToken, Error>)>,
) -> Cached<Scripted> {
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
    let cached = cached(&clock, [Err(failure()), Ok(token(&clock, "a"))]);
    let ask = TokenRequest::new();
    let mut first = cached.token(&ask);
    assert!((&mut first).now_or_never().is_none());
    drop(first);
    assert_eq!(clock.run(cached.token(&ask)).await.unwrap().secret(), "a");
}

#[tokio::test]
async fn slow_refresh_holds_no_valid_token_back() {
    let clock = ManualClock::new();
    let lasting = |text: &str| AccessToken::new(text, clock.now() + Duration::from_secs(7_200));
    let answers = [(1, Ok(token(&clock, "a"))), (240, Ok(lasting("b"))), (6, Ok(lasting("c"))), (6, Ok(lasting("d")))];
    let cached = cached_after(&clock, answers);
    let ask = TokenRequest::new();
    clock.run(cached.token(&ask)).await.unwrap();
    clock.advance(Duration::from_secs(3_400));
    // The second call of a round neither waits nor asks, since the attempt rests.
    for asked in [2, 3] {
        for waited in [5, 0] {
            let then = clock.elapsed() + Duration::from_secs(waited);
            assert_eq!(clock.run(cached.token(&ask)).await.unwrap().secret(), "a");
            assert_eq!(clock.elapsed(), then);
            assert_eq!(cached.inner.asked.load(Ordering::Relaxed), asked);
        }
        clock.advance(REST);
    }
    clock.advance(Duration::from_secs(200));
    assert_eq!(clock.run(cached.token(&ask)).await.unwrap().secret(), "d");
}

#[tokio::test]
async fn dropped_refresh_rests() {
    let clock = ManualClock::new();
    let cached = cached(&clock, [Ok(token(&clock, "a")), Ok(token(&clock, "b"))]);
    let ask = TokenRequest::new();
    clock.run(cached.token(&ask)).await.unwrap();
    clock.advance(Duration::from_secs(3_400));
    let mut refresh = cached.token(&ask);
    assert!((&mut refresh).now_or_never().is_none());
    drop(refresh);
    assert_eq!(cached.token(&ask).now_or_never().unwrap().unwrap().secret(), "a");
    assert_eq!(cached.inner.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn expired_token_is_not_served() {
    let clock = ManualClock::new();
    let cached = cached_after(&clock, [(1, Ok(token(&clock, "a"))), (120, Err(failure()))]);
    let ask = TokenRequest::new();
    clock.run(cached.token(&ask)).await.unwrap();
    clock.advance(Duration::from_secs(3_596));
    assert_eq!(clock.run(cached.token(&ask)).await.unwrap_err().kind(), ErrorKind::Transport);
}

/// Has a token only for a request without claims.
#[derive(Debug)]
struct Unclaimed(ManualClock);

#[async_trait]
impl TokenCredential for Unclaimed {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        self.0.sleep(Duration::from_secs(1)).await;
        if ask.claims.is_some() { Err(failure()) } else { Ok(token(&self.0, "a")) }
    }
}

#[tokio::test]
async fn failure_is_shared_by_equal_claims() {
    let clock = ManualClock::new();
    let cached = Cached::new(Unclaimed(clock.clone()), Arc::new(clock.clone()));
    let (claims, none) = (TokenRequest::new().claims("{}"), TokenRequest::new());
    let (demanding, modest) = clock.run(join(cached.token(&claims), cached.token(&none))).await;
    assert!(demanding.is_err());
    assert_eq!(modest.unwrap().secret(), "a");
}

#[tokio::test]
async fn failed_refresh_is_not_shared() {
    let clock = ManualClock::new();
    let cached = cached(&clock, [Ok(token(&clock, "a")), Err(failure()), Ok(token(&clock, "b"))]);
    let ask = TokenRequest::new();
    let first = clock.run(cached.token(&ask)).await.unwrap();
    clock.advance(Duration::from_secs(3_400));
    let refused = TokenRequest::new().rejected_token(first);
    let (refreshing, refused) = clock.run(join(cached.token(&ask), cached.token(&refused))).await;
    assert_eq!((refreshing.unwrap().secret(), refused.unwrap().secret()), ("a", "b"));
}

#[tokio::test]
async fn token_unfit_for_header_is_not_kept() {
    let clock = ManualClock::new();
    let cached = cached(&clock, ["", "t\n", "t"].map(|text| Ok(token(&clock, text))));
    let ask = TokenRequest::new();
    for _ in 0..2 {
        assert_eq!(clock.run(cached.token(&ask)).await.unwrap_err().kind(), ErrorKind::Response);
    }
    assert_eq!(clock.run(cached.token(&ask)).await.unwrap().secret(), "t");
}

/// A credential may take as long as it says, unless the call has less time.
#[cfg(feature = "azure-cli")]
#[tokio::test]
async fn slow_credential_replaces_a_valid_token() {
    for (call_time, got) in [(None, "b"), (Some(Duration::from_secs(60)), "b"), (Some(Duration::from_secs(20)), "a")] {
        let clock = ManualClock::new();
        let later = AccessToken::new("b", clock.now() + Duration::from_secs(7_200));
        let cached = cached_after(&clock, [(1, Ok(token(&clock, "a"))), (7, Ok(later))]);
        let cached = cached.refresh_wait(Duration::from_secs(10));
        clock.run(cached.token(&TokenRequest::new())).await.unwrap();
        clock.advance(Duration::from_secs(3_400));
        let ask = TokenRequest { call_time, ..TokenRequest::new() };
        assert_eq!(clock.run(cached.token(&ask)).await.unwrap().secret(), got, "{call_time:?}");
    }
}

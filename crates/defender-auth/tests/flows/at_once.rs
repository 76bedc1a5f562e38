//! Concurrent callers: one request for a token, one refresh, and a dropped caller strands nobody.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_auth::{
    AccessToken, ClientSecretCredential, DeviceCodeCredential, IntoCredential, ManagedIdentityCredential,
    MemoryTokenStore, OnBehalfOfCredential, RefreshToken, RefreshTokenCredential, TokenCredential, TokenRequest,
};
use defender_transport::{Body, Clock, Error as WireError, Transport, testing::ManualClock};
use futures_util::future::join_all;
use http::{Request, Response};

use crate::support::context;

/// Counts what is asked, and gives another token each time: the head after a second, and the body after another. Or after a
/// few turns of the runtime, where nobody can know when to move the clock.
#[derive(Clone, Debug)]
struct Slow {
    clock: ManualClock,
    turns: usize,
    asked: Arc<AtomicUsize>,
}

impl Slow {
    fn new(clock: &ManualClock) -> Self {
        Self { clock: clock.clone(), turns: 0, asked: Arc::default() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Transport for Slow {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Body>, WireError> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let second = if self.turns == 0 { Duration::from_secs(1) } else { Duration::ZERO };
        for _ in 0..self.turns {
            tokio::task::yield_now().await;
        }
        self.clock.sleep(second).await;
        let text = format!(
            r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"t{number}","refresh_token":"refresh-{number}"}}"#
        );
        let (mut wait, mut left) = (self.clock.sleep(second), Some(Bytes::from(text)));
        let body = futures_util::stream::poll_fn(move |context| match left {
            Some(_) => wait
                .as_mut()
                .poll(context)
                .map(|()| left.take().map(|part| Ok::<_, WireError>(http_body::Frame::data(part)))),
            None => Poll::Ready(None),
        });
        Ok(Response::new(Body::new(http_body_util::StreamBody::new(body))))
    }
}

type Make = fn(&Slow) -> Arc<dyn TokenCredential>;

fn live(transport: &Slow, description: impl IntoCredential) -> Arc<dyn TokenCredential> {
    description.into_credential(&context(transport, &transport.clock)).unwrap()
}

fn application() -> ClientSecretCredential {
    ClientSecretCredential::new("contoso.com", "the-client", "the-secret")
}

fn store() -> MemoryTokenStore {
    MemoryTokenStore::with(RefreshToken::new("refresh-0"))
}

/// One of each way to a token that is one request.
const EACH: [(&str, Make); 5] = [
    ("secret", |transport| live(transport, application())),
    ("on behalf of", |transport| live(transport, OnBehalfOfCredential::with_secret(application(), "the-user"))),
    ("refresh", |transport| live(transport, RefreshTokenCredential::new("contoso.com", "the-client", store()))),
    ("device, kept", |transport| {
        live(transport, DeviceCodeCredential::new("contoso.com", "the-client", |_| {}).store(store()))
    }),
    ("managed identity", |transport| {
        live(transport, ManagedIdentityCredential::system_assigned().at_imds("http://169.254.169.254"))
    }),
];

/// Tokens of a thousand tasks that ask at once.
async fn thousand(transport: &Slow, credential: &Arc<dyn TokenCredential>, ask: &TokenRequest) -> Vec<AccessToken> {
    let (clock, is_alone) = (&transport.clock, transport.turns == 0);
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let (credential, ask) = (Arc::clone(credential), ask.clone());
            tokio::spawn(async move { credential.token(&ask).await.unwrap() })
        })
        .collect();
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        // On one thread, everyone has come by now to where only time helps.
        if is_alone {
            clock.advance_to_next();
        }
    }
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

async fn a_thousand_tasks_make_one_request_and_one_refresh(turns: usize) {
    for (name, make) in EACH {
        let transport = Slow { turns, ..Slow::new(&ManualClock::new()) };
        let credential = make(&transport);
        let cold = thousand(&transport, &credential, &TokenRequest::new()).await;
        assert!(
            cold.iter().all(|token| token.secret() == "t1") && transport.asked() == 1,
            "{name}: {}",
            transport.asked()
        );
        let stale = TokenRequest::new().rejected_token(cold[0].clone());
        let fresh = thousand(&transport, &credential, &stale).await;
        assert!(
            fresh.iter().all(|token| token.secret() == "t2") && transport.asked() == 2,
            "{name}: {}",
            transport.asked()
        );
        // Who comes late with the old one gets the new one, and nobody asks again.
        assert!(thousand(&transport, &credential, &stale).await.iter().all(|token| token.secret() == "t2"));
        assert_eq!(transport.asked(), 2, "{name}");
    }
}

#[tokio::test]
async fn tasks_of_one_thread_share_one_request() {
    a_thousand_tasks_make_one_request_and_one_refresh(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_of_four_threads_share_one_request() {
    a_thousand_tasks_make_one_request_and_one_refresh(1_000).await;
}

/// Polls `future` once.
async fn polled<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
}

#[tokio::test]
async fn dropped_task_strands_nobody_at_any_poll() {
    for (name, make) in EACH {
        for is_stale in [false, true] {
            let mut polls = 0;
            loop {
                let clock = ManualClock::new();
                let transport = Slow::new(&clock);
                let credential = make(&transport);
                let mut ask = TokenRequest::new();
                if is_stale {
                    let first = clock.run(credential.token(&ask)).await.unwrap();
                    ask = ask.rejected_token(first);
                }
                let before = transport.asked();
                let mut fetching = credential.token(&ask);
                let mut is_done = false;
                for _ in 0..polls {
                    is_done = polled(&mut fetching).await.is_ready();
                    if is_done {
                        break;
                    }
                    clock.advance_to_next();
                }
                // The others stand in line behind it, and one of them leaves the line.
                let (mut all, mut in_line) = (Vec::new(), Vec::new());
                for mut other in (0..20).map(|_| credential.token(&ask)) {
                    match polled(&mut other).await {
                        Poll::Ready(got) => all.push(got),
                        Poll::Pending => in_line.push(other),
                    }
                }
                drop(in_line.pop());
                drop(fetching);
                all.extend(clock.run(join_all(in_line)).await);
                assert!(all.len() >= 19);
                for got in all {
                    assert_ne!(ask.rejected_token.as_ref(), Some(&got.unwrap()), "{name}, after {polls} polls");
                }
                assert!(transport.asked() - before <= 2, "{name}, after {polls} polls: {}", transport.asked() - before);
                if is_done {
                    break;
                }
                polls += 1;
            }
            assert!(polls >= 3, "{name}: it was dropped at {polls} polls only");
        }
    }
}

#[tokio::test]
async fn many_tenants_share_one_transport() {
    let clock = ManualClock::new();
    let transport = defender_transport::testing::Capture::with(|request| {
        let tenant = request.uri().path().split('/').nth(1).unwrap();
        let body = format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"of-{tenant}"}}"#);
        Ok(Response::new(Body::from(body)))
    });
    let context = context(&transport, &clock);
    let tenants = ["fabrikam.com", "contoso.com", "11111111-2222-3333-4444-555555555555"];
    let credentials = tenants.map(|tenant| application().tenant(tenant).into_credential(&context).unwrap());
    for _ in 0..2 {
        for (tenant, credential) in tenants.iter().zip(&credentials) {
            let token = clock.run(credential.token(&TokenRequest::new())).await.unwrap();
            assert_eq!(token.secret(), format!("of-{tenant}"));
        }
    }
    assert_eq!(transport.requests().len(), tenants.len());
    for of_all in ["common", "Organizations", "consumers"] {
        let error = application().tenant(of_all).into_credential(&context).unwrap_err();
        assert!(error.to_string().contains("needs the id or a domain of one tenant"), "{error}");
    }
}

//! Cost of a token from a warm cache, beside a bare `Arc` clone behind a tokio mutex.
//!
//! Under `cargo bench` it prints both times; under `cargo test` it only runs once. It fails where a token takes more than
//! one allocation.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it measured")]

use std::{hint::black_box, process::ExitCode, sync::Arc, time::Duration};

use async_trait::async_trait;
use defender_auth::{AccessToken, Cached, Error, TokenCredential, TokenRequest};
use defender_transport::{Clock, SystemClock};
use tokio::sync::Mutex;

#[derive(Debug)]
struct Once(SystemClock);

#[async_trait]
impl TokenCredential for Once {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, Error> {
        Ok(AccessToken::new("x".repeat(1_500), self.0.now() + Duration::from_secs(3_600)))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Error> {
    let calls: u32 = if std::env::args().any(|argument| argument == "--bench") { 1_000_000 } else { 1 };
    let clock = SystemClock::new();
    let cached = Cached::new(Once(clock), Arc::new(clock));
    let ask = TokenRequest::new();
    cached.token(&ask).await?; // It is warm from here on.

    let bare = Mutex::new(Arc::new("x".repeat(1_500)));
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let start = clock.elapsed();
        for _ in 0..calls {
            black_box(cached.token(&ask).await?);
        }
        let middle = clock.elapsed();
        for _ in 0..calls {
            black_box(Arc::clone(&*bare.lock().await));
        }
        ours = ours.min(middle.saturating_sub(start));
        theirs = theirs.min(clock.elapsed().saturating_sub(middle));
    }
    println!("a token from a warm cache:            {:?}", ours / calls);
    println!("an Arc clone behind a tokio mutex:    {:?}", theirs / calls);

    let mut future = None;
    let making = allocation_counter::measure(|| future = Some(cached.token(&ask)));
    let Some(future) = future else { return Ok(ExitCode::FAILURE) };
    let mut future = std::pin::pin!(future);
    let mut is_ready = false;
    let giving = allocation_counter::measure(|| {
        let polled = future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        is_ready = black_box(polled).is_ready();
    });
    let allocations = making.count_total + giving.count_total;
    println!("allocations of a token:               {allocations}");
    if allocations > 1 || !is_ready {
        eprintln!("missed: a token from a warm cache takes {allocations} allocations, and may take 1");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

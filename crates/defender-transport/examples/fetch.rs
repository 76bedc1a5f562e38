//! Fetches a URL through the whole stack and says what it took: `cargo run --example fetch -- https://example.com/`.
//!
//! None of it knows what the server is for, so it is where a client of another API begins.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program talks")]

use std::{error::Error as StdError, process::ExitCode, time::Duration};

use bytes::Bytes;
use defender_transport::{
    HyperTransport, SystemClock, Transport, TransportExt,
    extensions::{Attempts, RateLimit, RateLimitScope, Timeouts},
};
use http::Request;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match example().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn example() -> Result<(), Box<dyn StdError>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "https://example.com/".to_owned());

    // From the innermost outwards: the last of them is the first to see a request.
    let clock = SystemClock::new();
    let transport = HyperTransport::builder().application("fetch/1.0").build()?;
    let transport = transport.redirected().decompressed().deadline(clock).buffered().paced(clock).retrying(clock);

    let limits = vec![RateLimit { calls: 10, per: Duration::from_secs(1) }];
    let request = Request::get(url)
        .extension(RateLimitScope { key: "fetch".into(), limits: limits.into() })
        .extension(Timeouts::default().total(Duration::from_secs(20)))
        .body(Bytes::new())?;

    match transport.send(request).await {
        Ok(response) => {
            let (status, sendings) = (response.status(), Attempts::of(&response));
            let body = response.into_body().collect(4 << 20).await?;
            println!("{status}, {} bytes, {sendings} sendings", body.len());
        }
        Err(error) => {
            let sent = if error.never_sent() { "it was never sent" } else { "it may have been processed" };
            println!("{error}, {} sendings; {sent}", error.attempts());
            let mut cause = error.source();
            while let Some(source) = cause {
                println!("  because {source}");
                cause = source.source();
            }
        }
    }
    Ok(())
}

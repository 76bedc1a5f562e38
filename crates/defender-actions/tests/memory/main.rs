//! Peak memory of lists. The test has its own process, since the whole process is measured.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world has failed")]

use std::fmt::Write;

use defender_actions::{
    DefenderClient,
    auth::StaticCredential,
    transport::{
        Body,
        testing::{Capture, ManualClock},
    },
};
use futures_util::StreamExt;
use http::Response;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ROWS: usize = 2_000;
const NAME: usize = 1_000;
const PAGES: usize = 40;

/// Page of a library, and the link to the next one.
fn page(number: usize) -> String {
    let mut page = String::with_capacity(ROWS * (NAME + 64));
    page.push_str(r#"{"value":["#);
    for row in 0..ROWS {
        let comma = if row == 0 { "" } else { "," };
        write!(page, r#"{comma}{{"fileName":"{number}-{row}-{}"}}"#, "x".repeat(NAME)).unwrap();
    }
    page.push(']');
    if number + 1 < PAGES {
        write!(page, r#","@odata.nextLink":"/api/libraryfiles?$skiptoken={}""#, number + 1).unwrap();
    }
    page.push('}');
    page
}

#[tokio::test]
async fn list_memory_is_bounded() {
    let transport = Capture::with(|request| {
        let number = request.uri().query().and_then(|query| query.rsplit('=').next()?.parse().ok()).unwrap_or(0);
        Ok(Response::new(Body::from(page(number))))
    });
    let clock = ManualClock::new();
    let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport);
    let client = builder.clock(clock.clone()).build().unwrap();
    let one = page(0).len();
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let mut files = client.library().files().stream();
    let mut rows = 0;
    while let Some(file) = clock.run(files.next()).await {
        file.unwrap();
        rows += 1;
    }
    let peak = MEMORY.peak_usage().saturating_sub(before);
    assert_eq!(rows, PAGES * ROWS);
    // The body, its decoded rows, and the hashes: 80,000 names would be 40 pages.
    assert!(peak < 4 * one + (4 << 20), "{peak} bytes, {} pages", peak / one);
}

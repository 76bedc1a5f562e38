//! Peak memory of a recovery. The test has its own process, since the whole process is measured.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world has failed")]

use std::{fmt::Write, sync::atomic::AtomicUsize, sync::atomic::Ordering};

use defender_actions::{
    DefenderClient, Origin,
    auth::StaticCredential,
    transport::{
        Body, Error, ErrorKind,
        testing::{Capture, ManualClock},
    },
};
use futures_util::future::join_all;
use http::{Method, Response};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ROWS: usize = 10_000;
const LOST: usize = 20;

/// Page of actions of other machines; the last page also has those of machines 0 to 19.
fn page(number: usize, pages: usize) -> String {
    let mut page = String::with_capacity(ROWS * 420);
    page.push_str(r#"{"value":["#);
    // A full last page would be followed by another.
    let rows = if number + 1 == pages { ROWS - 1 } else { ROWS };
    for row in 0..rows {
        let own = number + 1 == pages && row < LOST;
        let machine = if own { format!("{row}") } else { format!("{number}-{row}") };
        let comma = if row == 0 { "" } else { "," };
        write!(
            page,
            r#"{comma}{{"id":"action-{number}-{row}","type":"Isolate","status":"Pending","machineId":"{machine}","requestor":"Contoso Response","requestorComment":"c ","scope":null,"creationDateTimeUtc":"2026-01-01T12:00:00Z","lastUpdateDateTimeUtc":"2026-01-01T12:00:00Z","commands":[],"title":null,"externalId":null}}"#
        )
        .unwrap();
    }
    page.push(']');
    if number + 1 < pages {
        write!(page, r#","@odata.nextLink":"/api/machineactions?$skiptoken={}""#, number + 1).unwrap();
    }
    page.push('}');
    page
}

/// Peak of bytes while 20 lost responses are recovered from a list of this many pages.
async fn peak(pages: usize) -> usize {
    let served = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&served);
    let transport = Capture::with(move |request| {
        if request.method() == Method::POST {
            return Err(Error::new(ErrorKind::Interrupted));
        }
        counted.fetch_add(1, Ordering::Relaxed);
        let token =
            request.uri().query().and_then(|query| query.split("$skiptoken=").nth(1)?.parse().ok()).unwrap_or(0);
        Ok(Response::builder()
            .header("date", "Thu, 01 Jan 2026 12:00:00 GMT")
            .body(Body::from(page(token, pages)))
            .unwrap())
    });
    let clock = ManualClock::new();
    let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport);
    let client = builder.clock(clock.clone()).build().unwrap();
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let all = (0..LOST).map(|number| client.machine(number.to_string().parse().unwrap()).isolate("c").send());
    let outcomes = clock.run(join_all(all)).await;
    for outcome in outcomes {
        assert_eq!(outcome.unwrap().origin(), Origin::Recovered);
    }
    assert_eq!(served.load(Ordering::Relaxed), pages);
    MEMORY.peak_usage().saturating_sub(before)
}

#[tokio::test]
async fn recovery_memory_is_bounded() {
    let one = peak(1).await;
    let many = peak(6).await;
    // The hashes of earlier rows are kept, so that no row is repeated: 16 bytes a row, with spare capacity.
    assert!(many < one + one / 4 + (8 << 20), "{many} bytes for 6 pages, {one} for one");
}

//! Work for an instruction count: `instructions post N` sends N actions, `instructions page N` reads N pages of 10,000.
//!
//! Run it under callgrind with two values of N and take the difference, so that the start does not count:
//! `valgrind --tool=callgrind target/release/deps/instructions-… post 1000`. The transport responds from memory.

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient,
    auth::StaticCredential,
    model::{Action, Limit},
    transport::{Body, Error, Transport},
};
use futures_util::TryStreamExt;
use http::{Method, Request, Response};
use serde::Serialize;

/// Restriction without a quota, so that no call waits.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Restrict {
    comment: &'static str,
}

impl Action for Restrict {
    const SEGMENT: &'static str = "restrictCodeExecution";
    const TYPE: &'static str = "RestrictCodeExecution";
    const PERMISSIONS: &'static [&'static str] = &["Machine.RestrictExecution"];
    const QUOTA: &'static [Limit] = &[];
}

#[derive(Debug)]
struct Memory {
    page: Bytes,
}

fn record(id: usize, now: &str) -> String {
    format!(
        r#"{{"id":"5382f7ea-7557-4ab7-9782-{id:012x}","type":"RestrictCodeExecution","title":null,"requestor":"Contoso Response","requestorComment":"c ","status":"Pending","machineId":"1e5bc9d7e413ddd7902c2932e418702b84d0cc07","computerDnsName":null,"creationDateTimeUtc":"{now}","lastUpdateDateTimeUtc":"{now}","cancellationRequestor":null,"cancellationComment":null,"cancellationDateTimeUtc":null,"errorHResult":0,"scope":null,"externalId":null,"requestSource":"PublicApi","relatedFileInfo":null,"commands":[],"troubleshootInfo":null}}"#
    )
}

#[async_trait]
impl Transport for Memory {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let body = if request.method() == Method::POST {
            let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Body::from(record(next, "2026-01-01T12:00:00.1234567Z"))
        } else {
            Body::from(self.page.clone())
        };
        let response = Response::builder().status(if request.method() == Method::POST { 201 } else { 200 });
        let response =
            response.header("content-type", "application/json; odata.metadata=minimal").header("odata-version", "4.0");
        Ok(response.body(body).unwrap_or_default())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, what, count, ..] = arguments.as_slice() else { return Ok(()) };
    let Ok(count) = count.parse::<usize>() else { return Ok(()) };
    let rows: Vec<_> = (0..10_000).map(|row| record(row, "2020-01-01T00:00:00.1234567Z")).collect();
    let page = Bytes::from(format!(r#"{{"value":[{}]}}"#, rows.join(",")));
    let clock = defender_actions::transport::testing::ManualClock::new();
    let client = DefenderClient::builder()
        // Length of a real token.
        .credential(StaticCredential::new("e30.eyJ9".repeat(150)))
        .transport(Memory { page })
        .clock(clock)
        .build()?;
    for _ in 0..count {
        if what == "post" {
            client
                .machine("1e5bc9d7e413ddd7902c2932e418702b84d0cc07".parse()?)
                .perform(Restrict { comment: "c" })
                .await?;
        } else {
            let mut pages = client.actions().pages();
            pages.try_next().await?;
        }
    }
    Ok(())
}

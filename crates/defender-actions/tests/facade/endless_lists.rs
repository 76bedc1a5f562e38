//! Endless lists: circles of links, repeated pages, empty pages.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, Error, ErrorKind,
    auth::StaticCredential,
    transport::{
        Body, Clock, Error as TransportError, Transport,
        testing::{Capture, ManualClock},
    },
};
use futures_util::StreamExt;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::world::MINUTE;

/// Returns the page for a path with query and the number of earlier requests.
type PageOf = dyn Fn(&str, usize) -> Value + Send + Sync;

/// Transport that returns pages and counts the requests.
struct Lists {
    client: DefenderClient,
    transport: Capture,
    clock: ManualClock,
}

impl Lists {
    fn new(page: impl Fn(&str, usize) -> Value + Send + Sync + 'static) -> Self {
        let page: Arc<PageOf> = Arc::new(page);
        let count = std::sync::atomic::AtomicUsize::new(0);
        let transport = Capture::with(move |request| {
            let before = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
            Ok(Response::new(Body::from(page(&path, before).to_string())))
        });
        let clock = ManualClock::new();
        let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport.clone());
        Self { client: builder.clock(clock.clone()).build().unwrap(), transport, clock }
    }

    /// Returns the ids of all rows, the number of unreadable rows, and the error that ends the list.
    async fn read(&self, page_size: Option<u32>) -> (Vec<String>, usize, Option<Error>) {
        let list = page_size.into_iter().fold(self.client.actions(), defender_actions::List::page_size);
        let (mut ids, mut odd, mut end) = (Vec::new(), 0, None);
        let mut rows = Box::pin(list.stream());
        while let Some(row) = self.clock.run(rows.next()).await {
            match row {
                Ok(action) => ids.push(action.id.to_string()),
                Err(error) if error.row().is_some() => odd += 1,
                Err(error) => end = Some(error),
            }
        }
        (ids, odd, end)
    }

    fn calls(&self) -> usize {
        self.transport.requests().len()
    }
}

fn linked(rows: impl Into<Value>, link: &str) -> Value {
    json!({"value": rows.into(), "@odata.nextLink": link})
}

/// Returns the number at the end of a path.
fn place(path: &str) -> usize {
    path.rsplit('=').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn circle_of_links_ends() {
    for (before, length) in [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (2, 5), (0, 40)] {
        let lists = Lists::new(move |path, _| {
            let here = place(path);
            let next = if here + 1 == before + length { before } else { here + 1 };
            linked(json!([{"id": format!("a{here}")}]), &format!("/api/machineactions?$skip={next}"))
        });
        let first = lists.client.actions().resume("/api/machineactions?$skip=0");
        let rows: Vec<_> = lists.clock.run(first.stream().collect()).await;
        let error = rows.last().unwrap().as_ref().unwrap_err();
        assert_eq!((rows.len() - 1, lists.calls()), (before + length, before + length), "{before} {length}: {error}");
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidResponse, true));
        let link = format!("`/api/machineactions?$skip={before}`: this page was read already");
        assert!(error.to_string().contains(&link), "{error}");
        assert!(lists.clock.elapsed() < MINUTE);
    }
}

#[tokio::test]
async fn repeated_page_ends_the_list() {
    // Page of each call, number of rows, and number of unreadable rows.
    type Rows = fn(usize) -> Value;
    let pages: [(&str, Rows, usize, usize); 6] = [
        ("the same page", |_| json!([{"id": "a"}, {"id": "b"}]), 2, 0),
        ("a circle of three", |call| json!([{"id": format!("a{}", call % 3)}]), 3, 0),
        ("a row that cannot be read", |_| json!([{"status": "Pending"}]), 0, 12),
        ("rows that cannot be read, in turn", |call| json!([{"status": call % 2}, 7]), 0, 26),
        ("nothing", |_| json!([]), 0, 0),
        ("null", |_| Value::Null, 0, 0),
    ];
    for (name, rows, read, odd) in pages {
        let lists = Lists::new(move |_, call| linked(rows(call), &format!("/api/machineactions?$skiptoken=t{call}")));
        let (ids, unreadable, end) = lists.read(None).await;
        let error = end.unwrap();
        assert_eq!((ids.len(), unreadable, error.kind()), (read, odd, ErrorKind::InvalidResponse), "{name}: {error}");
        let expected =
            format!("`/api/machineactions?$skiptoken=t{}`: 11 pages in a row have no new row", lists.calls() - 1);
        assert!(error.to_string().contains(&expected), "{name}: {error}");
        assert!(lists.calls() <= 14, "{name}: {}", lists.calls());
        assert!(lists.clock.elapsed() < MINUTE);
    }
}

#[tokio::test]
async fn long_circle_of_links_ends() {
    const PAGES: usize = 25;
    let lists = Lists::new(|_, call| {
        let rows: Vec<_> = (0..10_000).map(|row| json!({"id": format!("{}-{row}", call % PAGES)})).collect();
        linked(rows, &format!("/api/machineactions?$skiptoken=t{call}"))
    });
    let mut pages = Box::pin(lists.client.actions().pages());
    let mut last = None;
    while let Some(page) = lists.clock.run(pages.next()).await {
        last = Some(page);
        assert!(lists.calls() <= PAGES + 11);
    }
    assert_eq!(last.unwrap().unwrap_err().kind(), ErrorKind::InvalidResponse);
}

#[tokio::test]
async fn ignored_skip_ends_the_list() {
    for (rows, read, odd) in [(json!([{"id": "a"}, {"id": "b"}]), 2, 0), (json!([1, 2]), 0, 24)] {
        let lists = Lists::new(move |_, _| json!({"value": rows}));
        let (ids, unreadable, end) = lists.read(Some(2)).await;
        assert_eq!((ids.len(), unreadable, lists.calls()), (read, odd, 12));
        assert!(end.unwrap().to_string().contains("$skip=24`: 11 pages in a row have no new row"));
    }
}

#[tokio::test]
async fn finite_list_is_read_whole() {
    // Repeated runs of ten empty pages.
    let lists = Lists::new(|path, _| {
        let here = place(path);
        let rows = if here % 11 == 10 { json!([{"id": format!("a{here}")}]) } else { json!([]) };
        if here == 65 {
            json!({"value": rows})
        } else {
            linked(rows, &format!("/api/machineactions?$skip={}", here + 1))
        }
    });
    let (ids, _, end) = lists.read(None).await;
    assert_eq!((ids.len(), lists.calls(), end.is_none()), (6, 66, true), "{end:?}");
    // Many pages.
    let lists = Lists::new(|path, _| {
        let here = place(path);
        let rows = json!([{"id": format!("a{here}")}]);
        if here == 999 {
            json!({"value": rows})
        } else {
            linked(rows, &format!("/api/machineactions?$skip={}", here + 1))
        }
    });
    let (ids, _, end) = lists.read(None).await;
    assert_eq!((ids.len(), end.is_none()), (1_000, true), "{end:?}");
    // Each new row pushes the last one onto the next page: no links, one row a page.
    let lists = Lists::new(|path, call| {
        let newest = 20 + call.min(10);
        let place = place(path.split("$skip").nth(1).unwrap_or("=0"));
        let row = newest.checked_sub(place).map(|row| json!({"id": format!("a{row}")}));
        json!({"value": row.into_iter().collect::<Vec<_>>()})
    });
    let (ids, _, end) = lists.read(Some(1)).await;
    assert_eq!((ids.len(), end.is_none()), (21, true), "{end:?}");
}

#[tokio::test]
async fn circle_ends_every_list_kind() {
    let circle = |path: &str, _| {
        let kind = path.trim_start_matches("/api").split('?').next().unwrap_or_default().to_owned();
        linked(json!([{"id": "a", "fileName": "a", "computerDnsName": "ws-10"}]), &format!("/api{kind}?$skiptoken=x"))
    };
    let lists = Lists::new(circle);
    let (client, clock) = (&lists.client, &lists.clock);
    let machines: Vec<_> = clock.run(client.machines().stream().collect()).await;
    assert_eq!(machines.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::InvalidResponse);
    let files: Vec<_> = clock.run(client.library().files().stream().collect()).await;
    assert_eq!(files.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::InvalidResponse);
    let tagged = clock.run(client.machines().find_by_tag("x").one().send()).await;
    assert_eq!(tagged.unwrap_err().kind(), ErrorKind::InvalidResponse);
    assert_eq!(clock.run(client.machines().find("ws-1").send()).await.unwrap_err().kind(), ErrorKind::InvalidResponse);
    assert!(lists.calls() <= 8 && clock.elapsed() < MINUTE);
}

#[tokio::test]
async fn relative_link_is_followed() {
    for link in [
        "?$skip=1&$filter=a eq b",
        "machineactions?$skip=1&$filter=a eq b",
        "MachineActions?$skip=1&$filter=a eq b",
        "./machineactions?$skip=1&$filter=a eq b",
        "api/machineactions?$skip=1&$filter=a eq b",
        "/machineactions?$skip=1&$filter=a eq b",
        "//eu.api.security.microsoft.com/api/machineactions?$skip=1&$filter=a eq b",
        "http://api.security.microsoft.com/api/machineactions?$skip=1&\r\n$filter=a\u{20}eq b",
        " https://api.security.microsoft.com/api/machineactions?$skip=1&$filter=a eq b ",
    ] {
        let lists = Lists::new(move |path, _| {
            if path.contains("$skip=1") { json!({"value": [{"id": "b"}]}) } else { linked(json!([{"id": "a"}]), link) }
        });
        let (ids, _, end) = lists.read(None).await;
        assert_eq!((ids.len(), end.is_none()), (2, true), "{link}: {end:?}");
        let uri = lists.transport.requests()[1].uri().to_string();
        assert_eq!(uri, "https://api.security.microsoft.com/api/machineactions?$skip=1&$filter=a%20eq%20b", "{link}");
        // The link in the page can be resumed.
        let page = lists.clock.run(Box::pin(lists.client.actions().pages()).next()).await.unwrap().unwrap();
        let rest = lists.client.actions().resume(page.next_link.unwrap());
        assert_eq!(lists.clock.run(rest.stream().count()).await, 1, "{link}");
        // So can the link as the service sent it.
        let rest = lists.client.actions().resume(link);
        assert_eq!(lists.clock.run(rest.stream().count()).await, 1, "{link}");
    }
}

#[tokio::test]
async fn blank_link_ends_the_list() {
    for link in ["", " ", "\r\n\t"] {
        let lists = Lists::new(move |_, _| linked(json!([{"id": "a"}]), link));
        let (ids, _, end) = lists.read(None).await;
        assert_eq!((ids.len(), end.is_none(), lists.calls()), (1, true, 1), "{link:?}");
    }
}

#[tokio::test]
async fn foreign_relative_link_is_refused() {
    for link in ["machines?$skip=1", "../secrets?$skip=1", "/elsewhere?$skip=1", "machineactions", "/api/../x?$skip=1"]
    {
        let lists = Lists::new(move |_, _| linked(json!([{"id": "a"}]), link));
        let (ids, _, end) = lists.read(None).await;
        assert_eq!((ids.len(), lists.calls()), (1, 1), "{link}");
        assert!(end.unwrap().to_string().contains(link), "{link}");
    }
}

/// Transport that takes ten seconds for each page of an endless list of machines.
#[derive(Debug)]
struct Slow(ManualClock);

#[async_trait]
impl Transport for Slow {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        self.0.sleep(Duration::from_secs(10)).await;
        let next = place(&request.uri().to_string()) + 1;
        let row = json!([{"id": format!("m{next}"), "computerDnsName": format!("ws-1{next}")}]);
        Ok(Response::new(Body::from(linked(row, &format!("/api/machines?$skip={next}")).to_string())))
    }
}

#[tokio::test]
async fn inner_list_obeys_call_timeout() {
    for (timeout, lasts) in [(Some(35), 35), (Some(30), 30), (None, 300)] {
        let clock = ManualClock::new();
        let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(Slow(clock.clone()));
        let client = builder.clock(clock.clone()).build().unwrap();
        let find = client.machines().find("ws-1");
        let find = timeout.map(Duration::from_secs).into_iter().fold(find, defender_actions::Request::timeout);
        let error = clock.run(find.send()).await.unwrap_err();
        assert_eq!((error.kind(), clock.elapsed().as_secs()), (ErrorKind::Interrupted, lasts), "{error}");
    }
}

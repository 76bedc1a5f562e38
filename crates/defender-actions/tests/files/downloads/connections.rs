//! Broken connections, limits and progress.

use std::sync::{Arc, Mutex};

use defender_actions::{ErrorKind, Progress};
use http::header;

use super::{ends_as, hash};
use crate::store::{Store, Written, always, content, good};

#[tokio::test]
async fn broken_connections_are_resumed() {
    let all = content(10_000);
    let broken = |after| good(all.clone(), Some(after));
    let store = Store::new([broken(2_500), broken(0), broken(4_000), good(all.clone(), None)]);
    let written = Written::default();
    let done = store.run(store.action().package().expect_sha256(hash(&all)).write_to(written.clone())).await.unwrap();
    assert_eq!(*written.0.lock().unwrap(), all);
    assert_eq!((done.size(), done.sha256()), (10_000, hash(&all)));
    assert_eq!(store.ranges(), ["", "bytes=2500-", "bytes=2500-", "bytes=6500-"]);
    for resumed in &store.requests()[1..] {
        assert_eq!(resumed.headers()[header::IF_RANGE], "\"one\"");
    }
    assert!(store.requests().iter().all(|request| request.headers()[header::ACCEPT_ENCODING] == "identity"));
    assert_eq!(store.links(), 1);
}

#[tokio::test]
async fn permanently_broken_store_is_interrupted() {
    let store = Store::new([good(content(10_000), Some(0))]);
    ends_as(ErrorKind::Interrupted, &store, |download| download).await;
    assert_eq!(store.requests().len(), 6);
}

#[tokio::test]
async fn early_end_counts_as_break() {
    let all = content(3_000);
    let short = all.slice(..2_000);
    let early = always(200, &[("content-length", "3000"), ("etag", "\"one\"")], short);
    let store = Store::new([early, good(all.clone(), None)]);
    let mut written = Vec::new();
    store.run(store.action().package().write_to(&mut written)).await.unwrap();
    assert_eq!(written, all);
}

#[tokio::test]
async fn oversized_download_is_refused() {
    let announced = Store::new([good(content(5_000), None)]);
    ends_as(ErrorKind::TooLarge, &announced, |download| download.limit(4_999)).await;
    let silent = Store::new([always(200, &[], content(5_000))]);
    ends_as(ErrorKind::TooLarge, &silent, |download| download.limit(4_999)).await;
    let store = Store::new([good(content(5_000), None)]);
    store.run(store.action().package().limit(5_000).write_to(Vec::new())).await.unwrap();
    let more = Store::new([always(200, &[("content-length", "100")], content(5_000))]);
    ends_as(ErrorKind::Corrupt, &more, |download| download).await;
}

#[tokio::test]
async fn progress_is_reported_per_chunk() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let reports = Arc::clone(&seen);
    let store = Store::new([good(content(2_500), None)]);
    let download = store.action().package().progress(move |progress: Progress| {
        reports.lock().unwrap().push((progress.received, progress.total));
    });
    store.run(download.write_to(Vec::new())).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1_000, Some(2_500)), (2_000, Some(2_500)), (2_500, Some(2_500))]);
}

//! Downloads from a store that is good, and from stores that are not.

use std::{
    sync::{Arc, Mutex},
    task::Poll,
};

use defender_actions::{Download, ErrorKind, Progress, Sha256};
use futures_util::TryStreamExt;
use http::header;

use crate::{
    store::{Answering, CANARY, Folder, LINK, Store, Written, always, content, good, pieces},
    support::whole,
};

fn hash(bytes: &[u8]) -> Sha256 {
    use sha2::Digest;
    <[u8; 32]>::from(sha2::Sha256::digest(bytes)).into()
}

/// That it ends as `kind`, leaves nothing behind, and says nothing secret. Gives the whole text of the error.
async fn ends_as(kind: ErrorKind, store: &Store, change: impl FnOnce(Download) -> Download) -> String {
    let folder = Folder::new();
    let download = change(store.action().package());
    assert!(!format!("{download:?}").contains(CANARY));
    let error = store.run(download.save_as(folder.0.join("p.zip"))).await.unwrap_err();
    let text = whole(&error);
    assert_eq!(error.kind(), kind, "{text}");
    assert!(folder.names().is_empty(), "{:?}", folder.names());
    assert!(!text.contains(CANARY), "{text}");
    text
}

#[tokio::test]
async fn three_broken_connections_are_taken_up_where_they_broke() {
    let all = content(10_000);
    let broken = |after| good(all.clone(), Some(after));
    let store = Store::new([broken(2_500), broken(0), broken(4_000), good(all.clone(), None)]);
    let written = Written::default();
    let done = store.run(store.action().package().expect_sha256(hash(&all)).write_to(written.clone())).await.unwrap();
    assert_eq!(*written.0.lock().unwrap(), all);
    assert_eq!((done.size(), done.sha256()), (10_000, hash(&all)));
    assert_eq!(store.ranges(), ["", "bytes=2500-", "bytes=2500-", "bytes=6500-"]);
    for again in &store.asked()[1..] {
        assert_eq!(again.headers()[header::IF_RANGE], "\"one\"");
    }
    assert!(store.asked().iter().all(|request| request.headers()[header::ACCEPT_ENCODING] == "identity"));
    assert_eq!(store.links(), 1);
}

#[tokio::test]
async fn a_store_that_always_breaks_is_given_up() {
    let store = Store::new([good(content(10_000), Some(0))]);
    ends_as(ErrorKind::Interrupted, &store, |download| download).await;
    assert_eq!(store.asked().len(), 6);
}

#[tokio::test]
async fn an_end_before_the_announced_end_is_a_broken_connection() {
    let all = content(3_000);
    let short = all.slice(..2_000);
    let early = always(200, &[("content-length", "3000"), ("etag", "\"one\"")], short);
    let store = Store::new([early, good(all.clone(), None)]);
    let mut written = Vec::new();
    store.run(store.action().package().write_to(&mut written)).await.unwrap();
    assert_eq!(written, all);
}

#[tokio::test]
async fn a_store_that_knows_no_ranges_is_read_from_the_start_and_compared() {
    let all = content(5_000);
    let plain = |content: bytes::Bytes| always(200, &[], content);
    let broken: Answering = {
        let all = all.clone();
        Box::new(move |_| http::Response::new(pieces(all.clone(), Some(2_500))))
    };
    let store = Store::new([broken, plain(all.clone())]);
    let mut written = Vec::new();
    store.run(store.action().package().write_to(&mut written)).await.unwrap();
    assert_eq!(written, all);

    let mut other = all.to_vec();
    other[7] ^= 1;
    let broken: Answering = Box::new(move |_| http::Response::new(pieces(all.clone(), Some(2_500))));
    let store = Store::new([broken, plain(other.into())]);
    let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
    assert!(text.contains("what came again is not what had come"), "{text}");
}

#[tokio::test]
async fn a_part_of_something_else_is_refused() {
    let all = content(5_000);
    let rest = all.slice(2_000..);
    for (headers, why) in [
        (&[("content-range", "bytes 2001-4999/5000")][..], "another part"),
        (&[("content-range", "bytes 0-4999/5000")][..], "another part"),
        (&[][..], "another part"),
        (&[("content-range", "bytes 2000-4999/6000")][..], "its size is another"),
        (&[("content-range", "bytes 2000-4999/5000"), ("etag", "\"two\"")][..], "it has been replaced"),
    ] {
        let store = Store::new([good(all.clone(), Some(2_000)), always(206, headers, rest.clone())]);
        let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
        assert!(text.contains(why), "{text}");
    }
    // A shorter part than was asked for is taken up again.
    let shorter = &[("content-range", "bytes 2000-4998/5000"), ("etag", "\"one\"")];
    let shorter = always(206, shorter, all.slice(2_000..4_999));
    let store = Store::new([good(all.clone(), Some(2_000)), shorter, good(all.clone(), None)]);
    let mut written = Vec::new();
    store.run(store.action().package().write_to(&mut written)).await.unwrap();
    assert_eq!(written, all);
    // It was replaced: the store gives the new one from its start.
    let replaced = always(200, &[("etag", "\"two\""), ("content-length", "5000")], content(5_000));
    let store = Store::new([good(all.clone(), Some(2_000)), replaced]);
    let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
    assert!(text.contains("it has been replaced since the download began"), "{text}");
    let store = Store::new([good(all, Some(2_000)), always(416, &[("content-range", "bytes */1000")], "")]);
    ends_as(ErrorKind::Corrupt, &store, |download| download).await;
}

#[tokio::test]
async fn one_flipped_byte_against_a_known_hash_is_refused_and_leaves_nothing() {
    let all = content(100_000);
    let mut flipped = all.to_vec();
    flipped[77_777] ^= 4;
    let store = Store::new([good(flipped.into(), None)]);
    let text = ends_as(ErrorKind::Corrupt, &store, |download| download.expect_sha256(hash(&all))).await;
    assert!(text.contains(&hash(&all).to_string()), "{text}");
    // As a stream, the error is the last item.
    let stream = store.action().package().expect_sha256(hash(&all)).into_stream();
    assert_eq!(store.run(stream.try_collect::<Vec<_>>()).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn what_is_larger_than_the_limit_is_refused() {
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
async fn progress_is_told_piece_by_piece() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let store = Store::new([good(content(2_500), None)]);
    let download = store.action().package().progress(move |progress: Progress| {
        told.lock().unwrap().push((progress.received, progress.total));
    });
    store.run(download.write_to(Vec::new())).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1_000, Some(2_500)), (2_000, Some(2_500)), (2_500, Some(2_500))]);
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(content).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn encoding_is_taken_off_or_refused() {
    let all = content(5_000);
    for coding in ["gzip", "GZIP", "x-gzip", "identity, gzip"] {
        let headers: &'static [_] = vec![("content-encoding", coding)].leak();
        let store = Store::new([always(200, headers, gzip(&all))]);
        let mut written = Vec::new();
        let download = store.action().package().expect_sha256(hash(&all));
        let done = store.run(download.write_to(&mut written)).await.unwrap();
        assert_eq!((written.as_slice(), done.size()), (&all[..], 5_000), "{coding}");
    }
    for coding in ["identity", ""] {
        let headers: &'static [_] = vec![("content-encoding", coding)].leak();
        let store = Store::new([always(200, headers, all.clone())]);
        let mut written = Vec::new();
        store.run(store.action().package().write_to(&mut written)).await.unwrap();
        assert_eq!(written, all);
    }
    for coding in ["br", "zstd", "deflate", "compress", "gzip, gzip", "br, gzip", "aws-chunked"] {
        let headers: &'static [_] = vec![("content-encoding", coding)].leak();
        let store = Store::new([always(200, headers, gzip(&gzip(&all)))]);
        let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
        assert!(text.contains(&format!("`{coding}`")) && store.asked().len() == 1, "{text}");
    }
    let lines = &[("content-encoding", "gzip"), ("content-encoding", "br")];
    ends_as(ErrorKind::Corrupt, &Store::new([always(200, lines, gzip(&all))]), |download| download).await;
    let headers = &[("content-encoding", "gzip")];
    for body in [&b"PK no gzip at all"[..], b"\x1f", &gzip(&all)[..3_000], &[gzip(&all), b"more".to_vec()].concat()] {
        ends_as(ErrorKind::Corrupt, &Store::new([always(200, headers, body.to_vec())]), |download| download).await;
    }
    let bomb = Store::new([always(200, headers, gzip(&vec![0; 1_000_000]))]);
    ends_as(ErrorKind::TooLarge, &bomb, |download| download.limit(100_000)).await;
    let members = Store::new([always(200, headers, [gzip(&all[..1_000]), gzip(&all[1_000..])].concat())]);
    let mut written = Vec::new();
    store_written(&members, &mut written).await;
    assert_eq!(written, all);
}

async fn store_written(store: &Store, written: &mut Vec<u8>) {
    store.run(store.action().package().write_to(written)).await.unwrap();
}

#[tokio::test]
async fn encoding_that_changes_on_the_way_is_refused() {
    let all = content(5_000);
    let encoded = always(200, &[("content-encoding", "gzip"), ("etag", "\"one\"")], gzip(&all));
    let store = Store::new([good(all, Some(2_000)), encoded]);
    let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
    assert!(text.contains("encoded otherwise"), "{text}");
}

#[tokio::test]
async fn encoded_download_is_resumed() {
    let (all, packed) = (content(50_000), gzip(&content(50_000)));
    let encoded = |breaks| -> Answering {
        let good = good(packed.clone().into(), breaks);
        Box::new(move |request| {
            let mut response = good(request);
            response.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
            response
        })
    };
    let store = Store::new([encoded(Some(20_000)), encoded(None)]);
    let mut written = Vec::new();
    store_written(&store, &mut written).await;
    assert_eq!(written, all);
    assert_eq!(store.ranges(), ["", "bytes=20000-"]);
}

#[tokio::test]
async fn part_that_was_not_asked_for_is_refused() {
    let all = content(5_000);
    for headers in [
        &[("content-range", "bytes 0-4999/5000"), ("etag", "\"one\"")][..],
        &[("content-range", "bytes 0-9/*")],
        &[("content-range", "bytes 0-999/5000")],
        &[],
    ] {
        let store = Store::new([always(206, headers, all.clone())]);
        let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
        assert!(text.contains("the whole was asked for") && store.asked().len() == 1, "{text}");
    }
}

#[tokio::test]
async fn part_of_unknown_whole_is_refused() {
    let all = content(5_000);
    let unsized_tag = |all: &bytes::Bytes| -> Answering {
        let all = all.clone();
        Box::new(move |_| {
            http::Response::builder().header(header::ETAG, "\"one\"").body(pieces(all.clone(), Some(2_000))).unwrap()
        })
    };
    for range in ["bytes 2000-2999/*", "bytes 2000-4999/*"] {
        let headers: &'static [_] = vec![("content-range", range), ("etag", "\"one\"")].leak();
        let store = Store::new([unsized_tag(&all), always(206, headers, all.slice(2_000..))]);
        let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
        assert!(text.contains("how long the whole is"), "{text}");
    }
    // Where the first response said how long it is, the star takes nothing away.
    let headers = &[("content-range", "bytes 2000-4999/*"), ("etag", "\"one\"")];
    let store = Store::new([good(all.clone(), Some(2_000)), always(206, headers, all.slice(2_000..))]);
    let mut written = Vec::new();
    store_written(&store, &mut written).await;
    assert_eq!(written, all);
    // More than the part that was announced, and less than the whole.
    let headers = &[("content-range", "bytes 2000-2999/5000"), ("etag", "\"one\"")];
    let store = Store::new([good(all.clone(), Some(2_000)), always(206, headers, all.slice(2_000..))]);
    let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
    assert!(text.contains("more came than the part"), "{text}");
}

#[tokio::test]
async fn download_without_validator_is_read_again_and_compared() {
    let all = content(5_000);
    let mut other = all.to_vec();
    other[7] ^= 1;
    for (second, fine) in [(all.clone(), true), (other.into(), false)] {
        for tag in [&[("content-length", "5000")][..], &[("content-length", "5000"), ("etag", "W/\"weak\"")]] {
            let broken: Answering = {
                let all = all.clone();
                Box::new(move |_| {
                    let response = http::Response::builder();
                    let response = tag.iter().fold(response, |response, (name, value)| response.header(*name, *value));
                    response.body(pieces(all.clone(), Some(2_500))).unwrap()
                })
            };
            let store = Store::new([broken, always(200, tag, second.clone())]);
            let mut written = Vec::new();
            let outcome = store.run(store.action().package().write_to(&mut written)).await;
            assert_eq!(store.ranges(), ["", ""], "no part is asked for");
            assert_eq!(outcome.map_err(|error| error.kind()).err(), (!fine).then_some(ErrorKind::Corrupt));
            assert!(!fine || written == all);
        }
    }
    // The first response had a validator, and the part has none: it may be of another file.
    let part = always(206, &[("content-range", "bytes 2000-4999/5000")], content(3_000));
    let store = Store::new([good(all.clone(), Some(2_000)), part, good(all.clone(), None)]);
    let mut written = Vec::new();
    store_written(&store, &mut written).await;
    assert_eq!(written, all);
    assert_eq!(store.ranges(), ["", "bytes=2000-", ""]);
}

#[tokio::test]
async fn web_page_is_no_package() {
    for kind in ["text/html", "Text/HTML; charset=utf-8"] {
        let headers: &'static [_] = vec![("content-type", kind)].leak();
        let store = Store::new([always(200, headers, "<html>Sign in to the guest network</html>")]);
        let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
        assert!(text.contains("proxy or portal"), "{text}");
    }
    // A page that a machine had, as the store gives it.
    let headers = &[("content-type", "text/html"), ("x-ms-blob-type", "BlockBlob")];
    let store = Store::new([always(200, headers, "<html></html>")]);
    store_written(&store, &mut Vec::new()).await;
}

#[tokio::test]
async fn other_successes_are_not_the_file() {
    for status in [201, 202, 203, 204, 205, 207, 226] {
        let store = Store::new([always(status, &[], content(10))]);
        let folder = Folder::new();
        store.run(store.action().package().save_as(folder.0.join("p"))).await.unwrap_err();
        assert!(folder.names().is_empty(), "{status}");
    }
}

#[tokio::test]
async fn a_file_that_is_there_is_left_alone_unless_it_may_be_replaced() {
    let (store, folder) = (Store::new([good(content(9), None)]), Folder::new());
    let path = folder.0.join("p.zip");
    std::fs::write(&path, "mine").unwrap();
    let error = store.run(store.action().package().save_as(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    assert!(store.wire.requests().is_empty(), "nothing was asked for");
    store.run(store.action().package().overwrite().save_as(&path)).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content(9));
    // One that appears while it comes is left alone, too.
    let late = folder.0.join("late.zip");
    let appears = late.clone();
    let download = store.action().package().progress(move |_| std::fs::write(&appears, "theirs").unwrap());
    assert_eq!(store.run(download.save_as(&late)).await.unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(std::fs::read(&late).unwrap(), b"theirs");
    assert_eq!(folder.names(), ["late.zip", "p.zip"]);
    for nowhere in [folder.0.join("none/p.zip"), folder.0.clone(), "/".into(), "".into()] {
        let error = store.run(store.action().package().save_as(nowhere)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_download_that_is_dropped_leaves_nothing() {
    let folder = Folder::new();
    // Every piece is followed by a pause that nobody ends.
    let store = Store::new([good(content(1_000_000), Some(600_000)), good(content(1_000_000), Some(0))]);
    let mut saving = Box::pin(store.action().package().save_as(folder.0.join("p.zip")));
    while store.clock.sleeping() == 0 {
        assert!(matches!(futures_util::poll!(&mut saving), Poll::Pending));
        tokio::task::yield_now().await;
    }
    assert_eq!(folder.names().len(), 1, "it is under way");
    drop(saving);
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[tokio::test]
async fn a_link_that_may_not_be_followed_is_not() {
    let long = format!("https://blobs.example.com/p?sig={}", CANARY.repeat(100_000));
    for link in [
        "http://blobs.example.com/p?sig=canary-7f3a",
        "http://127.0.0.1:8080/p?sig=canary-7f3a",
        "http://localhost/p?sig=canary-7f3a",
        "file:///etc/passwd?sig=canary-7f3a",
        "ftp://blobs.example.com/p?sig=canary-7f3a",
        "javascript:canary-7f3a",
        "//blobs.example.com/p?sig=canary-7f3a",
        "https://canary-7f3a:x@blobs.example.com/p",
        "https://api.security.microsoft.com@evil.example/p?sig=canary-7f3a",
        &long,
    ] {
        let store = Store::with_link(link, "", [always(200, &[], "no")]);
        ends_as(ErrorKind::Refused, &store, |download| download).await;
        assert!(store.asked().is_empty(), "{link}");
    }
}

#[tokio::test]
async fn a_link_that_leads_on_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let location = &[("location", "https://evil.example/p?sig=canary-7f3a")];
        let store = Store::new([always(status, location, "see https://evil.example/p?sig=canary-7f3a")]);
        let text = ends_as(ErrorKind::Refused, &store, |download| download).await;
        assert!(text.contains("is not followed"), "{text}");
        assert_eq!(store.asked().len(), 1);
    }
}

#[tokio::test]
async fn what_the_store_says_is_kept_without_what_is_secret() {
    let body = format!("<Error><Code>BlobNotFound</Code><Url>{LINK}</Url><Sig>canary-7f3a+</Sig></Error>");
    let store = Store::new([always(404, &[("x-ms-error-code", "BlobNotFound")], body)]);
    let text = ends_as(ErrorKind::NotFound, &store, |download| download).await;
    assert!(text.contains("the store says BlobNotFound"), "{text}");
    // Also where a gateway says it back in its own way.
    for echo in ["canary-7f3a%2b", "Y2FuYXJ5LTdmM2Er", "canary-7f3a&#43;", "CANARY-7F3A%2B"] {
        let headers: &'static [_] = vec![("x-ms-error-code", echo)].leak();
        let store = Store::new([always(404, headers, format!("<html>{echo}</html>"))]);
        let text = ends_as(ErrorKind::NotFound, &store, |download| download).await;
        assert!(!text.to_lowercase().contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
    }
    let error = store.run(store.action().package().write_to(Vec::new())).await.unwrap_err();
    let raw = String::from_utf8(error.problem().unwrap().raw().to_vec()).unwrap();
    assert!(raw.contains("<Code>BlobNotFound</Code>") && !raw.contains(CANARY), "{raw}");
}

#[tokio::test]
async fn a_wire_that_tells_the_url_is_not_repeated() {
    use defender_actions::transport::{Error, ErrorKind as Broken, testing::Capture};
    let wire = Capture::with(|request| match request.uri().host() {
        Some("blobs.example.com") => {
            let cause = std::io::Error::other(format!("sending {} failed", request.uri()));
            Err(Error::new(Broken::Interrupted).context(request.uri().to_string()).caused_by(cause))
        }
        _ => Ok(http::Response::new(format!(r#"{{"value":"{LINK}"}}"#).into())),
    });
    let clock = defender_actions::transport::testing::ManualClock::new();
    let client = defender_actions::DefenderClient::builder()
        .credential(defender_actions::auth::StaticCredential::new("t"))
        .transport(wire)
        .clock(clock.clone())
        .build()
        .unwrap();
    let download = client.action("a1".parse().unwrap()).package().write_to(Vec::new());
    let error = crate::support::driven(&clock, download).await.unwrap_err();
    let text = whole(&error);
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(text.contains("sending https://blobs.example.com/p.zip?<redacted> failed"), "{text}");
    assert!(!text.contains(CANARY), "{text}");
}

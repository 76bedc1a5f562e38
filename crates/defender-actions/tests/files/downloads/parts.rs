//! Resumed downloads: ranges and validators.

use defender_actions::ErrorKind;
use http::header;

use super::{ends_as, write_from};
use crate::store::{Respond, Store, always, content, good, pieces};

#[tokio::test]
async fn store_without_ranges_is_reread() {
    let all = content(5_000);
    let plain = |content: bytes::Bytes| always(200, &[], content);
    let broken: Respond = {
        let all = all.clone();
        Box::new(move |_| http::Response::new(pieces(all.clone(), Some(2_500))))
    };
    let store = Store::new([broken, plain(all.clone())]);
    let mut written = Vec::new();
    store.run(store.action().package().write_to(&mut written)).await.unwrap();
    assert_eq!(written, all);

    let mut other = all.to_vec();
    other[7] ^= 1;
    let broken: Respond = Box::new(move |_| http::Response::new(pieces(all.clone(), Some(2_500))));
    let store = Store::new([broken, plain(other.into())]);
    let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
    assert!(text.contains("the bytes received again differ from the bytes received before"), "{text}");
}

#[tokio::test]
async fn part_of_other_file_is_refused() {
    let all = content(5_000);
    let rest = all.slice(2_000..);
    for (headers, why) in [
        (&[("content-range", "bytes 2001-4999/5000")][..], "another part"),
        (&[("content-range", "bytes 0-4999/5000")][..], "another part"),
        (&[][..], "another part"),
        (&[("content-range", "bytes 2000-4999/6000")][..], "the size of the file has changed"),
        (&[("content-range", "bytes 2000-4999/5000"), ("etag", "\"two\"")][..], "the file has been replaced"),
    ] {
        let store = Store::new([good(all.clone(), Some(2_000)), always(206, headers, rest.clone())]);
        let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
        assert!(text.contains(why), "{text}");
    }
    // A part that is shorter than requested is resumed.
    let shorter = &[("content-range", "bytes 2000-4998/5000"), ("etag", "\"one\"")];
    let shorter = always(206, shorter, all.slice(2_000..4_999));
    let store = Store::new([good(all.clone(), Some(2_000)), shorter, good(all.clone(), None)]);
    let mut written = Vec::new();
    store.run(store.action().package().write_to(&mut written)).await.unwrap();
    assert_eq!(written, all);
    // The file was replaced: the store sends the new one from its start.
    let replaced = always(200, &[("etag", "\"two\""), ("content-length", "5000")], content(5_000));
    let store = Store::new([good(all.clone(), Some(2_000)), replaced]);
    let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
    assert!(text.contains("the file has been replaced since the download began"), "{text}");
    let store = Store::new([good(all, Some(2_000)), always(416, &[("content-range", "bytes */1000")], "")]);
    ends_as(ErrorKind::Corrupt, &store, |download| download).await;
}

#[tokio::test]
async fn unrequested_part_is_refused() {
    let all = content(5_000);
    for headers in [
        &[("content-range", "bytes 0-4999/5000"), ("etag", "\"one\"")][..],
        &[("content-range", "bytes 0-9/*")],
        &[("content-range", "bytes 0-999/5000")],
        &[],
    ] {
        let store = Store::new([always(206, headers, all.clone())]);
        let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
        assert!(text.contains("the whole file was requested") && store.requests().len() == 1, "{text}");
    }
}

#[tokio::test]
async fn part_of_unknown_size_is_refused() {
    let all = content(5_000);
    let unsized_tag = |all: &bytes::Bytes| -> Respond {
        let all = all.clone();
        Box::new(move |_| {
            http::Response::builder().header(header::ETAG, "\"one\"").body(pieces(all.clone(), Some(2_000))).unwrap()
        })
    };
    for range in ["bytes 2000-2999/*", "bytes 2000-4999/*"] {
        let headers: &'static [_] = vec![("content-range", range), ("etag", "\"one\"")].leak();
        let store = Store::new([unsized_tag(&all), always(206, headers, all.slice(2_000..))]);
        let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
        assert!(text.contains("does not state the size"), "{text}");
    }
    // The first response stated the size, so the star is accepted.
    let headers = &[("content-range", "bytes 2000-4999/*"), ("etag", "\"one\"")];
    let store = Store::new([good(all.clone(), Some(2_000)), always(206, headers, all.slice(2_000..))]);
    let mut written = Vec::new();
    write_from(&store, &mut written).await;
    assert_eq!(written, all);
    // More than the announced part, and less than the whole file.
    let headers = &[("content-range", "bytes 2000-2999/5000"), ("etag", "\"one\"")];
    let store = Store::new([good(all.clone(), Some(2_000)), always(206, headers, all.slice(2_000..))]);
    let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
    assert!(text.contains("more bytes than the announced part"), "{text}");
}

#[tokio::test]
async fn download_without_validator_is_reread() {
    let all = content(5_000);
    let mut other = all.to_vec();
    other[7] ^= 1;
    for (second, fine) in [(all.clone(), true), (other.into(), false)] {
        for tag in [&[("content-length", "5000")][..], &[("content-length", "5000"), ("etag", "W/\"weak\"")]] {
            let broken: Respond = {
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
            assert_eq!(store.ranges(), ["", ""], "no part is requested");
            assert_eq!(outcome.map_err(|error| error.kind()).err(), (!fine).then_some(ErrorKind::Corrupt));
            assert!(!fine || written == all);
        }
    }
    // The first response had a validator and the part has none, so the part may belong to another file.
    let part = always(206, &[("content-range", "bytes 2000-4999/5000")], content(3_000));
    let store = Store::new([good(all.clone(), Some(2_000)), part, good(all.clone(), None)]);
    let mut written = Vec::new();
    write_from(&store, &mut written).await;
    assert_eq!(written, all);
    assert_eq!(store.ranges(), ["", "bytes=2000-", ""]);
}

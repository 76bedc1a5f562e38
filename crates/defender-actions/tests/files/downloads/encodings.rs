//! Downloads in a `Content-Encoding`.

use defender_actions::ErrorKind;
use http::header;

use super::{ends_as, hash, write_from};
use crate::store::{Respond, Store, always, content, good};

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(content).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn encoding_is_decoded_or_refused() {
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
        assert!(text.contains(&format!("`{coding}`")) && store.requests().len() == 1, "{text}");
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
    write_from(&members, &mut written).await;
    assert_eq!(written, all);
}

#[tokio::test]
async fn changed_encoding_is_refused() {
    let all = content(5_000);
    let encoded = always(200, &[("content-encoding", "gzip"), ("etag", "\"one\"")], gzip(&all));
    let store = Store::new([good(all, Some(2_000)), encoded]);
    let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
    assert!(text.contains("the encoding has changed"), "{text}");
}

#[tokio::test]
async fn encoded_download_is_resumed() {
    let (all, packed) = (content(50_000), gzip(&content(50_000)));
    let encoded = |breaks| -> Respond {
        let good = good(packed.clone().into(), breaks);
        Box::new(move |request| {
            let mut response = good(request);
            response.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
            response
        })
    };
    let store = Store::new([encoded(Some(20_000)), encoded(None)]);
    let mut written = Vec::new();
    write_from(&store, &mut written).await;
    assert_eq!(written, all);
    assert_eq!(store.ranges(), ["", "bytes=20000-"]);
}

//! Links and responses that are not the file.

use defender_actions::ErrorKind;

use super::{ends_as, write_from};
use crate::{
    store::{CANARY, Folder, LINK, Store, always, content},
    support::error_chain,
};

#[tokio::test]
async fn web_page_is_refused() {
    for kind in ["text/html", "Text/HTML; charset=utf-8"] {
        let headers: &'static [_] = vec![("content-type", kind)].leak();
        let store = Store::new([always(200, headers, "<html>Sign in to the guest network</html>")]);
        let text = ends_as(ErrorKind::Corrupt, &store, |download| download).await;
        assert!(text.contains("proxy or portal"), "{text}");
    }
    // A web page that was collected from a machine, as the store sends it.
    let headers = &[("content-type", "text/html"), ("x-ms-blob-type", "BlockBlob")];
    let store = Store::new([always(200, headers, "<html></html>")]);
    write_from(&store, &mut Vec::new()).await;
}

#[tokio::test]
async fn other_success_status_is_refused() {
    for status in [201, 202, 203, 204, 205, 207, 226] {
        let store = Store::new([always(status, &[], content(10))]);
        let folder = Folder::new();
        store.run(store.action().package().save_as(folder.0.join("p"))).await.unwrap_err();
        assert!(folder.names().is_empty(), "{status}");
    }
}

#[tokio::test]
async fn unsafe_link_is_not_followed() {
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
        assert!(store.requests().is_empty(), "{link}");
    }
}

#[tokio::test]
async fn link_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let location = &[("location", "https://evil.example/p?sig=canary-7f3a")];
        let store = Store::new([always(status, location, "see https://evil.example/p?sig=canary-7f3a")]);
        let text = ends_as(ErrorKind::Refused, &store, |download| download).await;
        assert!(text.contains("redirects are not followed"), "{text}");
        assert_eq!(store.requests().len(), 1);
    }
}

#[tokio::test]
async fn store_error_is_redacted() {
    let body = format!("<Error><Code>BlobNotFound</Code><Url>{LINK}</Url><Sig>canary-7f3a+</Sig></Error>");
    let store = Store::new([always(404, &[("x-ms-error-code", "BlobNotFound")], body)]);
    let text = ends_as(ErrorKind::NotFound, &store, |download| download).await;
    assert!(text.contains("the store's error code is BlobNotFound"), "{text}");
    // A gateway may encode the echo differently.
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
async fn transport_error_is_redacted() {
    use defender_actions::transport::{Error, ErrorKind as Broken, testing::Capture};
    let transport = Capture::with(|request| match request.uri().host() {
        Some("blobs.example.com") => {
            let cause = std::io::Error::other(format!("sending {} failed", request.uri()));
            Err(Error::new(Broken::Interrupted).context(request.uri().to_string()).caused_by(cause))
        }
        _ => Ok(http::Response::new(format!(r#"{{"value":"{LINK}"}}"#).into())),
    });
    let clock = defender_actions::transport::testing::ManualClock::new();
    let client = defender_actions::DefenderClient::builder()
        .credential(defender_actions::auth::StaticCredential::new("t"))
        .transport(transport)
        .clock(clock.clone())
        .build()
        .unwrap();
    let download = client.action("a1".parse().unwrap()).package().write_to(Vec::new());
    let error = crate::support::driven(&clock, download).await.unwrap_err();
    let text = error_chain(&error);
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(text.contains("sending https://blobs.example.com/p.zip?<redacted> failed"), "{text}");
    assert!(!text.contains(CANARY), "{text}");
}

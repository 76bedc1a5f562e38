//! A token of the platform, in a file.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use defender_auth::{ClientSecretCredential, ErrorKind, WorkloadIdentityCredential};
use defender_transport::{
    Clock,
    testing::{Capture, ManualClock},
};
use http::Response;

use crate::support::{Folder, TOKEN, all_of, answering, ask, connected, form};

/// A transport that refuses with this number so often, and then grants.
fn refusing(number: u32, times: usize) -> Capture {
    let asked = AtomicUsize::new(0);
    Capture::with(move |_| {
        let (status, body) = if asked.fetch_add(1, Ordering::Relaxed) < times {
            (
                400,
                format!(
                    r#"{{"error":"invalid_request","error_description":"AADSTS{number}: No match.","error_codes":[{number}]}}"#
                ),
            )
        } else {
            (200, TOKEN.to_owned())
        };
        Ok(Response::builder().status(status).body(body.into()).unwrap())
    })
}

#[tokio::test]
async fn new_trust_has_a_minute_to_spread() {
    let folder = Folder::new();
    let file = folder.path().join("token");
    std::fs::write(&file, "first").unwrap();
    for (number, times, asked, granted) in [
        (700_213, 3, 4, true),
        (70_021, 1, 2, true),
        (700_211, 5, 6, true),
        (700_213, usize::MAX, 7, false),
        (700_016, usize::MAX, 1, false),
        (7_002_138, usize::MAX, 1, false),
    ] {
        let (transport, clock) = (refusing(number, times), ManualClock::new());
        let credential =
            connected(WorkloadIdentityCredential::new("contoso.com", "the-client", &file), &transport, &clock);
        let outcome = ask(&credential, &clock).await;
        assert_eq!((outcome.is_ok(), transport.requests().len()), (granted, asked), "{number}");
        assert!(clock.elapsed() <= Duration::from_secs(60), "{number}: {:?}", clock.elapsed());
        assert!(number != 700_213 || granted || clock.elapsed() >= Duration::from_secs(45), "{:?}", clock.elapsed());
    }
}

#[tokio::test]
async fn old_trust_is_not_waited_for() {
    let folder = Folder::new();
    let file = folder.path().join("token");
    std::fs::write(&file, "first").unwrap();
    let asked = AtomicUsize::new(0);
    let transport = Capture::with(move |_| {
        let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        let refused = r#"{"error":"invalid_request","error_codes":[700213]}"#;
        let (status, body) = if first { (200, TOKEN) } else { (400, refused) };
        Ok(Response::builder().status(status).body(body.into()).unwrap())
    });
    let clock = ManualClock::new();
    let credential = connected(WorkloadIdentityCredential::new("contoso.com", "the-client", &file), &transport, &clock);
    ask(&credential, &clock).await.unwrap();
    clock.advance(Duration::from_secs(4_000));
    let before = clock.elapsed();
    ask(&credential, &clock).await.unwrap_err();
    assert_eq!((transport.requests().len(), clock.elapsed()), (2, before));
    // A secret has no trust that could spread.
    let (transport, clock) = (refusing(700_213, usize::MAX), ManualClock::new());
    let secret = connected(ClientSecretCredential::new("contoso.com", "the-client", "secret"), &transport, &clock);
    ask(&secret, &clock).await.unwrap_err();
    assert_eq!(transport.requests().len(), 1);
}

#[tokio::test]
async fn the_file_is_read_for_each_request() {
    let folder = Folder::new();
    let file = folder.path().join("token");
    let (transport, clock) = (answering(200, TOKEN), ManualClock::new());
    let credential = WorkloadIdentityCredential::new("contoso.com", "the-client", &file);
    let credential = connected(credential, &transport, &clock);
    for text in ["first", "\u{feff}second\r\n"] {
        std::fs::write(&file, text).unwrap();
        ask(&credential, &clock).await.unwrap();
        clock.advance(std::time::Duration::from_secs(3_400));
    }
    let forms: Vec<_> = transport.requests().iter().map(form).collect();
    assert_eq!(forms.len(), 2);
    assert_eq!((&*forms[0]["client_assertion"], &*forms[1]["client_assertion"]), ("first", "second"));
    for form in forms {
        assert_eq!(form["grant_type"], "client_credentials");
        assert_eq!(form["client_id"], "the-client");
        assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_eq!(form.len(), 5, "{form:?}");
    }
}

#[tokio::test]
async fn bad_token_file_is_reported_by_name() {
    let folder = Folder::new();
    let (transport, clock) = (answering(200, TOKEN), ManualClock::new());
    for (text, words) in
        [(None, "cannot be read"), (Some(" \n"), "is empty"), (Some("canary and more"), "more than one token")]
    {
        let file = folder.path().join("token");
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let credential = WorkloadIdentityCredential::new("contoso.com", "the-client", &file);
        let error = ask(&connected(credential, &transport, &clock), &clock).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let shown = all_of(&error);
        assert!(shown.contains(words) && shown.contains("token`") && !shown.contains("canary"), "{shown}");
    }
    assert!(transport.requests().is_empty());
}

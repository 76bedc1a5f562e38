//! A token of the platform, in a file.

use defender_auth::{ErrorKind, WorkloadIdentityCredential};
use defender_transport::testing::ManualClock;

use crate::support::{Folder, TOKEN, all_of, answering, ask, connected, form};

#[tokio::test]
async fn the_file_is_read_for_each_request() {
    let folder = Folder::new();
    let file = folder.path().join("token");
    let (wire, clock) = (answering(200, TOKEN), ManualClock::new());
    let credential = WorkloadIdentityCredential::new("contoso.com", "the-client", &file);
    let credential = connected(credential, &wire, &clock);
    for text in ["first", "\u{feff}second\r\n"] {
        std::fs::write(&file, text).unwrap();
        ask(&credential, &clock).await.unwrap();
        clock.advance(std::time::Duration::from_secs(3_400));
    }
    let forms: Vec<_> = wire.requests().iter().map(form).collect();
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
async fn a_file_that_holds_no_token_is_told_by_its_name_and_not_by_its_text() {
    let folder = Folder::new();
    let (wire, clock) = (answering(200, TOKEN), ManualClock::new());
    for (text, words) in
        [(None, "cannot be read"), (Some(" \n"), "is empty"), (Some("canary and more"), "more than one token")]
    {
        let file = folder.path().join("token");
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let credential = WorkloadIdentityCredential::new("contoso.com", "the-client", &file);
        let error = ask(&connected(credential, &wire, &clock), &clock).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let shown = all_of(&error);
        assert!(shown.contains(words) && shown.contains("token`") && !shown.contains("canary"), "{shown}");
    }
    assert!(wire.requests().is_empty());
}

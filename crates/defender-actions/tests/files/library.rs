//! The library, on the emulator.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use defender_actions::{
    DefenderClient, Error, ErrorKind,
    auth::StaticCredential,
    model::LibraryFile,
    transport::{
        Body, Error as TransportError, ErrorKind as Broken,
        testing::{Capture, ManualClock},
    },
};
use defender_emulator::{Fault, Operation};
use futures_util::TryStreamExt;
use http::Response;

use crate::support::{World, forbidden, lines, over};

async fn files(world: &World) -> Vec<LibraryFile> {
    world.run(world.defender.library().files().stream().try_collect()).await.unwrap()
}

#[tokio::test]
async fn a_file_comes_is_replaced_when_asked_and_goes() {
    let world = World::new();
    let library = world.defender.library();
    assert!(files(&world).await.is_empty());
    let script = "Get-Date\r\n--defender-form-0000000000000000--\r\n";
    let first = library.upload("a b.ps1", script).description("Zeit \u{fc}ber alles");
    let first = world.run(first.into_future()).await.unwrap();
    assert_eq!(first.file_name, "a b.ps1");
    assert_eq!(first.description.as_deref(), Some("Zeit \u{fc}ber alles"));
    let hash = first.sha256.clone().unwrap();

    let again = world.run(library.upload("a b.ps1", "other").into_future()).await.unwrap_err();
    assert_eq!((again.kind(), again.status()), (ErrorKind::Refused, Some(400)));
    world.clock.advance(Duration::from_secs(1));
    let replaced = library.upload("a b.ps1", "other").parameters("-Days n").override_if_exists();
    let replaced = world.run(replaced.into_future()).await.unwrap();
    assert_ne!(replaced.sha256.unwrap(), hash);
    assert_eq!(replaced.has_parameters, Some(true));

    assert_eq!(files(&world).await.len(), 1);
    world.run(library.delete("a b.ps1").into_future()).await.unwrap();
    assert!(world.run(library.delete("a b.ps1").into_future()).await.unwrap_err().is_not_found());
    assert!(files(&world).await.is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_told_as_it_is() {
    let world = World::new();
    let library = world.defender.library();
    let lose = |operation| world.emulator.fault(Fault::ResetAfterEffect).on(operation).times(1);
    // Without leave to replace, a second sending would call the first one's file a failure.
    lose(Operation::UploadLibraryFile);
    let error = world.run(library.upload("a.ps1", "x").into_future()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(files(&world).await.len(), 1);
    lose(Operation::UploadLibraryFile);
    world.run(library.upload("a.ps1", "x").override_if_exists().into_future()).await.unwrap();
    // The second sending finds that the first has done it.
    lose(Operation::DeleteLibraryFile);
    world.run(library.delete("a.ps1").into_future()).await.unwrap();
    assert_eq!(world.emulator.ledger().last().unwrap().status, 404);
}

#[tokio::test]
async fn without_the_permission_it_is_forbidden() {
    let world = World::with(|builder| builder.without_role("Library.Manage"));
    let library = world.defender.library();
    forbidden(world.run(library.files().stream().try_collect::<Vec<_>>()).await);
    forbidden(world.run(library.upload("a.ps1", "x").into_future()).await);
    forbidden(world.run(library.delete("a.ps1").into_future()).await);
}

#[tokio::test]
async fn twenty_megabytes_are_sent_and_one_byte_more_is_not() {
    let (defender, wire) = over(|_| (200, r#"{"fileName":"a"}"#.to_owned()));
    defender.library().upload("a", vec![b'x'; 20 << 20]).await.unwrap();
    let error = defender.library().upload("a", vec![b'x'; (20 << 20) + 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(lines(&wire).len(), 1);
}

const GONE: &str = r#"{"error":{"code":"ResourceNotFound","message":"no such file"}}"#;

type Outcome = Result<Response<Body>, TransportError>;

fn respond(status: u16, body: &str) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body.to_owned())).unwrap()
}

/// Deletes a file over a wire whose first outcome is `first`, and each later one `then`. Returns how many requests were sent, too.
async fn deleting(
    first: impl Fn() -> Outcome + Send + Sync + 'static,
    then: impl Fn() -> Outcome + Send + Sync + 'static,
) -> (Result<(), Error>, usize) {
    let count = AtomicUsize::new(0);
    let wire = Capture::with(move |_| if count.fetch_add(1, Ordering::Relaxed) == 0 { first() } else { then() });
    let clock = ManualClock::new();
    let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(wire.clone());
    let defender = builder.clock(clock.clone()).build().unwrap();
    let deleted = clock.run(defender.library().delete("a.ps1").send()).await;
    (deleted, wire.requests().len())
}

#[tokio::test]
async fn delete_is_done_only_if_an_earlier_attempt_may_have_been() {
    type First = fn() -> Outcome;
    let first: [(&str, First, bool); 10] = [
        ("throttled", || Ok(respond(429, r#"{"error":{"code":"TooManyRequests"}}"#)), false),
        ("throttled without a body", || Ok(respond(429, "")), false),
        ("too early", || Ok(respond(425, "{}")), false),
        ("token refused", || Ok(respond(401, "{}")), false),
        ("not connected", || Err(TransportError::new(Broken::Connect)), false),
        ("stream refused", || Err(TransportError::new(Broken::Interrupted).not_sent()), false),
        ("lost", || Err(TransportError::new(Broken::Interrupted)), true),
        ("late", || Err(TransportError::new(Broken::Timeout)), true),
        ("gateway gave up", || Ok(respond(504, "{}")), true),
        ("block page", || Ok(respond(403, "<html>")), true),
    ];
    for (name, first, done) in first {
        let (deleted, sent) = deleting(first, || Ok(respond(404, GONE))).await;
        assert_eq!(sent, 2, "{name}");
        match deleted {
            Ok(()) => assert!(done, "{name}"),
            Err(error) => assert!(!done && error.is_not_found(), "{name}: {error}"),
        }
    }
    // A gateway's 404 says nothing about the file.
    let (deleted, _) = deleting(|| Ok(respond(504, "{}")), || Ok(respond(404, r#"{"message":"no route"}"#))).await;
    assert_eq!(deleted.unwrap_err().kind(), defender_actions::ErrorKind::Interrupted);
}

#[tokio::test]
async fn delete_takes_no_block_page_for_done() {
    for (status, body, done) in [(204, "", true), (200, "", true), (200, "<html>", false), (302, "", false)] {
        let (deleted, _) = deleting(move || Ok(respond(status, body)), move || Ok(respond(status, body))).await;
        assert_eq!(deleted.is_ok(), done, "{status} {body}");
    }
}

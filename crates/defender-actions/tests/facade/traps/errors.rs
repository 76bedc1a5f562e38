//! Traps about errors and refusals.

use std::time::Duration;

use defender_actions::{ErrorKind, Origin, model::Code, transport::Clock};
use defender_emulator::{Fault, Operation, RetryAfter};

use super::Saying;
use crate::world::{MINUTE, World};

#[tokio::test]
async fn trap_09_already_in_progress_is_recognized() {
    for body in [
        r#"{"error":{"code":"ActiveRequestAlreadyExists","message":"x"}}"#,
        r#"{"error":{"code":"activerequestalreadyexists"}}"#,
        r#"{"error":{"code":"BadRequest","message":"Action is already in progress"}}"#,
        r#"{"error": {"code": "", "message":  "ACTION is  already in Progress."}}"#,
        r#"{"error":{"message":"Action is already in progress"}}"#,
    ] {
        let transport = Saying::new(400, body);
        let (client, clock) = transport.client();
        let error = clock.run(client.machine("m".parse().unwrap()).isolate("c").send()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyInProgress, "{body}");
    }
    let (client, clock) = Saying::new(400, r#"{"error":{"code":"BadRequest","message":"progress"}}"#).client();
    let error = clock.run(client.machine("m".parse().unwrap()).isolate("c").send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn trap_10_error_details_are_kept() {
    let body = r#"{"error":{"code":"InvalidInput","message":"Sha1 is wrong","target":"|3abc","novel":1}}"#;
    let (client, clock) = Saying::new(400, body).client();
    let error = clock.run(client.machine("m".parse().unwrap()).isolate("c").send()).await.unwrap_err();
    assert_eq!((error.code(), error.target()), (Some(&Code::InvalidInput), Some("|3abc")));
    assert_eq!(error.problem().unwrap().message(), Some("Sha1 is wrong"));
    assert_eq!(error.problem().unwrap().raw(), body.as_bytes());
    assert!(error.to_string().contains("Sha1 is wrong"), "{error}");
}

#[tokio::test]
async fn trap_11_odd_body_keeps_status() {
    for body in
        ["", "<html>Forbidden</html>", r#"{"error":"forbidden"}"#, "{}", "[]", "null", "\u{0}", r#"{"error":{}}"#]
    {
        let (client, clock) = Saying::new(403, body).client();
        let error = clock.run(client.machine("m".parse().unwrap()).isolate("c").send()).await.unwrap_err();
        // HTML is not the service's, so its status refuses nothing.
        let kind = if body.starts_with('<') { ErrorKind::OutcomeUnknown } else { ErrorKind::Forbidden };
        assert_eq!((error.kind(), error.status()), (kind, Some(403)), "{body}");
        assert_eq!(error.problem().unwrap().raw(), body.as_bytes());
    }
}

#[tokio::test]
async fn trap_20_retry_after_is_honored() {
    let in_time = |seconds| (Duration::from_secs(seconds), Duration::from_secs(seconds + 10));
    for (retry_after, (least, most)) in [
        (RetryAfter::Seconds(20), in_time(20)),
        (RetryAfter::Date(20), in_time(19)),
        // Without `Retry-After`, the queue stays closed for a minute.
        (RetryAfter::Absent, in_time(60)),
    ] {
        let world = World::new();
        world.emulator.fault(Fault::TooManyRequests(retry_after)).on(Operation::Isolate).times(1);
        let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
        assert_eq!(submitted.origin(), Origin::Created);
        let took = world.clock.elapsed();
        assert!(least <= took && took <= most, "{retry_after:?}: {took:?}");
    }
    // The client does not sleep for a day; it returns the error with the time.
    let world = World::new();
    world.emulator.fault(Fault::TooManyRequests(RetryAfter::Seconds(86_400))).on(Operation::Isolate).times(1);
    let error = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(86_400))));
    assert!(world.clock.elapsed() < MINUTE);
}

#[cfg(feature = "hyper")]
#[test]
fn trap_31_missing_crypto_provider_fails() {
    use defender_actions::transport::{Crypto, HyperTransport, Roots};
    let transport = HyperTransport::builder().roots(Roots::bundled()).crypto(Crypto::Auto).build();
    assert!(transport.is_ok() || transport.unwrap_err().to_string().contains("crypto provider"));
}

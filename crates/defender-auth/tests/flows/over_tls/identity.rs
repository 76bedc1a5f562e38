//! Managed identities, over plain http on the loopback.

use defender_auth::{ErrorKind, ManagedIdentityCredential, ManagedIdentityId, TokenRequest};
use defender_emulator::{Fault, RetryAfter};

use super::World;

#[tokio::test]
async fn a_managed_identity() {
    let world = World::new().await;
    let here = ManagedIdentityCredential::system_assigned;
    let site = world.emulator.identity_endpoint();
    world.gets_a_token(here().at_imds(world.emulator.imds_endpoint())).await;
    world.gets_a_token(here().at_app_service(&site, world.emulator.identity_header())).await;
    let other = ManagedIdentityCredential::user_assigned(ManagedIdentityId::ClientId("other".to_owned()));
    for (credential, words) in [
        (here().at_app_service(&site, "wrong"), "X-IDENTITY-HEADER"),
        (other.clone().at_app_service(&site, world.emulator.identity_header()), "No User Assigned"),
        (other.at_imds(world.emulator.imds_endpoint()), "Identity not found"),
    ] {
        let credential = world.connect(credential);
        let error = world.ask(&credential, &TokenRequest::new()).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn metadata_service_retries_follow_documentation() {
    let statuses = [410, 404, 429, 500, 503];
    for failures in 0..=6 {
        let world = World::new().await;
        for status in statuses.iter().cycle().take(failures) {
            world.emulator.fault(Fault::Status(*status, RetryAfter::Absent)).times(1);
        }
        let credential = ManagedIdentityCredential::system_assigned().at_imds(world.emulator.imds_endpoint());
        let credential = world.connect(credential);
        let outcome = world.ask(&credential, &TokenRequest::new()).await;
        // As documented, and once more after the 70 s that a 410 may take.
        let times = [0, 2, 6, 14, 30, 72];
        assert_eq!(world.transport.times(), times[..times.len().min(failures + 1)]);
        assert_eq!(outcome.is_ok(), failures < 6, "{outcome:?}");
    }
}

#[tokio::test]
async fn app_service_is_asked_three_times() {
    for (status, at_app_service, times) in [
        (400, false, &[0][..]),
        (401, false, &[0]),
        (403, true, &[0]),
        (404, true, &[0]),
        (410, true, &[0]),
        (408, true, &[0, 1, 2]),
        (503, true, &[0, 1, 2]),
    ] {
        let world = World::new().await;
        world.emulator.fault(Fault::Status(status, RetryAfter::Absent));
        let here = ManagedIdentityCredential::system_assigned();
        let credential = if at_app_service {
            here.at_app_service(world.emulator.identity_endpoint(), world.emulator.identity_header())
        } else {
            here.at_imds(world.emulator.imds_endpoint())
        };
        let credential = world.connect(credential);
        let error = world.ask(&credential, &TokenRequest::new()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Response, Some(status)));
        assert_eq!(world.transport.times(), times, "{status}");
    }
}

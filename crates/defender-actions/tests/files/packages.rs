//! Investigation packages on the emulator.

use std::time::Duration;

use defender_actions::{
    ErrorKind,
    model::{ActionId, MachineAction},
    transport::Clock,
};
use defender_emulator::{Fault, Operation, Outcome, RetryAfter};
use futures_util::TryStreamExt;

use crate::{
    store::{Folder, Store, always, content, good},
    support::{World, forbidden, over},
};

async fn collected(world: &World) -> ActionId {
    let machine = world.defender.machine(world.emulator.machine_ids()[0].parse().unwrap());
    world.run(machine.collect_investigation_package("c").into_future()).await.unwrap().id().clone()
}

async fn package(world: &World) -> ActionId {
    let id = collected(world).await;
    world.clock.advance(Duration::from_secs(3));
    id
}

#[tokio::test]
async fn package_is_saved_whole() {
    let (world, folder) = (World::new(), Folder::new());
    let id = package(&world).await;
    let path = folder.0.join("p.zip");
    let saved = world.run(world.defender.action(id.clone()).package().save_as(&path)).await.unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.starts_with(b"PK\x03\x04"));
    assert_eq!(saved.size(), bytes.len() as u64);
    assert_eq!((folder.names(), saved.file_name()), (vec!["p.zip".to_owned()], None));

    let streamed: Vec<_> =
        world.run(world.defender.action(id.clone()).package().into_stream().try_collect()).await.unwrap();
    assert_eq!(streamed.concat(), bytes);
    let mut written = Vec::new();
    let repeat = world.defender.action(id).package().expect_sha256(saved.sha256()).write_to(&mut written);
    assert_eq!(world.run(repeat).await.unwrap(), saved);
    assert_eq!(written, bytes);
}

#[tokio::test]
async fn trap_16_pending_package_is_not_ready() {
    let world = World::new();
    let id = collected(&world).await;
    let error = world.run(world.defender.action(id.clone()).package().link().into_future()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::NotReady, true));
    assert_eq!(error.action().map(|action: &MachineAction| &action.id), Some(&id));
    let nobody = world.defender.action("nobody".parse().unwrap());
    let error = world.run(nobody.package().link().into_future()).await.unwrap_err();
    assert!(error.is_not_found());
    world.clock.advance(Duration::from_secs(3));
    world.run(world.defender.action(id).package().link().into_future()).await.unwrap();
    // A failed action has no package.
    world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 });
    let failed = package(&world).await;
    let error = world.run(world.defender.action(failed).package().link().into_future()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ActionFailed);
}

#[tokio::test]
async fn early_400_is_not_ready() {
    for (code, status, kind) in [
        (400, "Pending", ErrorKind::NotReady),
        (400, "InProgress", ErrorKind::NotReady),
        (404, "InProgress", ErrorKind::NotReady),
        (400, "Succeeded", ErrorKind::Refused),
        (404, "Succeeded", ErrorKind::NotFound),
        (400, "Failed", ErrorKind::ActionFailed),
    ] {
        let (defender, transport) = over(move |request| match request.uri().path() {
            "/api/machineactions/a1" => (200, format!(r#"{{"id":"a1","status":"{status}"}}"#)),
            _ => (code, r#"{"error":{"code":"BadRequest","message":"m"}}"#.to_owned()),
        });
        let error = defender.action("a1".parse().unwrap()).package().link().await.unwrap_err();
        assert_eq!((error.kind(), transport.requests().len()), (kind, 2), "{code} {status}: {error}");
        assert_eq!(error.is_retryable(), kind == ErrorKind::NotReady || code == 404, "{code} {status}");
    }
}

#[tokio::test]
async fn trap_17_link_quotes_are_removed() {
    let world = World::new();
    let id = package(&world).await;
    let link = world.run(world.defender.action(id).package().link().into_future()).await.unwrap();
    assert!(link.url().starts_with("https://") && !link.url().contains('"'), "{}", link.url());
}

#[tokio::test]
async fn trap_18_store_gets_no_token() {
    // The emulator's store refuses requests with a token.
    let (world, folder) = (World::new(), Folder::new());
    let id = package(&world).await;
    world.run(world.defender.action(id).package().save_as(folder.0.join("p"))).await.unwrap();
    let store = Store::new([good(content(10), None)]);
    store.run(store.action().package().write_to(Vec::new())).await.unwrap();
    let [request] = &store.requests()[..] else { panic!() };
    for header in ["authorization", "cookie", "proxy-authorization"] {
        assert!(!request.headers().contains_key(header), "{header}");
    }
}

#[tokio::test]
async fn trap_29_download_is_streamed() {
    let (store, total) = (Store::new([good(content(1_000_000), None)]), 1_000_000);
    let mut pieces = store.action().package().into_stream();
    let mut received = 0;
    while let Some(piece) = store.run(pieces.try_next()).await.unwrap() {
        received += piece.len();
        assert_eq!(piece.len(), 1_000, "each chunk as the transport sent it");
    }
    assert_eq!(received, total);
}

#[tokio::test]
async fn broken_store_is_retried() {
    let (world, folder) = (World::new(), Folder::new());
    let id = package(&world).await;
    let path = folder.0.join("p.zip");
    let first = world.run(world.defender.action(id.clone()).package().save_as(&path)).await.unwrap();
    for fault in [
        Fault::TruncatedBody,
        Fault::WrongContentLength,
        Fault::ResetBeforeEffect,
        Fault::Status(503, RetryAfter::Seconds(2)),
        Fault::TooManyRequests(RetryAfter::Seconds(2)),
        Fault::SlowBytes(Duration::from_secs(20)),
    ] {
        world.emulator.fault(fault).on(Operation::DownloadBlob).times(3);
        let saved = world.run(world.defender.action(id.clone()).package().overwrite().save_as(&path)).await;
        assert_eq!(saved.unwrap(), first, "{fault:?}");
    }
    assert_eq!(folder.names(), ["p.zip"]);
    let world = World::new();
    let id = package(&world).await;
    world.emulator.fault(Fault::Hang).on(Operation::DownloadBlob);
    let error = world.run(world.defender.action(id).package().write_to(Vec::new())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
}

#[tokio::test]
async fn expired_link_is_renewed_once() {
    // At the moment of its expiry the link is renewed.
    let world = World::with(|builder| builder.link_lifetime(Duration::ZERO));
    let id = package(&world).await;
    let error = world.run(world.defender.action(id).package().write_to(Vec::new())).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Forbidden, Some(403)));
    assert!(crate::support::error_chain(&error).contains("the store's error code is AuthenticationFailed"));

    let over = || always(403, &[("x-ms-error-code", "AuthenticationFailed")], "");
    let all = content(5_000);
    let store = Store::new([over(), good(all.clone(), Some(2_000)), over(), good(all.clone(), None)]);
    let mut written = Vec::new();
    store.run(store.action().package().write_to(&mut written)).await.unwrap();
    assert_eq!((written.as_slice(), store.links()), (&all[..], 3));
    let store = Store::new([over()]);
    store.run(store.action().package().write_to(Vec::new())).await.unwrap_err();
    assert_eq!((store.links(), store.requests().len()), (2, 2));
}

#[tokio::test]
async fn links_have_own_quota() {
    let world = World::new();
    let id = package(&world).await;
    let begin = world.clock.elapsed();
    for _ in 0..2 {
        world.run(world.defender.action(id.clone()).package().link().into_future()).await.unwrap();
    }
    assert_eq!(world.clock.elapsed(), begin);
    world.run(world.defender.action(id).package().link().into_future()).await.unwrap();
    assert!(world.clock.elapsed().checked_sub(begin).unwrap() >= Duration::from_secs(60));
}

#[tokio::test]
async fn retries_are_paced_too() {
    let world = World::new();
    let id = package(&world).await;
    world.emulator.fault(Fault::Status(503, RetryAfter::Absent)).on(Operation::GetPackageUri).times(2);
    let begin = world.clock.elapsed();
    world.run(world.defender.action(id).package().link().into_future()).await.unwrap();
    // The quota is two a minute, and the first two attempts used it.
    let took = world.clock.elapsed().checked_sub(begin).unwrap();
    assert!(took >= Duration::from_secs(60), "the third attempt was sent after {took:?}");
}

#[tokio::test]
async fn missing_permission_gives_no_link() {
    let world = World::with(|builder| builder.without_role("Machine.Read.All").without_role("Machine.ReadWrite.All"));
    let id = package(&world).await;
    forbidden(world.run(world.defender.action(id.clone()).package().link().into_future()).await);
    forbidden(world.run(world.defender.action(id).result(0).transcript().into_future()).await);
    let world = World::new();
    let machine = world.defender.machine(world.emulator.machine_ids()[0].parse().unwrap());
    let isolated = world.run(machine.isolate("c").into_future()).await.unwrap();
    let link = world.defender.action(isolated.id().clone()).package().link();
    assert_eq!(world.run(link.into_future()).await.unwrap_err().kind(), ErrorKind::Refused);
}

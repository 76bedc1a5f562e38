//! Errors of downloads and uploads.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use defender_actions::{Error, Sha256};
use tokio::io::AsyncWrite;

use super::{Canned, Fault, JSON, response};
use crate::world::{HOUR, World};

const LINK: &str = r#"{"value":"https://blobs.example.com/p.zip?sig=a-secret-signature"}"#;
const RECORD: &str = r#"{"id":"a1","type":"CollectInvestigationPackage","status":"Succeeded"}"#;

/// Succeeded action, and a store with this response.
fn store(status: u16, kind: &'static str, body: &'static str) -> Canned {
    Canned::new(move |request| match (request.uri().host(), request.uri().path()) {
        (Some("blobs.example.com"), _) => {
            let mut response = response(status, kind, body);
            response.headers_mut().insert("x-ms-request-id", "r".parse().unwrap());
            if status == 403 {
                response.headers_mut().insert("x-ms-error-code", "AuthenticationFailed".parse().unwrap());
            }
            response
        }
        (_, path) if path.contains("getPackageUri") => response(200, JSON, LINK),
        _ => response(200, JSON, RECORD),
    })
}

/// Disk on which each write fails with this error.
struct Disk(io::ErrorKind);

impl AsyncWrite for Disk {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(self.0.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Error of writing a package to such a disk.
async fn writing(kind: io::ErrorKind) -> Error {
    let store = store(200, "application/zip", "zip");
    store.run(store.client.action("a1".parse().unwrap()).package().write_to(Disk(kind))).await.unwrap_err()
}

/// Error of downloading the package from a store with this response.
async fn fetching(status: u16, kind: &'static str, body: &'static str) -> Error {
    let store = store(status, kind, body);
    store.run(store.client.action("a1".parse().unwrap()).package().write_to(Vec::new())).await.unwrap_err()
}

pub(super) async fn faults() -> Vec<Fault> {
    let world = World::with(|emulator| emulator.ids(1).pending_for(HOUR));
    let client = world.client();
    let collected = world.run(client.machine(world.machine()).collect_investigation_package("c").send()).await.unwrap();
    world.run(client.library().upload("collect.ps1", "content").send()).await.unwrap();
    let hash: Sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse().unwrap();
    let put = r#"{"id":"a1","type":"LiveResponse","status":"Succeeded","commands":[{"index":0,"commandStatus":"Completed","command":{"type":"PutFile"}}]}"#;
    let put = Canned::responding(200, JSON, put);
    vec![
        ("package that is not ready", {
            let package = client.action(collected.id().clone()).package();
            world.run(package.write_to(Vec::new())).await.unwrap_err()
        }),
        ("disk that is full", writing(io::ErrorKind::StorageFull).await),
        ("folder that may not be written to", writing(io::ErrorKind::PermissionDenied).await),
        ("file that is there already", writing(io::ErrorKind::AlreadyExists).await),
        ("folder that is not there", writing(io::ErrorKind::NotFound).await),
        ("link that has expired", fetching(403, "application/xml", "<Error/>").await),
        ("block page in place of a file", {
            let page = Canned::new(|request| match (request.uri().host(), request.uri().path()) {
                (Some("blobs.example.com"), _) => response(200, "text/html", "<html>Blocked</html>"),
                (_, path) if path.contains("getPackageUri") => response(200, JSON, LINK),
                _ => response(200, JSON, RECORD),
            });
            page.run(page.client.action("a1".parse().unwrap()).package().write_to(Vec::new())).await.unwrap_err()
        }),
        ("other hash than expected", {
            let store = store(200, "application/zip", "zip");
            let package = store.client.action("a1".parse().unwrap()).package().expect_sha256(hash);
            store.run(package.write_to(Vec::new())).await.unwrap_err()
        }),
        ("file above the limit", {
            let store = store(200, "application/zip", "a longer zip");
            let package = store.client.action("a1".parse().unwrap()).package().limit(4);
            store.run(package.write_to(Vec::new())).await.unwrap_err()
        }),
        ("command without a result", {
            let result = put.client.action("a1".parse().unwrap()).result(0);
            put.run(result.file().write_to(Vec::new())).await.unwrap_err()
        }),
        ("library file that is there already", {
            world.run(client.library().upload("collect.ps1", "other content").send()).await.unwrap_err()
        }),
        ("library file that is too large", {
            world.run(client.library().upload("collect.ps1", vec![0_u8; 21 << 20]).send()).await.unwrap_err()
        }),
    ]
}

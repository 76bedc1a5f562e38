//! People: on their behalf, by a code on another device, in a browser, and by a sign-in that is kept.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use defender_auth::{
    AuthorizationCodeCredential, DeviceCodeCredential, ErrorKind, MemoryTokenStore, OnBehalfOfCredential, RefreshToken,
    RefreshTokenCredential, TokenRequest, TokenStore,
};
use defender_emulator::{Fault, Operation};
use defender_transport::Transport;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::World;

#[tokio::test]
async fn on_behalf_of_a_user() {
    let world = World::new().await;
    let user = world.emulator.user_token().unwrap();
    world.gets_a_token(OnBehalfOfCredential::with_secret(world.secret(), &user)).await;
    world.gets_a_token(OnBehalfOfCredential::with_certificate(world.certificate(true), &user)).await;
    assert_eq!(world.refused(OnBehalfOfCredential::with_secret(world.secret(), "no.user.token")).await, 50_013);
    let (_, of_the_api) = world.gets_a_token(world.secret()).await;
    assert_eq!(world.refused(OnBehalfOfCredential::with_secret(world.secret(), of_the_api.secret())).await, 500_131);
    world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(world.refused(OnBehalfOfCredential::with_secret(world.secret(), &user)).await, 500_133);
}

impl World {
    /// A person who enters the code at once, and agrees or does not.
    fn device(&self, agrees: bool) -> DeviceCodeCredential {
        let (tenant, client) = self.ids();
        let emulator = Arc::clone(&self.emulator);
        DeviceCodeCredential::new(tenant, client, move |prompt| {
            assert!(emulator.enter_device_code(&prompt.user_code, agrees));
        })
    }
}

#[tokio::test]
async fn device_code_brings_refresh_tokens() {
    let world = World::new().await;
    let store = Arc::new(MemoryTokenStore::new());
    let (credential, first) = world.gets_a_token(world.device(true).store(Arc::clone(&store))).await;
    let kept = store.load().await.unwrap().unwrap();
    // A refused token is replaced without the person, and the refresh token with it.
    let second = world.ask(&credential, &TokenRequest::new().rejected_token(first.clone())).await.unwrap();
    assert_ne!(second, first);
    assert_ne!(store.load().await.unwrap().unwrap().secret(), kept.secret());
    world.clock.advance(Duration::from_secs(3_600));
    world.is_taken(&world.ask(&credential, &TokenRequest::new()).await.unwrap()).await;
    assert_eq!(world.refused(world.device(false)).await, 70_018);
}

#[tokio::test]
async fn user_of_any_tenant_signs_in() {
    let world = World::new().await;
    let (_, client) = world.ids();
    let emulator = Arc::clone(&world.emulator);
    world
        .gets_a_token(DeviceCodeCredential::new("organizations", client, move |prompt| {
            assert!(emulator.enter_device_code(&prompt.user_code, true));
        }))
        .await;
}

#[tokio::test]
async fn a_device_code_that_nobody_enters() {
    let world = World::new().await;
    let (tenant, client) = world.ids();
    let credential = world.connect(DeviceCodeCredential::new(tenant, client, |_| {}));
    let error = world.ask(&credential, &TokenRequest::new()).await.unwrap_err();
    assert_eq!(error.kind(), defender_auth::ErrorKind::SignIn);
}

#[tokio::test]
async fn a_sign_in_that_began_elsewhere() {
    let world = World::new().await;
    let store = Arc::new(MemoryTokenStore::new());
    world.gets_a_token(world.device(true).store(Arc::clone(&store))).await;
    let (tenant, client) = world.ids();
    let credential = || RefreshTokenCredential::new(&tenant, &client, Arc::clone(&store));
    world.gets_a_token(credential()).await;
    world.gets_a_token(credential().client_secret(world.emulator.client_secret())).await;
    assert_eq!(world.refused(credential().client_secret("wrong")).await, 7_000_215);
    store.save(&RefreshToken::new("unknown")).await.unwrap();
    assert_eq!(world.refused(credential()).await, 70_000);
}

/// A browser: opens the page over TLS, and then goes where it is sent. `change` may spoil what it is given.
fn browser(world: &World, change: fn(String) -> String) -> AuthorizationCodeCredential {
    let (tenant, client) = world.ids();
    let (transport, runtime) = (world.transport.inner.clone(), tokio::runtime::Handle::current());
    AuthorizationCodeCredential::new(tenant, client, move |url| {
        let (transport, url) = (transport.clone(), change(url.to_owned()));
        runtime.spawn(async move {
            let page = transport.send(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap();
            let Some(location) = page.headers().get("location") else { return };
            let location = location.to_str().unwrap().strip_prefix("http://localhost:").unwrap();
            let (port, query) = location.split_once('/').unwrap();
            let address = (std::net::Ipv4Addr::LOCALHOST, port.parse().unwrap());
            let mut back = tokio::net::TcpStream::connect(address).await.unwrap();
            back.write_all(format!("GET /{query} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
            let mut response = String::new();
            back.read_to_string(&mut response).await.unwrap();
            assert!(response.contains("You are signed in"), "{response}");
        });
        Ok(())
    })
}

#[tokio::test]
async fn a_browser() {
    let world = World::new().await;
    let credential = world.connect(browser(&world, |url| url));
    // Time stands still: the browser is no transport of the world's.
    let token = credential.token(&TokenRequest::new()).await.unwrap();
    world.is_taken(&token).await;

    // A code that was asked for with another challenge is of no use to anybody.
    let spoil = |url: String| {
        let at = url.find("code_challenge=").unwrap() + "code_challenge=".len();
        let flipped = if url[at..].starts_with('A') { 'B' } else { 'A' };
        format!("{}{flipped}{}", &url[..at], &url[at + 1..])
    };
    let credential = world.connect(browser(&world, spoil));
    let error = credential.token(&TokenRequest::new()).await.unwrap_err();
    assert_eq!(error.entra().unwrap().aadsts(), Some(501_481));
}

#[tokio::test]
async fn a_code_is_good_once() {
    let world = World::new().await;
    let credential = world.connect(browser(&world, |url| url));
    credential.token(&TokenRequest::new()).await.unwrap();
    let (_, sent) = world.transport.sent.lock().unwrap().last().cloned().unwrap();
    let again = world.transport.send(sent).await.unwrap().into_body().collect(1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&again).contains("AADSTS54005"), "{again:?}");
}

#[tokio::test]
async fn code_with_lost_response_is_not_resent() {
    let world = World::new().await;
    let credential = world.connect(browser(&world, |url| url));
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Token).times(1);
    let ask = TokenRequest::new();
    // Time stands still while the browser is under way, and moves once the code has been sent.
    let time_passes = async {
        loop {
            tokio::task::yield_now().await;
            let is_idle = world.transport.waiting.load(std::sync::atomic::Ordering::Relaxed) == 0;
            if is_idle && !world.transport.forms().is_empty() {
                world.clock.advance_to_next();
            }
        }
    };
    let error = tokio::select! {
        outcome = credential.token(&ask) => outcome.unwrap_err(),
        () = time_passes => unreachable!(),
    };
    assert_eq!((error.kind(), world.transport.forms().len()), (ErrorKind::Transport, 1));
}

#[tokio::test]
async fn slow_down_delays_device_polling() {
    let world = World::new().await;
    world.transport.is_nosy.store(true, std::sync::atomic::Ordering::Relaxed);
    let (tenant, client) = world.ids();
    let codes = Arc::new(std::sync::Mutex::new(Vec::new()));
    let shown = Arc::clone(&codes);
    let credential = DeviceCodeCredential::new(tenant, client, move |prompt| {
        shown.lock().unwrap().push(prompt.user_code.clone());
    });
    let credential = world.connect(credential);
    let ask = TokenRequest::new();
    let person = async {
        while world.transport.times().len() < 5
            || world.transport.waiting.load(std::sync::atomic::Ordering::Relaxed) > 0
        {
            tokio::task::yield_now().await;
        }
        // Now nobody else looks any more, and the person comes.
        world.transport.is_nosy.store(false, std::sync::atomic::Ordering::Relaxed);
        assert!(world.emulator.enter_device_code(&codes.lock().unwrap()[0], true));
    };
    let (token, ()) = tokio::join!(world.ask(&credential, &ask), person);
    world.is_taken(&token.unwrap()).await;
    let times = world.transport.times();
    // Each of the first looks is told to be 5 s slower.
    assert_eq!(times[..5], [0, 5, 15, 30, 50], "{times:?}");
    assert_eq!(codes.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn revoked_sign_in_restarts_or_fails() {
    let world = World::new().await;
    let store = Arc::new(MemoryTokenStore::new());
    let (credential, first) = world.gets_a_token(world.device(true).store(Arc::clone(&store))).await;
    world.emulator.revoke_sign_ins();
    let (tenant, client) = world.ids();
    assert_eq!(world.refused(RefreshTokenCredential::new(tenant, client, Arc::clone(&store))).await, 50_173);
    let kept = store.load().await.unwrap().unwrap();
    // The person is asked again, and the new sign-in is kept.
    let second = world.ask(&credential, &TokenRequest::new().rejected_token(first)).await.unwrap();
    world.is_taken(&second).await;
    assert_ne!(store.load().await.unwrap().unwrap(), kept);
    world.clock.advance(Duration::from_secs(90 * 24 * 3_600));
    let (tenant, client) = world.ids();
    assert_eq!(world.refused(RefreshTokenCredential::new(tenant, client, store)).await, 700_082);
}

//! Each way to a token, end to end over TLS, against an emulator that checks what Entra checks.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::unreachable,
    clippy::string_slice,
    reason = "a test that cannot set up its world has failed"
)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_auth::{
    AccessToken, AssertionAlgorithm, AuthorizationCodeCredential, ClientCertificateCredential, ClientSecretCredential,
    Cloud, Connect, Context, DeviceCodeCredential, Error, ManagedIdentityCredential, ManagedIdentityId,
    MemoryTokenStore, OnBehalfOfCredential, RefreshToken, RefreshTokenCredential, TokenCredential, TokenRequest,
    TokenStore, WorkloadIdentityCredential,
};
use defender_emulator::Emulator;
use defender_transport::{Body, Error as WireError, HyperTransport, Roots, Transport, testing::ManualClock};
use http::{Request, Response};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The wire, which keeps what was sent and knows whether it waits for an answer.
#[derive(Clone, Debug)]
struct Wire {
    inner: HyperTransport,
    waiting: Arc<AtomicUsize>,
    sent: Arc<Mutex<Vec<Request<Bytes>>>>,
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, WireError> {
        self.sent.lock().unwrap().push(request.clone());
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let answer = async {
            let (head, body) = self.inner.send(request).await?.into_parts();
            Ok(Response::from_parts(head, Body::from(body.collect(1 << 20).await?)))
        };
        let answer = answer.await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        answer
    }
}

struct World {
    emulator: Arc<Emulator>,
    clock: ManualClock,
    wire: Wire,
}

impl World {
    async fn new() -> Self {
        let clock = ManualClock::new();
        let emulator = Emulator::builder().clock(Arc::new(clock.clone())).start().await.unwrap();
        let inner = HyperTransport::builder().roots(Roots::pem(emulator.ca_pem()).unwrap()).build().unwrap();
        let wire = Wire { inner, waiting: Arc::default(), sent: Arc::default() };
        Self { emulator: Arc::new(emulator), clock, wire }
    }

    fn connect(&self, description: impl Connect) -> Arc<dyn TokenCredential> {
        let context = Context::new(Arc::new(self.wire.clone()), Arc::new(self.clock.clone()), Cloud::Public);
        description.connect(&context.authority(self.emulator.authority())).unwrap()
    }

    /// Asks, and moves the clock whenever nobody waits for the network.
    async fn ask(&self, credential: &Arc<dyn TokenCredential>, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let time_passes = async {
            loop {
                if self.wire.waiting.load(Ordering::Relaxed) == 0 {
                    self.clock.advance_to_next();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            outcome = credential.token(ask) => outcome,
            () = time_passes => unreachable!(),
        }
    }

    /// A token that the API takes, for the emulator's own application.
    async fn gets_a_token(&self, description: impl Connect) -> (Arc<dyn TokenCredential>, AccessToken) {
        let credential = self.connect(description);
        let token = self.ask(&credential, &TokenRequest::new()).await.unwrap();
        self.is_taken(&token).await;
        (credential, token)
    }

    async fn is_taken(&self, token: &AccessToken) {
        let claims = token.claims().unwrap();
        assert_eq!(claims.audience.as_deref(), Some(self.emulator.audience()));
        assert_eq!(claims.application.as_deref(), Some(self.emulator.client_id()));
        assert_eq!(claims.tenant.as_deref(), Some(self.emulator.tenant_id()));
        assert!(claims.permits("Machine.Isolate") && claims.expires_on == Some(token.expires_on()));
        let request = Request::get(format!("{}/api/machines", self.emulator.base_url()));
        let request = request.header("authorization", format!("Bearer {}", token.secret())).body(Bytes::new()).unwrap();
        assert_eq!(self.wire.send(request).await.unwrap().status(), 200);
    }

    /// The AADSTS number with which a credential is refused.
    async fn refused(&self, description: impl Connect) -> u32 {
        let credential = self.connect(description);
        let error = self.ask(&credential, &TokenRequest::new()).await.unwrap_err();
        error.entra().and_then(defender_auth::EntraError::aadsts).unwrap_or_else(|| panic!("{error:?}"))
    }

    fn ids(&self) -> (String, String) {
        (self.emulator.tenant_id().to_owned(), self.emulator.client_id().to_owned())
    }

    fn secret(&self) -> ClientSecretCredential {
        let (tenant, client) = self.ids();
        ClientSecretCredential::new(tenant, client, self.emulator.client_secret())
    }

    /// An application's certificate, which the emulator trusts if it is to.
    fn certificate(&self, is_trusted: bool) -> ClientCertificateCredential {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let certificate = CertificateParams::new(vec!["app.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        if is_trusted {
            self.emulator.trust_certificate(certificate.der(), key.der_bytes());
        }
        let (tenant, client) = self.ids();
        ClientCertificateCredential::new(tenant, client, certificate.pem() + &key.serialize_pem())
    }
}

#[tokio::test]
async fn a_secret() {
    let world = World::new().await;
    world.gets_a_token(world.secret()).await;
    let (tenant, client) = world.ids();
    assert_eq!(world.refused(ClientSecretCredential::new(&tenant, &client, "wrong")).await, 7_000_215);
    assert_eq!(world.refused(ClientSecretCredential::new(&tenant, "other", "wrong")).await, 700_016);
}

#[tokio::test]
async fn a_certificate() {
    let world = World::new().await;
    world.gets_a_token(world.certificate(true)).await;
    world.gets_a_token(world.certificate(true).algorithm(AssertionAlgorithm::Rs256).send_chain()).await;
    assert_eq!(world.refused(world.certificate(false)).await, 700_027);
}

#[tokio::test]
async fn an_assertion_is_good_once_and_for_its_time_and_place() {
    let world = World::new().await;
    world.gets_a_token(world.certificate(true)).await;
    let sent = world.wire.sent.lock().unwrap().first().cloned().unwrap();
    let again = world.wire.send(sent.clone()).await.unwrap();
    let body = again.into_body().collect(1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("used before"), "{body:?}");
    world.clock.advance(Duration::from_secs(600));
    let late = world.wire.send(sent).await.unwrap().into_body().collect(1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&late).contains("AADSTS700024"), "{late:?}");
}

#[tokio::test]
async fn a_workload() {
    let world = World::new().await;
    let file = std::env::temp_dir().join(format!("defender-auth-{}", uuid::Uuid::new_v4()));
    let (tenant, client) = world.ids();
    let credential = || WorkloadIdentityCredential::new(&tenant, &client, &file);
    std::fs::write(&file, "of.another.issuer\n").unwrap();
    let refused = world.refused(credential()).await;
    world.emulator.trust_federated_token("of.another.issuer");
    world.gets_a_token(credential()).await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(refused, 700_027);
}

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
async fn a_device_code_and_the_refresh_tokens_after_it() {
    let world = World::new().await;
    let store = Arc::new(MemoryTokenStore::new());
    let (credential, first) = world.gets_a_token(world.device(true).store(Arc::clone(&store))).await;
    let kept = store.load().await.unwrap().unwrap();
    // A refused token is replaced without the person, and the refresh token with it.
    let second = world.ask(&credential, &TokenRequest::new().stale(first.clone())).await.unwrap();
    assert_ne!(second, first);
    assert_ne!(store.load().await.unwrap().unwrap().secret(), kept.secret());
    world.clock.advance(Duration::from_secs(3_600));
    world.is_taken(&world.ask(&credential, &TokenRequest::new()).await.unwrap()).await;
    assert_eq!(world.refused(world.device(false)).await, 70_018);
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
    let (wire, runtime) = (world.wire.inner.clone(), tokio::runtime::Handle::current());
    AuthorizationCodeCredential::new(tenant, client, move |url| {
        let (wire, url) = (wire.clone(), change(url.to_owned()));
        runtime.spawn(async move {
            let page = wire.send(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap();
            let Some(location) = page.headers().get("location") else { return };
            let location = location.to_str().unwrap().strip_prefix("http://localhost:").unwrap();
            let (port, query) = location.split_once('/').unwrap();
            let address = (std::net::Ipv4Addr::LOCALHOST, port.parse().unwrap());
            let mut back = tokio::net::TcpStream::connect(address).await.unwrap();
            back.write_all(format!("GET /{query} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
            let mut answer = String::new();
            back.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains("You are signed in"), "{answer}");
        });
        Ok(())
    })
}

#[tokio::test]
async fn a_browser() {
    let world = World::new().await;
    let credential = world.connect(browser(&world, |url| url));
    // Time stands still: the browser is no wire of the world's.
    let token = credential.token(&TokenRequest::new()).await.unwrap();
    world.is_taken(&token).await;

    // A code that was asked for with another challenge is of no use, whoever has it.
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
    let sent = world.wire.sent.lock().unwrap().last().cloned().unwrap();
    let again = world.wire.send(sent).await.unwrap().into_body().collect(1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&again).contains("AADSTS54005"), "{again:?}");
}

#[tokio::test]
async fn a_managed_identity() {
    let world = World::new().await;
    let here = ManagedIdentityCredential::system_assigned;
    let site = world.emulator.identity_endpoint();
    world.gets_a_token(here().at_imds(world.emulator.base_url())).await;
    world.gets_a_token(here().at_app_service(&site, world.emulator.identity_header())).await;
    let other = ManagedIdentityCredential::user_assigned(ManagedIdentityId::ClientId("other".to_owned()));
    for (credential, words) in [
        (here().at_app_service(&site, "wrong"), "X-IDENTITY-HEADER"),
        (other.clone().at_app_service(&site, world.emulator.identity_header()), "No User Assigned"),
        (other.at_imds(world.emulator.base_url()), "Identity not found"),
    ] {
        let credential = world.connect(credential);
        let error = world.ask(&credential, &TokenRequest::new()).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

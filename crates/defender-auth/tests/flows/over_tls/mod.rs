//! Each way to a token, end to end over TLS (and over plain http to the hosts of managed identities), against an emulator that
//! checks what Entra checks.

mod application;
mod identity;
mod person;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_auth::{
    AccessToken, ClientCertificateCredential, ClientSecretCredential, Cloud, CredentialContext, Error, IntoCredential,
    TokenCredential, TokenRequest,
};
use defender_emulator::{AssertionUse, Emulator};
use defender_transport::{
    Body, Clock, Error as WireError, HyperTransport, PlainHttp, Roots, Transport, testing::ManualClock,
};
use http::{Request, Response};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};

use crate::support::form;

type Sent = Vec<(Duration, Request<Bytes>)>;

/// Transport that records each request with its time, and knows whether it waits for a response.
#[derive(Clone, Debug)]
struct Wire {
    inner: HyperTransport,
    clock: ManualClock,
    waiting: Arc<AtomicUsize>,
    sent: Arc<Mutex<Sent>>,
    /// True if another device polls too, each time that the first one does.
    is_nosy: Arc<AtomicBool>,
}

impl Wire {
    /// Times at which each token was asked for, in seconds.
    fn times(&self) -> Vec<u64> {
        self.sent.lock().unwrap().iter().map(|(when, _)| when.as_secs()).collect()
    }

    /// Forms that were sent to the token endpoint.
    fn forms(&self) -> Vec<std::collections::BTreeMap<String, String>> {
        let sent = self.sent.lock().unwrap();
        sent.iter().filter(|(_, one)| one.uri().path().ends_with("/token")).map(|(_, one)| form(one)).collect()
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Body>, WireError> {
        let (head, body) = self.inner.send(request).await?.into_parts();
        Ok(Response::from_parts(head, Body::from(body.collect(1 << 20).await?)))
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, WireError> {
        self.sent.lock().unwrap().push((self.clock.elapsed(), request.clone()));
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.is_nosy.load(Ordering::Relaxed) && form(&request).contains_key("device_code") {
            let _of_the_other = self.exchange(request.clone()).await;
        }
        let response = self.exchange(request).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        response
    }
}

struct World {
    emulator: Arc<Emulator>,
    clock: ManualClock,
    transport: Wire,
}

impl World {
    async fn new() -> Self {
        let clock = ManualClock::new();
        // As strict as can be: what passes here passes with leeway, too.
        let emulator = Emulator::builder().clock(Arc::new(clock.clone()));
        let emulator =
            emulator.assertion_use(AssertionUse::Once).assertion_leeway(Duration::ZERO).start().await.unwrap();
        let inner = HyperTransport::builder().roots(Roots::pem(emulator.ca_pem()).unwrap());
        let inner = inner.plain_http(PlainHttp::Loopback).build().unwrap();
        let (waiting, sent, is_nosy) = Default::default();
        let transport = Wire { inner, clock: clock.clone(), waiting, sent, is_nosy };
        Self { emulator: Arc::new(emulator), clock, transport }
    }

    fn connect(&self, description: impl IntoCredential) -> Arc<dyn TokenCredential> {
        let context =
            CredentialContext::new(Arc::new(self.transport.clone()), Arc::new(self.clock.clone()), Cloud::Public);
        description.into_credential(&context.authority(self.emulator.authority())).unwrap()
    }

    /// Asks, and moves the clock whenever nobody waits for the network.
    async fn ask(&self, credential: &Arc<dyn TokenCredential>, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let time_passes = async {
            loop {
                if self.transport.waiting.load(Ordering::Relaxed) == 0 {
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
    async fn gets_a_token(&self, description: impl IntoCredential) -> (Arc<dyn TokenCredential>, AccessToken) {
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
        assert!(
            claims.permits("Machine.Isolate")
                && claims.expires_on.map(jiff::Timestamp::as_second) == Some(token.expires_on().as_second())
        );
        let request = Request::get(format!("{}/api/machines", self.emulator.base_url()));
        let request = request.header("authorization", format!("Bearer {}", token.secret())).body(Bytes::new()).unwrap();
        assert_eq!(self.transport.send(request).await.unwrap().status(), 200);
    }

    /// The AADSTS number with which a credential is refused.
    async fn refused(&self, description: impl IntoCredential) -> u32 {
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

//! Drives an emulator over its socket, with the project's own transport and a manual clock.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use defender_emulator::{Emulator, EmulatorBuilder};
use defender_transport::{Error, HyperTransport, Roots, Transport, TransportExt, testing::ManualClock};
use http::{HeaderMap, Request, StatusCode, Version};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// The machine of the documentation's samples.
pub(crate) const MACHINE: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";

/// An emulator, its clock, and a transport to it.
pub(crate) struct Driver {
    pub(crate) emulator: Emulator,
    pub(crate) clock: ManualClock,
    wire: HyperTransport,
}

/// A response, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Driver {
    pub(crate) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(set_up: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Self {
        let clock = ManualClock::new();
        let emulator = set_up(Emulator::builder().clock(Arc::new(clock.clone()))).start().await.unwrap();
        let wire = HyperTransport::builder()
            .roots(Roots::pem(emulator.ca_pem()).unwrap())
            .application("driver/1.0")
            .build()
            .unwrap();
        Self { emulator, clock, wire }
    }

    /// One exchange on a connection of its own.
    pub(crate) async fn try_afresh(&self, request: Request<Bytes>) -> Result<Answer, Error> {
        let roots = Roots::pem(self.emulator.ca_pem()).unwrap();
        let wire = HyperTransport::builder().roots(roots).build().unwrap();
        let (head, body) = wire.send(request).await?.into_parts();
        let body = body.collect(1 << 20).await?;
        Ok(Answer { status: head.status, version: head.version, headers: head.headers, body })
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Answer {
        read(&self.wire, request).await
    }

    /// As [`send`](Self::send), and takes the compression off.
    pub(crate) async fn send_decompressed(&self, request: Request<Bytes>) -> Answer {
        read(&self.wire.clone().decompressed(), request).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.emulator.base_url())
    }

    /// A POST of JSON with a fresh token.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let token = self.token().await;
        self.send(self.request_to_post(path, &token, body)).await
    }

    pub(crate) fn request_to_post(&self, path: &str, token: &str, body: &str) -> Request<Bytes> {
        Request::post(self.url(path))
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json")
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap()
    }

    /// A GET with a fresh token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let token = self.token().await;
        let request = Request::get(self.url(path)).header("Authorization", format!("Bearer {token}"));
        self.send(request.body(Bytes::new()).unwrap()).await
    }

    /// Requests an action on [`MACHINE`], and returns the response's record.
    pub(crate) async fn act(&self, segment: &str, body: &str) -> Value {
        self.act_on(MACHINE, segment, body).await
    }

    pub(crate) async fn act_on(&self, machine: &str, segment: &str, body: &str) -> Value {
        let response = self.post(&format!("/api/machines/{machine}/{segment}"), body).await;
        assert!(response.status.is_success(), "{response:?}");
        response.json()
    }

    /// The action as it now is.
    pub(crate) async fn action(&self, action: &Value) -> Value {
        let response = self.get(&format!("/api/machineactions/{}", action["id"].as_str().unwrap())).await;
        assert_eq!(response.status, 200, "{response:?}");
        response.json()
    }

    /// Lifts the restriction of [`MACHINE`], and returns the response's record.
    pub(crate) async fn unrestrict(&self) -> Value {
        let response = self.post(&unrestrict_path(), r#"{"Comment":"Machine was cleaned"}"#).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.json()
    }

    /// The parameters of a good token request.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", self.emulator.client_id().to_owned()),
            ("client_secret", self.emulator.client_secret().to_owned()),
            ("scope", format!("{}/.default", self.emulator.audience())),
        ]
    }

    pub(crate) async fn ask_for_token(&self, parameters: &[(&str, String)]) -> Answer {
        self.send(self.token_request(self.emulator.tenant_id(), parameters)).await
    }

    pub(crate) fn token_request(&self, tenant: &str, parameters: &[(&str, String)]) -> Request<Bytes> {
        let form: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        Request::post(format!("{}/{tenant}/oauth2/v2.0/token", self.emulator.authority()))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form.join("&")))
            .unwrap()
    }

    pub(crate) async fn token(&self) -> String {
        let response = self.ask_for_token(&self.parameters()).await;
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["access_token"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code in the API's error body, after a look at the rest of it.
    pub(crate) fn code(&self) -> String {
        let body = self.json();
        let error = body["error"].as_object().unwrap();
        assert!(!error["message"].as_str().unwrap().is_empty());
        error["target"].as_str().unwrap().parse::<uuid::Uuid>().unwrap();
        error["code"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn unrestrict_path() -> String {
    format!("/api/machines/{MACHINE}/unrestrictCodeExecution")
}

pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Returns the output of `future`; a test that hangs fails in place of never ending.
pub(crate) async fn ends<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap()
}

/// Returns the claims of a token, read without a check.
pub(crate) fn claims(token: &str) -> Value {
    let middle = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).unwrap()).unwrap()
}

async fn read(wire: &impl Transport, request: Request<Bytes>) -> Answer {
    let (head, body) = wire.send(request).await.unwrap().into_parts();
    let body = body.collect(1 << 24).await.unwrap();
    Answer { status: head.status, version: head.version, headers: head.headers, body }
}

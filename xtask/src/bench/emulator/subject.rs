//! One emulator, served by a thread of its own, and the one connection to it.

use std::sync::mpsc;

use bytes::Bytes;
use defender_emulator::{Emulator, EmulatorBuilder};
use http::{Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Full};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;

use super::super::{
    clients::{Bare, trusting},
    server::{Anything, Server},
};

/// What is asked, again and again.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: &'static str,
}

/// A server and the client that asks it.
#[derive(Clone)]
pub(super) struct Subject {
    client: Bare,
    base_url: String,
    token: String,
}

impl Subject {
    /// An emulator. Its thread stays for as long as the process does.
    pub(super) fn emulator(builder: EmulatorBuilder) -> Result<(Self, Emulator), Anything> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (told, telling) = mpsc::channel();
        std::thread::spawn(move || {
            runtime.block_on(async move {
                // Where nobody waits for it any more, the bench has failed already.
                let _gone = told.send(builder.start().await);
                std::future::pending::<()>().await;
            });
        });
        let emulator = telling.recv()??;
        let client = trusting(CertificateDer::from_pem_slice(emulator.ca_pem().as_bytes())?)?;
        let subject = Self { client, base_url: emulator.base_url().to_owned(), token: String::new() };
        Ok((subject, emulator))
    }

    /// The bare server.
    pub(super) fn fixed(server: &Server) -> Result<Self, Anything> {
        let base_url = format!("https://{}", server.address);
        // As long as a token is, so that what is sent weighs the same.
        Ok(Self { client: trusting(server.ca.clone())?, base_url, token: String::new() })
    }

    pub(super) fn with_token(self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self }
    }

    /// A token of the emulator's.
    pub(super) async fn token(&self, emulator: &Emulator) -> Result<String, Anything> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", emulator.client_id()),
            ("client_secret", emulator.client_secret()),
            ("scope", &format!("{}/.default", emulator.audience())),
        ];
        let encoded = |text: &str| {
            text.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()).map(char::from).collect::<String>()
        };
        let form: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let url = format!("{}/{}/oauth2/v2.0/token", self.base_url, emulator.tenant_id());
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form.join("&")))?;
        let answer = self.client.request(request).await?.into_body().collect().await?.to_bytes();
        let answer: Value = serde_json::from_slice(&answer)?;
        let token = answer.get("access_token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| format!("no token: {answer}").into())
    }

    /// One exchange, read whole.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Response<Bytes>, Anything> {
        let request = Request::builder()
            .method(ask.method.clone())
            .uri(format!("{}{}", self.base_url, ask.path))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(ask.body))?;
        let (head, body) = self.client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.version != Version::HTTP_2 || !is_well(head.status) {
            let said: String = String::from_utf8_lossy(&body).chars().take(200).collect();
            return Err(format!("{:?} {} to {}: {said}", head.version, head.status, ask.path).into());
        }
        Ok(Response::from_parts(head, body))
    }
}

fn is_well(status: StatusCode) -> bool {
    status.is_success()
}

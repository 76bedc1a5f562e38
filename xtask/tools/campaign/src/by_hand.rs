//! Requests by hand, beside the client: of another actor in the tenant, and of the driver that reads the state at the
//! end.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{Clock, Transport, TransportExt};
use futures_util::future::{Either, select};
use http::{Method, Request, header};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{evidence::Record, service::Service};

/// Speaks to the emulator by hand, with nothing of the client in between.
#[derive(Debug)]
pub(crate) struct ByHand {
    wire: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    /// Time limit of a response.
    patience: Duration,
    base_url: String,
    /// URL and form of a request for a token.
    token_url: String,
    token_body: String,
    sent: AtomicU64,
}

/// Attempts of a read: reads by hand meet the same faults as the client's.
const TRIES: u32 = 200;

impl ByHand {
    pub(crate) fn new(
        service: &Service,
        wire: impl Transport + 'static,
        clock: impl Clock + 'static,
        patience: Duration,
    ) -> Self {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let Service { base_url, authority, audience, tenant_id, client_id, client_secret, .. } = service;
        Self {
            wire: wire.decompressed().shared(),
            clock: Arc::new(clock),
            patience,
            base_url: base_url.clone(),
            token_url: format!("{authority}/{tenant_id}/oauth2/v2.0/token"),
            token_body: format!(
                "grant_type=client_credentials&client_id={client_id}&client_secret={}&scope={}",
                encoded(client_secret),
                encoded(&format!("{audience}/.default")),
            ),
            sent: AtomicU64::new(0),
        }
    }

    /// Requests an action once, and ignores the outcome.
    pub(crate) async fn post(&self, path: &str, body: &Value) {
        if let Some(token) = self.token().await {
            let request = self.request(Method::POST, &format!("{}{path}", self.base_url), Some(&token));
            let json = request.header(header::CONTENT_TYPE, "application/json").body(Bytes::from(body.to_string()));
            if let Ok(request) = json {
                self.answer(request).await;
            }
        }
    }

    /// Calls a control endpoint of the emulator until it responds, and returns the response.
    pub(crate) async fn control(&self, method: Method, what: &str, body: &Value) -> Option<Value> {
        for _ in 0..TRIES {
            let request = self.request(method.clone(), &format!("{}/emulator/{what}", self.base_url), None);
            let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
            let request = request.header(header::CONTENT_TYPE, "application/json").body(body).ok()?;
            if let Some((200..300, body)) = self.answer(request).await
                && let Ok(answer) = serde_json::from_slice(if body.is_empty() { b"null" } else { &body })
            {
                return Some(answer);
            }
            self.clock.sleep(self.patience).await;
        }
        None
    }

    /// Every action that the emulator has, with its state; `None` where it cannot be read, which the driver takes for a failure of
    /// its own. A list with a page that says nothing, or that leads back, is read anew.
    pub(crate) async fn records(&self, start: Timestamp) -> Option<Vec<Record>> {
        for _ in 0..TRIES {
            if let Some(records) = self.list(start).await {
                return Some(records);
            }
            self.clock.sleep(self.patience).await;
        }
        None
    }

    async fn list(&self, start: Timestamp) -> Option<Vec<Record>> {
        let mut records = Vec::new();
        let mut read = HashSet::new();
        let mut next = Some(format!("{}/api/machineactions", self.base_url));
        while let Some(url) = next {
            let page = self.read(&url).await?;
            for row in page.get("value")?.as_array()? {
                records.push(Record::read(row, start)?);
            }
            next = page.get("@odata.nextLink").and_then(Value::as_str).map(str::to_owned);
            if !read.insert(url) {
                return None;
            }
        }
        Some(records)
    }

    async fn read(&self, url: &str) -> Option<Value> {
        let token = self.token().await?;
        let request = self.request(Method::GET, url, Some(&token)).body(Bytes::new()).ok()?;
        match self.answer(request).await {
            Some((200, body)) => serde_json::from_slice(&body).ok(),
            _ => None,
        }
    }

    async fn token(&self) -> Option<String> {
        for _ in 0..TRIES {
            let request = self.request(Method::POST, &self.token_url, None);
            let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            let request = request.body(Bytes::from(self.token_body.clone())).ok()?;
            if let Some((200, body)) = self.answer(request).await
                && let Ok(answer) = serde_json::from_slice::<Value>(&body)
                && let Some(token) = answer.get("access_token").and_then(Value::as_str)
            {
                return Some(token.to_owned());
            }
            self.clock.sleep(Duration::from_secs(1)).await;
        }
        None
    }

    fn request(&self, method: Method, url: &str, token: Option<&str>) -> http::request::Builder {
        let id = format!("rival{}.1", self.sent.fetch_add(1, Ordering::Relaxed));
        let request = Request::builder().method(method).uri(url).header("client-request-id", id);
        match token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// Status and body, if both come in time.
    async fn answer(&self, request: Request<Bytes>) -> Option<(u16, Bytes)> {
        let exchange = pin!(async {
            let answer = self.wire.send(request).await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.into_body().collect(64 << 20).await.ok()?))
        });
        match select(exchange, self.clock.sleep(self.patience)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => None,
        }
    }
}

//! Who acts beside the client, by hand: another actor of the same tenant, and the one who looks at the end at what is so.

use std::{
    collections::HashSet,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use defender_emulator::InProcess;
use defender_transport::{Clock, Transport, testing::ManualClock};
use futures_util::future::{Either, select};
use http::{Method, Request, header};
use serde_json::Value;

use super::evidence::Record;

/// Speaks to the emulator by hand, with nothing of the client in between.
#[derive(Debug)]
pub(crate) struct Rival {
    wire: InProcess,
    clock: ManualClock,
    base_url: String,
    /// Where and with which words a token is asked for.
    token_url: String,
    token_body: String,
    sent: AtomicU64,
}

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a read is tried: whoever looks at the end meets the same faults as everybody.
const TRIES: u32 = 200;

impl Rival {
    pub(crate) fn new(emulator: &defender_emulator::Emulator, clock: ManualClock) -> Self {
        let encoded = |text: &str| text.replace('%', "%25").replace('+', "%2B").replace('~', "%7E");
        Self {
            wire: emulator.transport(),
            clock,
            base_url: emulator.base_url().to_owned(),
            token_url: format!("{}/{}/oauth2/v2.0/token", emulator.authority(), emulator.tenant_id()),
            token_body: format!(
                "grant_type=client_credentials&client_id={}&client_secret={}&scope={}/.default",
                emulator.client_id(),
                encoded(emulator.client_secret()),
                emulator.audience(),
            ),
            sent: AtomicU64::new(0),
        }
    }

    /// Asks for an action once, whatever comes of it.
    pub(crate) async fn post(&self, path: &str, body: &Value) {
        if let Some(token) = self.token().await {
            let request = self.request(Method::POST, &format!("{}{path}", self.base_url), Some(&token));
            let json = request.header(header::CONTENT_TYPE, "application/json").body(Bytes::from(body.to_string()));
            if let Ok(request) = json {
                self.answer(request).await;
            }
        }
    }

    /// Tells the emulator how to behave from now on, until it has heard.
    pub(crate) async fn tell_behaviors(&self, behaviors: &Value) {
        for _ in 0..TRIES {
            let request = self.request(Method::POST, &format!("{}/emulator/behaviors", self.base_url), None);
            let json =
                request.header(header::CONTENT_TYPE, "application/json").body(Bytes::from(behaviors.to_string()));
            let Ok(request) = json else { return };
            if let Some((200, _)) = self.answer(request).await {
                return;
            }
            self.clock.sleep(PATIENCE).await;
        }
    }

    /// Every action that the emulator has, with its state; `None` where it cannot be read, which the driver takes for a failure of
    /// its own. A list with a page that says nothing, or that leads back, is read anew.
    pub(crate) async fn records(&self, start: jiff::Timestamp) -> Option<Vec<Record>> {
        for _ in 0..TRIES {
            if let Some(records) = self.list(start).await {
                return Some(records);
            }
            self.clock.sleep(PATIENCE).await;
        }
        None
    }

    async fn list(&self, start: jiff::Timestamp) -> Option<Vec<Record>> {
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

    /// Status and body, if both come in time; what is compressed is unpacked.
    async fn answer(&self, request: Request<Bytes>) -> Option<(u16, Bytes)> {
        use defender_transport::TransportExt;
        let wire = self.wire.clone().decompressed();
        let exchange = pin!(async {
            let answer = wire.send(request).await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.into_body().collect(64 << 20).await.ok()?))
        });
        match select(exchange, self.clock.sleep(PATIENCE)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => None,
        }
    }
}

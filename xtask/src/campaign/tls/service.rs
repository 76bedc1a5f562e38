//! What the supervisor tells the emulator, and asks of it: by itself, without the client that is judged.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use defender_emulator::FastClock;
use defender_transport::{Clock, HyperTransport, Retry, Roots, Transport, TransportExt};
use http::{Method, Request, StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{gather::Clocks, order::Service};
use crate::{
    Failure,
    campaign::evidence::{LedgerEntry, Record},
};

/// What its own requests are called, so that they are not counted as the client's.
pub(super) const NAME: &str = "supervisor.1";

/// How often it tries what a fault spoils.
const TRIES: u32 = 100;

/// As long as a new action may be hidden at most.
const LAG: Duration = Duration::from_secs(61);

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::broken("asking the emulator", error)
}

/// A way to the emulator.
#[derive(Debug)]
pub(super) struct Asking<'s> {
    service: &'s Service,
    wire: Arc<dyn Transport>,
    clock: FastClock,
}

/// All that it knows at the end.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) clocks: Clocks,
    pub(super) ledger: Vec<LedgerEntry>,
    pub(super) records: Vec<Record>,
}

impl<'s> Asking<'s> {
    pub(super) fn of(service: &'s Service, clock: FastClock) -> Result<Self, Failure> {
        let pem = std::fs::read(Path::new(&service.ca_file)).map_err(broken)?;
        let wire = HyperTransport::builder().roots(Roots::pem(pem).map_err(broken)?).build().map_err(broken)?;
        let wire = wire.decompressed().deadline(clock.clone()).buffered().retrying(clock.clone());
        let wire = wire.policy(Retry::default().attempts(TRIES).total(Duration::MAX).no_reauth()).shared();
        Ok(Self { service, wire, clock })
    }

    /// Has some actions end badly: those on two machines, and a few wherever they are.
    pub(super) async fn tell_outcomes(&self) -> Result<(), Failure> {
        let machine = |number: usize| self.service.machine_ids.get(number);
        for outcome in [
            json!({"outcome": "Failed", "errorHResult": -2_147_024_891, "machineId": machine(3)}),
            json!({"outcome": "Cancelled", "machineId": machine(4)}),
            json!({"outcome": "Failed", "type": "RunAntiVirusScan", "times": 3}),
        ] {
            self.control(Method::POST, "outcomes", &outcome).await?;
        }
        Ok(())
    }

    /// Asks for everything, once nothing is hidden any more.
    pub(super) async fn everything(&self) -> Result<Known, Failure> {
        let clocks = self.clocks().await?;
        let ledger = self.control(Method::GET, "ledger", &Value::Null).await?;
        let entries = ledger.get("entries").cloned().unwrap_or_default();
        let ledger = serde_json::from_value(entries).map_err(broken)?;
        self.clock.sleep(LAG).await;
        // However rows were written before, the judge reads what is in them.
        self.control(Method::POST, "behaviors", &json!({"rows": "readable"})).await?;
        Ok(Known { clocks, ledger, records: self.records(clocks.start).await? })
    }

    /// How its clock compares with ours: it shows some time between the departure of a question and the coming of its answer, so that
    /// each says between what bounds it is, and the fastest says it best.
    pub(super) async fn clocks(&self) -> Result<Clocks, Failure> {
        let mut clocks: Option<Clocks> = None;
        for _ in 0..30 {
            let before = self.clock.now();
            let told = self.control(Method::GET, "clock", &Value::Null).await?;
            let after = self.clock.now();
            let now: Option<Timestamp> = told.get("now").and_then(Value::as_str).and_then(|now| now.parse().ok());
            let gone = told.get("elapsedSeconds").and_then(Value::as_f64).map(Duration::from_secs_f64);
            let Some((now, start)) = now.zip(gone).and_then(|(now, gone)| Some((now, now.checked_sub(gone).ok()?)))
            else {
                return Err(broken("it does not tell the time"));
            };
            let (least, most) = (before.duration_since(now), after.duration_since(now));
            clocks = Some(match clocks {
                None => Clocks { start, least, most },
                Some(known) => Clocks { least: known.least.max(least), most: known.most.min(most), ..known },
            });
        }
        clocks.ok_or_else(|| broken("it does not tell the time"))
    }

    /// Every action as it is now.
    async fn records(&self, start: Timestamp) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        let mut next = Some("/api/machineactions".to_owned());
        while let Some(path) = next {
            let page = self.listed(&path).await?;
            let rows = page.get("value").and_then(Value::as_array);
            records.extend(rows.into_iter().flatten().filter_map(|row| Record::read(row, start)));
            let link = page.get("@odata.nextLink").and_then(Value::as_str);
            let link: Option<Uri> = link.and_then(|link| link.parse().ok());
            next = link.and_then(|link| link.path_and_query().map(ToString::to_string));
        }
        Ok(records)
    }

    /// A page of the list. A token may have ended by now, and the emulator also says so of one that is good, and
    /// of a good secret: each try has a new one.
    async fn listed(&self, path: &str) -> Result<Value, Failure> {
        let mut tries = 0;
        loop {
            match self.listed_once(path).await {
                Err(_) if tries < TRIES => tries += 1,
                page => return page,
            }
        }
    }

    async fn listed_once(&self, path: &str) -> Result<Value, Failure> {
        let bearer = format!("Bearer {}", self.token().await?);
        let request = Request::get(format!("{}{path}", self.service.base_url)).header("authorization", bearer);
        self.page(request.body(Bytes::new()).map_err(broken)?).await
    }

    async fn token(&self) -> Result<String, Failure> {
        let Service { base_url, tenant_id, client_id, client_secret, audience, .. } = self.service;
        let encoded =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let form = format!(
            "grant_type=client_credentials&client_id={client_id}&client_secret={}&scope={}",
            encoded(client_secret),
            encoded(&format!("{audience}/.default"))
        );
        let request = Request::post(format!("{base_url}/{tenant_id}/oauth2/v2.0/token"))
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = self.page(request.body(Bytes::from(form)).map_err(broken)?).await?;
        let token = answer.get("access_token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| broken("it gives no token"))
    }

    async fn control(&self, method: Method, what: &str, body: &Value) -> Result<Value, Failure> {
        let url = format!("{}/emulator/{what}", self.service.base_url);
        let request = Request::builder().method(method).uri(url).header("content-type", "application/json");
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.page(request.body(body).map_err(broken)?).await
    }

    /// The JSON of an answer that is a good one. Whatever is spoilt on the way is asked for again: the emulator spoils these, too.
    async fn page(&self, mut request: Request<Bytes>) -> Result<Value, Failure> {
        request.headers_mut().insert("client-request-id", http::HeaderValue::from_static(NAME));
        request.extensions_mut().insert(defender_transport::extensions::Idempotency::Idempotent);
        let mut last = String::new();
        for _ in 0..TRIES {
            match self.wire.send(request.clone()).await {
                Ok(answer) if answer.status().is_success() => {
                    let body = answer.into_body().collect(64 << 20).await.map_err(broken)?;
                    match serde_json::from_slice(&body) {
                        Ok(page) => return Ok(page),
                        Err(error) => last = error.to_string(),
                    }
                }
                // Of no use to be said again.
                Ok(answer) if matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) => {
                    return Err(broken(answer.status()));
                }
                Ok(answer) => last = answer.status().to_string(),
                Err(error) => last = error.to_string(),
            }
            self.clock.sleep(Duration::from_secs(2)).await;
        }
        Err(broken(last))
    }
}

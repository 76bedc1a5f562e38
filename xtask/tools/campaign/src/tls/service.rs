//! Requests to the emulator by hand, of the supervisor and of each worker, without the client that is judged.

use std::{path::Path, time::Duration};

use defender_emulator::FastClock;
use defender_transport::{Clock, HyperTransport, Roots};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use xtask::Failure;

use super::clocks::Clocks;
use crate::{
    by_hand::ByHand,
    evidence::{LedgerEntry, Record},
    service::Service,
};

/// Time limit of a response: less than a second of the machine's time.
const PATIENCE: Duration = Duration::from_secs(120);

/// As long as a new action may be hidden at most.
const LAG: Duration = Duration::from_secs(61);

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::broken("asking the emulator", error)
}

/// The shipped transport as it ships, but for whom it trusts. The times of hyper itself, which are those of unused connections and of
/// signs of life, go by the machine's clock, and so does that of connecting.
pub(super) fn wire(ca_file: &Path) -> Result<HyperTransport, Failure> {
    let pem = std::fs::read(ca_file).map_err(broken)?;
    HyperTransport::builder().roots(Roots::pem(pem).map_err(broken)?).build().map_err(broken)
}

/// A way to the emulator.
#[derive(Debug)]
pub(super) struct Asking<'s> {
    service: &'s Service,
    hand: ByHand,
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
        Ok(Self { service, hand: ByHand::new(service, wire(&service.ca_file)?, clock.clone(), PATIENCE), clock })
    }

    async fn control(&self, method: Method, what: &str, body: &Value) -> Result<Value, Failure> {
        self.hand.control(method, what, body).await.ok_or_else(|| broken(format!("it does not answer `{what}`")))
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
        let ledger = serde_json::from_value(ledger.get("entries").cloned().unwrap_or_default()).map_err(broken)?;
        self.clock.sleep(LAG).await;
        // However rows were written before, the judge reads what is in them.
        self.control(Method::POST, "behaviors", &json!({"rows": "readable"})).await?;
        let records = self.hand.records(clocks.start).await.ok_or_else(|| broken("its actions cannot be read"))?;
        Ok(Known { clocks, ledger, records })
    }

    /// Compares its clock with ours: it shows a time between the sending of a request and the arrival of its response.
    /// Each request gives bounds, and the fastest gives the closest.
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
}

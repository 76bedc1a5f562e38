//! What a test in another language tells the emulator, and asks of it: `/emulator/..`, on the same loopback address.
//!
//! It is not the service's, so that no fault and no quota touches it, and the ledger and the log do not know of it.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
};
use http::{Method, Request, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Outcome, behaviors::BehaviorOrder, fault_order::FaultOrder, ledger::Effect, ledger::Entry, odata::pairs,
    request_body::is_json, service::Service,
};

const LARGEST_BODY: usize = 1 << 20;

/// What is wrong with an order.
struct Refused(StatusCode, String);

type Told = Result<(StatusCode, Value), Refused>;

/// Whether the path is one of these, and the emulator listens to them.
pub(crate) fn is_control(service: &Service, path: &str) -> bool {
    service.settings.is_told && path.starts_with("/emulator/")
}

/// Answers it.
pub(crate) async fn answer(service: &Service, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let segments: Vec<&str> = head.uri.path().split('/').skip(2).collect();
    let told = match (&head.method, segments.as_slice()) {
        // A page in a browser cannot send this type unasked, and so cannot tell the emulator anything.
        (&Method::POST, _) if !is_json(&head.headers) => {
            Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json".to_owned()))
        }
        (&Method::GET, ["ledger"]) => Ok(ledger(service, head.uri.query().unwrap_or_default())),
        (&Method::POST, ["faults"]) => read::<FaultOrder>(&body).and_then(|order| fault(service, &order)),
        (&Method::DELETE, ["faults"]) => {
            service.faults.stop();
            Ok((StatusCode::OK, json!({})))
        }
        (&Method::POST, ["behaviors"]) => read(&body).and_then(|order| behave(service, &order)),
        (&Method::DELETE, ["behaviors"]) => {
            service.behave(service.settings.behaviors);
            Ok((StatusCode::OK, json!({})))
        }
        (&Method::POST, ["outcomes"]) => read(&body).and_then(|order| outcome(service, order)),
        (&Method::GET, ["machines", id]) => machine(service, id),
        (&Method::POST, ["machines", id]) => read(&body).and_then(|order: Presence| presence(service, id, &order)),
        (&Method::GET, ["clock"]) => Ok(clock(service)),
        (&Method::POST, ["clock"]) => read(&body).and_then(|order: Advance| advance(service, &order)),
        _ => Err(Refused(StatusCode::NOT_FOUND, format!("there is no {} {}", head.method, head.uri.path()))),
    };
    let (status, body) = told.unwrap_or_else(|Refused(status, why)| (status, json!({ "error": why })));
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| bad(error.to_string()))
}

fn bad(why: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, why.into())
}

fn ledger(service: &Service, query: &str) -> (StatusCode, Value) {
    let from = pairs(query).find(|(name, _)| name == "from").and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let entries: Vec<_> = service.ledger.entries_from(from).iter().map(Entry::to_json).collect();
    let next = from.saturating_add(entries.len());
    (StatusCode::OK, json!({ "entries": entries, "next": next }))
}

impl Entry {
    fn to_json(&self) -> Value {
        let (kind, action) = match &self.effect {
            Effect::None => ("None", None),
            Effect::Created(id) => ("Created", Some(id)),
            Effect::Joined(id) => ("Joined", Some(id)),
            Effect::Cancelled(id) => ("Cancelled", Some(id)),
            Effect::Changed => ("Changed", None),
        };
        json!({
            "method": self.method,
            "path": self.path,
            "authorizationPresent": self.authorization_present,
            "contentType": self.content_type,
            "userAgent": self.user_agent,
            "clientRequestId": self.client_request_id,
            "body": self.body,
            "status": self.status,
            "effect": kind,
            "actionId": action,
        })
    }
}

fn fault(service: &Service, order: &FaultOrder) -> Told {
    let (fault, operation) = order.read().map_err(bad)?;
    let rule = service.faults.add(fault);
    let rule = if let Some(operation) = operation { rule.on(operation) } else { rule };
    if let Some(times) = order.times {
        rule.times(times);
    }
    Ok((StatusCode::CREATED, json!({})))
}

fn behave(service: &Service, order: &BehaviorOrder) -> Told {
    service.behave(order.applied(service.behaviors()).map_err(bad)?);
    Ok((StatusCode::OK, json!({})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OutcomeOrder {
    outcome: String,
    #[serde(rename = "errorHResult")]
    error_hresult: Option<i32>,
    machine_id: Option<String>,
    #[serde(rename = "type")]
    word: Option<String>,
    times: Option<u32>,
}

fn outcome(service: &Service, order: OutcomeOrder) -> Told {
    let outcome = match order.outcome.as_str() {
        "Succeeded" => Outcome::Succeeded,
        "Failed" => Outcome::Failed { error_hresult: order.error_hresult.unwrap_or(-1) },
        "TimeOut" => Outcome::TimedOut,
        "Cancelled" => Outcome::Cancelled,
        other => return Err(bad(format!("outcome is Succeeded, Failed, TimeOut or Cancelled, and not {other}"))),
    };
    let mut rule = service.outcomes.add(outcome);
    if let Some(id) = order.machine_id {
        rule = rule.on_machine(id);
    }
    if let Some(word) = order.word {
        rule = rule.of_type(word);
    }
    if let Some(times) = order.times {
        rule.times(times);
    }
    Ok((StatusCode::CREATED, json!({})))
}

fn machine(service: &Service, id: &str) -> Told {
    let state = service.machine_state(id);
    let state = state.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("there is no machine {id}")))?;
    let body = json!({
        "restricted": state.restricted,
        "isolation": state.isolation,
        "onboarded": state.onboarded,
        "online": state.online,
    });
    Ok((StatusCode::OK, body))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Presence {
    online: bool,
}

fn presence(service: &Service, id: &str, order: &Presence) -> Told {
    service.set_online(id, order.online);
    machine(service, id)
}

fn clock(service: &Service) -> (StatusCode, Value) {
    let (now, elapsed) = (service.clock.now(), service.clock.elapsed());
    (StatusCode::OK, json!({ "now": now.to_string(), "elapsedSeconds": elapsed.as_secs_f64() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Advance {
    advance_seconds: f64,
}

fn advance(service: &Service, order: &Advance) -> Told {
    let Some(hands) = &service.settings.hands else {
        let why = "the clock is the machine's own: start with --manual-clock to turn it";
        return Err(Refused(StatusCode::CONFLICT, why.to_owned()));
    };
    let by = Duration::try_from_secs_f64(order.advance_seconds)
        .map_err(|_| bad("advanceSeconds is a number of seconds that is not negative"))?;
    hands.advance(by);
    Ok(clock(service))
}

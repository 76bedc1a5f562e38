//! Responses about the emulator itself.

use http::StatusCode;
use serde_json::{Value, json};

use super::refusal::{Refused, Reply, bad};
use crate::{
    odata::pairs,
    service::Service,
    store::ledger::{Effect, Entry},
};

fn from(query: &str) -> Result<usize, Refused> {
    let from = pairs(query).find(|(name, _)| name == "from").map(|(_, value)| value);
    let from = from.map_or(Ok(0), |from| from.parse().map_err(|_| from));
    from.map_err(|from| bad(format!("from is the number of an entry, such as 0, and not {from}")))
}

pub(super) fn ledger(service: &Service, query: &str) -> Reply {
    let from = from(query)?;
    let entries: Vec<_> = service.ledger.entries_from(from).iter().map(Entry::to_json).collect();
    let next = from.saturating_add(entries.len());
    Ok((StatusCode::OK, json!({ "entries": entries, "next": next })))
}

/// The requests, GETs too, from the Nth on, as far as they are kept.
pub(super) fn log(service: &Service, query: &str) -> Reply {
    let (first, entries) = service.requests.from(from(query)?);
    let next = first.saturating_add(entries.len());
    Ok((StatusCode::OK, json!({ "entries": entries, "next": next })))
}

pub(super) fn health(service: &Service) -> (StatusCode, Value) {
    let world = service.world();
    let body = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "now": service.clock.now().to_string(),
        "machines": world.machines.all().len(),
        "actions": world.actions.len(),
    });
    (StatusCode::OK, body)
}

pub(super) fn machine(service: &Service, id: &str) -> Option<Value> {
    let state = service.machine_state(id)?;
    Some(json!({
        "restricted": state.restricted,
        "isolation": state.isolation,
        "onboarded": state.onboarded,
        "online": state.online,
    }))
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

//! Faults and outcomes, as they are ordered.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::refusal::{Reply, bad};
use crate::{Outcome, faults::json::FaultOrder, service::Service, store::action_kind::ActionKind};

pub(super) fn fault(service: &Service, order: &FaultOrder) -> Reply {
    let (fault, operation) = order.read().map_err(bad)?;
    known(service, order.machine_id.as_deref())?;
    at_least_once(order.times)?;
    let mut rule = service.faults.add(fault);
    if let Some(operation) = operation {
        rule = rule.on(operation);
    }
    if let Some(machine) = &order.machine_id {
        rule = rule.on_machine(machine);
    }
    if let Some(times) = order.times {
        rule.times(times);
    }
    Ok((StatusCode::CREATED, json!({})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OutcomeOrder {
    outcome: String,
    #[serde(rename = "errorHResult")]
    error_hresult: Option<i32>,
    machine_id: Option<String>,
    #[serde(rename = "type")]
    type_name: Option<String>,
    times: Option<u32>,
}

pub(super) fn outcome(service: &Service, order: OutcomeOrder) -> Reply {
    let outcome = match order.outcome.as_str() {
        "Succeeded" => Outcome::Succeeded,
        "Failed" => Outcome::Failed { error_hresult: order.error_hresult.unwrap_or(-1) },
        "TimeOut" => Outcome::TimedOut,
        "Cancelled" => Outcome::Cancelled,
        other => return Err(bad(format!("outcome is Succeeded, Failed, TimeOut or Cancelled, and not {other}"))),
    };
    known(service, order.machine_id.as_deref())?;
    at_least_once(order.times)?;
    if let Some(type_name) = &order.type_name
        && !ActionKind::ALL.iter().any(|kind| kind.type_name == type_name)
    {
        let known: Vec<_> = ActionKind::ALL.iter().map(|kind| kind.type_name).collect();
        return Err(bad(format!("unknown type {type_name}; expected one of {}", known.join(", "))));
    }
    let mut rule = service.outcomes.add(outcome);
    if let Some(id) = order.machine_id {
        rule = rule.on_machine(id);
    }
    if let Some(type_name) = order.type_name {
        rule = rule.of_type(type_name);
    }
    if let Some(times) = order.times {
        rule.times(times);
    }
    Ok((StatusCode::CREATED, json!({})))
}

/// An order for no time at all would never be met either.
fn at_least_once(times: Option<u32>) -> Result<(), super::refusal::Refused> {
    if times == Some(0) { Err(bad("times is 1 or more")) } else { Ok(()) }
}

/// A machine that is not there would never be met.
fn known(service: &Service, machine: Option<&str>) -> Result<(), super::refusal::Refused> {
    match machine.filter(|id| service.world().machines.find(id).is_none()) {
        Some(id) => Err(bad(format!("unknown machine {id}"))),
        None => Ok(()),
    }
}

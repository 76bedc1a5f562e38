//! Automated investigations, which the service has taken away.

use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::{
    http::{body::Fields, problem::Problem, response::Answer, route::Call},
    service::Service,
    store::ledger::Effect,
    wire_format::json_style::date,
};

/// Whether an investigation can be started by `POST /api/machines/{id}/startInvestigation`.
///
/// As of 1 September 2026 it cannot, by the note on its page
/// (<https://learn.microsoft.com/defender-endpoint/api/initiate-autoir-investigation>). How the service answers since then is
/// not written there; here it is the 404 of a path that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Investigations {
    /// It cannot. The default.
    #[default]
    Retired,
    /// It can, as before: a 201 with an investigation, which is no machine action.
    Available,
}

/// Answers a POST that starts one.
pub(crate) fn start(
    service: &Service,
    call: &Call,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Answer, Problem> {
    if service.settings.investigations == Investigations::Retired {
        return Err(Problem::nowhere(path));
    }
    Fields::read(headers, body, &["Comment", "ExternalId"])?.required("Comment")?;
    let mut world = service.world();
    world.investigations = world.investigations.saturating_add(1);
    let number = world.investigations;
    let (_, machine) = world.machines.find(&call.id).ok_or_else(|| Problem::no_such("Machine", &call.id))?;
    let body = json!({
        "@odata.context": format!("{}/api/$metadata#Investigations/$entity", service.base_url),
        "id": number.to_string(),
        "startTime": date(service.clock.now(), 7),
        "endTime": null,
        "state": "Running",
        "cancelledBy": null,
        "statusDetails": null,
        "machineId": *machine.id,
        "computerDnsName": machine.record.computer_dns_name,
        "triggeringAlertId": format!("da{number}_1"),
    });
    Ok(Answer::entity(StatusCode::CREATED, &body).with(Effect::Changed))
}

//! Automated investigations, which the service has taken away.

use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::{
    http::{body::Fields, problem::Problem, response::ApiResponse, route::Call},
    service::Service,
    settings::Investigations,
    store::ledger::Effect,
    wire_format::json_style::date,
};

/// Handles a POST that starts one.
pub(crate) fn start(
    service: &Service,
    call: &Call,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<ApiResponse, Problem> {
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
    Ok(ApiResponse::entity(StatusCode::CREATED, &body).with(Effect::Changed))
}

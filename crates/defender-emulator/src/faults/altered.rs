//! Responses with another record than the requested one, and lists that lead in a circle.

use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use http::{Uri, header::CONTENT_LENGTH};
use serde_json::{Map, Value};

use crate::{faults::kind::Fault, odata::pairs, service::Service};

/// The response with what `fault` makes of its JSON.
pub(crate) async fn altered(service: &Service, fault: Option<Fault>, uri: &Uri, response: Response) -> Response {
    let Some(fault) = fault.filter(|fault| fault.alters() && response.status().is_success()) else { return response };
    let (mut head, body) = response.into_parts();
    // The body was made here in one piece, so that reading it cannot fail.
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Ok(Value::Object(mut object)) = serde_json::from_slice(&whole) else {
        return Response::from_parts(head, Body::from(whole));
    };
    head.headers.remove(CONTENT_LENGTH);
    match fault {
        Fault::CircularLinks | Fault::RepeatedPage => lead(service, fault, uri, &mut object),
        _ => match object.get_mut("value") {
            Some(Value::Array(rows)) => {
                rows.iter_mut().filter_map(Value::as_object_mut).for_each(|row| change(service, fault, row));
            }
            _ => change(service, fault, &mut object),
        },
    }
    Response::from_parts(head, Body::from(Value::Object(object).to_string()))
}

/// Makes the record another's.
fn change(service: &Service, fault: Fault, record: &mut Map<String, Value>) {
    let is_action = record.contains_key("machineId");
    match fault {
        Fault::OtherMachine => {
            let name = if is_action { "machineId" } else { "id" };
            let other = other_machine(service, record.get(name).and_then(Value::as_str).unwrap_or_default());
            record.insert(name.to_owned(), other.into());
        }
        Fault::OtherType if is_action => {
            let name = record.get("type").and_then(Value::as_str).unwrap_or_default();
            let other = if name == "CollectInvestigationPackage" { "Offboard" } else { "CollectInvestigationPackage" };
            record.insert("type".to_owned(), other.into());
        }
        Fault::OtherRecord if is_action => {
            record.insert("id".to_owned(), service.new_id().to_string().into());
        }
        _ => {}
    }
}

fn other_machine(service: &Service, id: &str) -> String {
    let world = service.world();
    let other = world.machines.all().iter().find(|machine| &*machine.id != id);
    other.map_or_else(|| "f".repeat(40), |machine| machine.id.to_string())
}

/// Adds a next link to the page that leads back, or on for ever.
fn lead(service: &Service, fault: Fault, uri: &Uri, page: &mut Map<String, Value>) {
    let Some(rows) = page.get("value").and_then(Value::as_array).map(Vec::len) else { return };
    let wanted = if fault == Fault::CircularLinks { "$skip" } else { "skiptoken" };
    let query = uri.query().unwrap_or_default();
    let given =
        pairs(query).find(|(name, _)| name.eq_ignore_ascii_case(wanted)).and_then(|(_, value)| value.parse().ok());
    let kept = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pairs(pair).any(|(name, _)| name.eq_ignore_ascii_case(wanted)));
    let mut options: Vec<String> = kept.map(str::to_owned).collect();
    match (fault, given) {
        // From the second page back to the first.
        (Fault::CircularLinks, Some(1_usize..)) => {}
        (Fault::CircularLinks, _) => options.push(format!("$skip={}", rows.max(1))),
        (_, given) => options.push(format!("skiptoken={}", given.unwrap_or(0).saturating_add(1))),
    }
    let query = if options.is_empty() { String::new() } else { format!("?{}", options.join("&")) };
    let link = format!("{}{}{query}", service.base_url, uri.path());
    page.insert("@odata.nextLink".to_owned(), link.into());
}

//! Orders and questions of a test in another language: `/emulator/..`, on the same loopback address.
//!
//! They are not the service's: no fault and no quota touches them, and they are in neither the ledger nor the log.

mod orders;
mod refusal;
mod status;
mod trust;

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
};
use http::{Method, Request, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use self::refusal::{Refused, Reply, bad};
use crate::{
    State,
    behaviors::BehaviorOrder,
    http::{
        body::{BYTE_ORDER_MARK, is_json},
        route::answering,
    },
    service::Service,
};

const LARGEST_BODY: usize = 16 << 20;

/// Returns `true` if the path is one of these, and the emulator serves them.
pub(crate) fn is_control(service: &Service, path: &str) -> bool {
    service.settings.has_control && path.starts_with("/emulator/")
}

/// Handles an order or a question.
pub(crate) async fn respond(service: &Service, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await;
    let segments: Vec<&str> = head.uri.path().split('/').skip(2).collect();
    let reply = match *answering(&head.method) {
        // A page in a browser cannot send this type unasked, and so cannot give the emulator an order.
        Method::POST if !is_json(&head.headers) => {
            Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json".to_owned()))
        }
        Method::GET => asked(service, &segments, head.uri.query().unwrap_or_default()),
        // No order is guessed from a part of its body.
        Method::POST => body.map_err(|_| too_large()).and_then(|body| ordered(service, &segments, &body)),
        Method::DELETE => forgotten(service, &segments),
        _ => Err(nowhere()),
    };
    let reply = reply.map_err(|refused| {
        if refused.0 == StatusCode::NOT_FOUND && refused.1.is_empty() {
            Refused(StatusCode::NOT_FOUND, format!("unknown path: {} {}", head.method, head.uri.path()))
        } else {
            refused
        }
    });
    let (status, body) = reply.unwrap_or_else(|Refused(status, why)| (status, json!({ "error": why })));
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn too_large() -> Refused {
    Refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 16 MB, or was cut off".to_owned())
}

/// An unknown path; the caller fills in its name.
fn nowhere() -> Refused {
    Refused(StatusCode::NOT_FOUND, String::new())
}

fn asked(service: &Service, segments: &[&str], query: &str) -> Reply {
    match segments {
        ["health"] => Ok(status::health(service)),
        ["ledger"] => status::ledger(service, query),
        ["log"] => status::log(service, query),
        ["faults"] => Ok((StatusCode::OK, json!({ "faults": service.faults.armed() }))),
        ["machines", id] => machine(service, id),
        ["clock"] => Ok(clock(service)),
        ["userToken"] => trust::user_token(service),
        _ => Err(nowhere()),
    }
}

fn ordered(service: &Service, segments: &[&str], body: &[u8]) -> Reply {
    match segments {
        ["reset"] => {
            service.reset();
            Ok(done())
        }
        ["state"] => seed(service, body),
        ["faults"] => orders::fault(service, &read(body)?),
        ["behaviors"] => behave(service, &read(body)?),
        ["outcomes"] => orders::outcome(service, read(body)?),
        ["machines", id] => presence(service, id, &read(body)?),
        ["clock"] => advance(service, &read(body)?),
        ["certificates"] => trust::certificate(service, &read(body)?),
        ["federations"] => trust::federation(service, read(body)?),
        ["deviceCodes"] => trust::device_code(service, &read(body)?),
        _ => Err(nowhere()),
    }
}

fn forgotten(service: &Service, segments: &[&str]) -> Reply {
    match segments {
        ["faults"] => service.faults.stop(),
        ["behaviors"] => service.behave(service.settings.behaviors),
        ["outcomes"] => service.outcomes.clear(),
        ["ledger"] => service.ledger.clear(),
        ["log"] => service.requests.clear(),
        ["signIns"] => service.grants.revoke(),
        _ => return Err(nowhere()),
    }
    Ok(done())
}

fn done() -> (StatusCode, Value) {
    (StatusCode::OK, json!({}))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii_start();
    // A list would be read as the fields in their order.
    if body.starts_with(b"[") {
        return Err(bad("expected an object, not a list"));
    }
    serde_json::from_slice(body).map_err(|error| bad(error.to_string()))
}

/// More machines, actions and files.
fn seed(service: &Service, body: &[u8]) -> Reply {
    let text = std::str::from_utf8(body).map_err(|_| bad("the state is JSON in UTF-8"))?;
    State::read(text).and_then(|state| service.add(&state)).map_err(bad)?;
    Ok((StatusCode::CREATED, json!({})))
}

fn behave(service: &Service, order: &BehaviorOrder) -> Reply {
    service.behave(order.applied(service.behaviors()).map_err(bad)?);
    Ok(done())
}

fn machine(service: &Service, id: &str) -> Reply {
    let state = status::machine(service, id);
    let state = state.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("unknown machine {id}")))?;
    Ok((StatusCode::OK, state))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Presence {
    online: bool,
}

fn presence(service: &Service, id: &str, order: &Presence) -> Reply {
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

fn advance(service: &Service, order: &Advance) -> Reply {
    let Some(hands) = &service.settings.hands else {
        let why = "the clock is the machine's own: start with --manual-clock to turn it";
        return Err(Refused(StatusCode::CONFLICT, why.to_owned()));
    };
    let by = Duration::try_from_secs_f64(order.advance_seconds)
        .map_err(|_| bad("advanceSeconds is a number of seconds that is not negative"))?;
    hands.advance(by);
    Ok(clock(service))
}

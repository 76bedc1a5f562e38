//! The Defender API: its routes, and what each does.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    middleware::{from_fn_with_state, map_response, map_response_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header::CONTENT_TYPE};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    action_kind::ActionKind,
    authorization::authorize,
    deflate,
    identity::MACHINES,
    ledger::{self, Effect},
    machine_action::{MachineAction, View},
    problem::Problem,
    request_body::RequestBody,
    service::Service,
};

/// What reading an action takes: <https://learn.microsoft.com/defender-endpoint/api/get-machineaction-object>.
const READ: &[&str] = &["Machine.Read.All", "Machine.ReadWrite.All"];

/// Everything below `/api`, with its paths in lower case (see [`crate::path`]), and what to say of any other path.
pub(crate) fn router(service: &Arc<Service>) -> Router {
    let mut router = Router::new().route(
        "/api/machineactions/{id}",
        get(|State(service): State<Arc<Service>>, Path(id): Path<String>, headers: HeaderMap| async move {
            read(&service, &id, &headers)
        }),
    );
    for kind in ActionKind::ALL {
        let path = format!("/api/machines/{{id}}/{}", kind.segment.to_ascii_lowercase());
        let handler = move |State(service): State<Arc<Service>>,
                            Path(id): Path<String>,
                            headers: HeaderMap,
                            body: Bytes| {
            async move { submit(&service, kind, &id, &headers, &body) }
        };
        router = router.route(&path, post(handler));
    }
    router
        .fallback(|uri: Uri| async move { no_route(&uri) })
        .method_not_allowed_fallback(|method: Method| async move { wrong_method(&method) })
        .layer(map_response(correlated))
        .layer(map_response_with_state(Arc::clone(service), deflate::compress))
        .layer(from_fn_with_state(Arc::clone(service), ledger::record))
        .with_state(Arc::clone(service))
}

/// Answers a POST that asks a machine for an action.
///
/// The order of the checks is inferred, but for one thing: whoever may not ask learns nothing of the machine.
fn submit(
    service: &Service,
    kind: &'static ActionKind,
    machine: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let caller = authorize(service, headers, kind.roles)?;
    let body = RequestBody::read(headers, body)?;
    let Some((machine_id, computer_dns_name)) = MACHINES.into_iter().find(|(id, _)| *id == machine) else {
        return Err(Problem::no_such("Machine", machine));
    };
    let elapsed = service.clock.elapsed();
    let action = MachineAction {
        id: Uuid::new_v4().to_string(),
        kind,
        requestor: caller.appid,
        comment: body.comment,
        external_id: body.external_id,
        machine_id,
        computer_dns_name,
        created: service.clock.now(),
        born: elapsed,
    };
    let answer = action.to_json(&service.base_url, service.actions.pace, elapsed, View::JustCreated);
    let effect = Effect::Created(action.id.clone());
    if !service.actions.insert(action, elapsed) {
        // The words are documented on both pages; the code is the live-response page's, and other clients look for it
        // here too: <https://learn.microsoft.com/defender-endpoint/api/run-live-response>.
        return Err(Problem::bad("ActiveRequestAlreadyExists", "Action is already in progress"));
    }
    let mut response = entity(StatusCode::CREATED, &answer);
    response.extensions_mut().insert(effect);
    Ok(response)
}

/// Answers a GET of one action.
fn read(service: &Service, id: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    authorize(service, headers, READ)?;
    let action = service.actions.get(id).ok_or_else(|| Problem::no_such("MachineAction", id))?;
    let elapsed = service.clock.elapsed();
    Ok(entity(StatusCode::OK, &action.to_json(&service.base_url, service.actions.pace, elapsed, View::Later)))
}

/// A resource, with the headers seen on the service's own.
fn entity(status: StatusCode, body: &Value) -> Response {
    const KIND: &str = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8";
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(KIND)),
        (HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0")),
    ];
    (status, headers, body.to_string()).into_response()
}

fn no_route(uri: &Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "NotFound", format!("No resource was found at {}", uri.path()))
}

/// The code is inferred: the documentation has none for it.
fn wrong_method(method: &Method) -> Problem {
    let message = format!("The requested resource does not support the method {method}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
}

/// Every answer has an id of its own in this header, which the service's support asks for.
async fn correlated(mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::try_from(Uuid::new_v4().to_string()) {
        response.headers_mut().insert(HeaderName::from_static("mise-correlation-id"), id);
    }
    response
}

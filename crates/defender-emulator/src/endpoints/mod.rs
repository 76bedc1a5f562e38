//! The handlers of requests, with the log and the ledger around them.

pub(crate) mod actions;
pub(crate) mod authorization;
pub(crate) mod blobs;
pub(crate) mod control;
pub(crate) mod investigation;
pub(crate) mod library;
pub(crate) mod links;
pub(crate) mod machine_update;
pub(crate) mod machines;
pub(crate) mod metadata;
pub(crate) mod submit;

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, StatusCode,
    header::{ALLOW, DATE},
    request::Parts,
};

use self::authorization::authorize;
use crate::{
    entra::grants::{self, APP_SERVICE, IMDS},
    faults::{
        altered::altered,
        kind::{Fault, RetryAfter, Wire},
    },
    http::{
        deflate,
        operation::Operation,
        problem::Problem,
        response::ApiResponse,
        route::{Call, Route, is_api, route},
    },
    service::Service,
    store::{
        action_kind::ActionKind,
        ledger::{self, Effect},
        library::LARGEST_FILE,
        quota::{Quotas, RetryAfterForm},
        request_log::Noted,
    },
};

/// More than any action's body needs. What the service's own limit is, nobody has written down.
const LARGEST_BODY: usize = 1 << 20;
/// A file above its own limit must be read whole, so that the response can name the limit.
const LARGEST_UPLOAD: usize = 2 * LARGEST_FILE;

/// Handles any request. The end of the connection in place of a response, if any, is in the extensions of
/// the response, as [`Wire`].
pub(crate) async fn respond(service: Arc<Service>, request: Request<Body>) -> Response {
    if control::is_control(&service, request.uri().path()) {
        return control::respond(&service, request).await;
    }
    let route = route(request.method(), request.uri().path());
    let operation = if let Route::Call(call) = &route { Some(call.operation) } else { None };
    let fault = service.faults.of_request(operation, || machine(&service, &route));
    let (log, keeps) = (service.settings.log.as_ref(), service.settings.has_control);
    let noted = (log.is_some() || keeps).then(|| Noted::of(&request));
    let mut response = if is_api(request.uri().path()) {
        api(&service, route, request, fault).await
    } else if let Some(instead) = fault.and_then(|fault| instead_of_a_token(&service, operation, fault)) {
        instead
    } else {
        let response = beside_the_api(&service, route, request).await;
        spoilt(&service, response, fault).await
    };
    if let Some(noted) = noted {
        let status = (!is_lost(&response)).then(|| response.status());
        let line = noted.line(service.clock.now(), operation, status, fault);
        if let Some(log) = log {
            log.write(&line);
        }
        if keeps {
            service.requests.add(serde_json::to_value(&line).unwrap_or_default());
        }
    }
    if let Some(date) = service.next_date() {
        response.headers_mut().insert(DATE, date);
    }
    response
}

/// Handles a request to the plain listener: to the host of managed identities alone.
pub(crate) async fn of_identities(service: Arc<Service>, mut request: Request<Body>) -> Response {
    // msal-node puts a slash behind it.
    let path = request.uri().path();
    let path = path.strip_suffix('/').unwrap_or(path);
    if path != IMDS && path != APP_SERVICE {
        return StatusCode::NOT_FOUND.into_response();
    }
    // The URI of a request to a server has no host, which sets this listener apart from the API.
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let whole = format!("{}{path}{query}", service.identity_url).parse();
    *request.uri_mut() = whole.unwrap_or_default();
    respond(service, request).await
}

/// The machine that a request is about: itself, or an action of its.
fn machine(service: &Service, route: &Route) -> Option<Arc<str>> {
    let Route::Call(call) = route else { return None };
    let world = service.world();
    let action = world.actions.get(&call.id).map(|action| Arc::clone(&action.machine_id));
    action.or_else(|| world.machines.find_by_id_or_name(&call.id).map(|machine| Arc::clone(&machine.id)))
}

fn instead_of_a_token(service: &Service, operation: Option<Operation>, fault: Fault) -> Option<Response> {
    match operation {
        Some(Operation::Token) => fault.at_sign_in(&*service.clock, &service.base_url),
        _ => fault.before(&*service.clock),
    }
}

/// Returns `true` if the request got no response.
fn is_lost(response: &Response) -> bool {
    matches!(response.extensions().get(), Some(Wire::Refused | Wire::Cut | Wire::Silent))
}

async fn spoilt(service: &Service, response: Response, fault: Option<Fault>) -> Response {
    match fault {
        Some(fault) => fault.after(response, &service.clock).await,
        None => response,
    }
}

/// Handles requests of sign-ins and of links.
async fn beside_the_api(service: &Service, route: Route, request: Request<Body>) -> Response {
    let request = match grants::respond(service, request).await {
        Ok(response) => return response,
        Err(request) => request,
    };
    match route {
        Route::Call(call) if call.operation == Operation::DownloadBlob => blobs::respond(service, &call, &request),
        Route::OtherMethod(allowed) => Problem::wrong_method(request.method(), allowed).into_response(),
        _ => Problem::nowhere(request.uri().path()).into_response(),
    }
}

/// Handles a request below `/api`, and writes into the ledger what may change something.
///
/// Between reading the body and writing down the outcome nothing waits that a client can keep waiting, so that an entry
/// whose client has left has its outcome too.
async fn api(service: &Service, route: Route, request: Request<Body>, fault: Option<Fault>) -> Response {
    let (head, body) = request.into_parts();
    let limit = match &route {
        Route::Call(call) if call.operation == Operation::UploadLibraryFile => LARGEST_UPLOAD,
        _ => LARGEST_BODY,
    };
    let body = to_bytes(body, limit).await;
    // What is refused before it is looked at was never received.
    let changes =
        !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS) && fault != Some(Fault::RefusedStream);
    let entry = changes.then(|| service.ledger.open(ledger::Entry::of(&head, body.as_deref().unwrap_or_default())));
    let (response, effect) = match fault.and_then(|fault| fault.before(&*service.clock)) {
        Some(instead) => (instead, Effect::None),
        None => done(service, route, &head, body),
    };
    if let Some(place) = entry {
        service.ledger.close(place, effect);
    }
    let response = altered(service, fault, &head.uri, response).await;
    let response =
        spoilt(service, deflate::compress(service.settings.deflate, &service.clock, response).await, fault).await;
    if let Some(place) = entry
        && !is_lost(&response)
    {
        service.ledger.set_status(place, response.status());
    }
    response
}

/// Handles the request, and returns its effect.
fn done(service: &Service, route: Route, head: &Parts, body: Result<Bytes, axum::Error>) -> (Response, Effect) {
    let handled = match (route, body) {
        // Inferred: no page documents it.
        (_, Err(_)) => Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BadRequest", "Request body is too large")),
        (Route::Nowhere, _) => Err(Problem::nowhere(head.uri.path())),
        (Route::OtherMethod(allowed), _) => Err(Problem::wrong_method(&head.method, allowed)),
        (Route::Call(call), Ok(body)) => handle(service, &call, head, &body),
    };
    let effect = handled.as_ref().map_or(Effect::None, |response| response.effect.clone());
    let mut response = handled
        .map_err(|problem| problem.targeted(service.behaviors().spelling.json, service.new_id()))
        .into_response();
    // Every response has its own id in this header, which the service's support asks for.
    if let Ok(id) = HeaderValue::try_from(service.new_id().to_string()) {
        response.headers_mut().insert(HeaderName::from_static("mise-correlation-id"), id);
    }
    (response, effect)
}

/// Calls the handler of the operation.
///
/// The order of the checks is inferred, but for one thing: a caller without permission learns nothing of the machine.
fn handle(service: &Service, call: &Call, head: &Parts, body: &Bytes) -> Result<ApiResponse, Problem> {
    let (headers, query) = (&head.headers, head.uri.query().unwrap_or_default());
    let caller = authorize(service, headers, call.operation)?;
    if service.settings.quotas == Quotas::Enforced {
        admit(service, call.operation)?;
    }
    if let Some(kind) = ActionKind::of(call.operation) {
        return submit::submit(service, kind, (&call.id, &caller), headers, body);
    }
    match call.operation {
        Operation::StartInvestigation => investigation::start(service, call, head.uri.path(), headers, body),
        Operation::CancelAction => submit::cancel(service, (&call.id, &caller), headers, body),
        Operation::GetAction => actions::one(service, &call.id),
        Operation::ListActions => actions::list(service, &call.argument, query),
        Operation::ListActionsOfMachine => actions::of_machine(service, &call.id, query),
        Operation::GetMetadata => Ok(metadata::respond()),
        Operation::ListMachines => machines::list(service, &call.argument, query),
        Operation::GetMachine => machines::one(service, &call.id),
        Operation::FindMachinesByIp => machines::by_ip(service, &call.argument),
        Operation::FindMachinesByTag => machines::by_tag(service, query),
        Operation::TagMachine => machine_update::tag(service, &call.id, headers, body),
        Operation::TagMachines => machine_update::tag_many(service, headers, body),
        Operation::SetDeviceValue => machine_update::value(service, &call.id, headers, body),
        Operation::UpdateMachine => machine_update::update(service, &call.id, headers, body),
        Operation::GetPackageUri => links::package(service, &call.id),
        Operation::GetLiveResponseResult => links::result(service, &call.id, &call.argument),
        Operation::ListLibraryFiles => Ok(library::list(service)),
        Operation::UploadLibraryFile => library::upload(service, &caller, headers, body),
        Operation::DeleteLibraryFile => library::delete(service, &call.id),
        // The others are the actions, and what is not below `/api`.
        _ => Err(Problem::nowhere(head.uri.path())),
    }
}

/// Lets a call in, or refuses it with the time after which it would be let in.
fn admit(service: &Service, operation: Operation) -> Result<(), Problem> {
    service.meter.admit(operation, service.clock.elapsed()).map_err(|wait| {
        // Up to the next second, so that a caller who waits as long is accepted.
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        let retry_after = match service.settings.retry_after {
            RetryAfterForm::Seconds => RetryAfter::Seconds(seconds),
            // A date has no parts of a second.
            RetryAfterForm::Date => RetryAfter::Date(seconds.saturating_add(1)),
            RetryAfterForm::Absent => RetryAfter::Absent,
        };
        let message = "API calls quota exceeded! Maximum allowed calls per minute or hour were made";
        Problem::too_many(message, retry_after.value(&*service.clock))
    })
}

impl Problem {
    /// A 404 of a path that leads to no operation: without a code, as OData has its errors, so that nobody takes it for "no
    /// machines". Inferred: no page shows it.
    pub(crate) fn nowhere(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "", format!("No resource was found at {path}"))
    }

    /// The code is inferred: the documentation has none for it.
    fn wrong_method(method: &Method, allowed: String) -> Self {
        let message = format!("The requested resource does not support the method {method}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message).header(ALLOW, allowed)
    }
}

//! The span of an attempt.

use bytes::Bytes;
use http::{Method, Request};
use tracing::{Level, Span, field};

use crate::{
    Secrets,
    extensions::{self, Resends, UrlTemplate},
};

/// Target of spans and events.
pub(super) const TARGET: &str = "defender_transport::attempt";

/// Returns the span of an attempt, or a disabled span if no subscriber is interested in it.
pub(super) fn span(request: &Request<Bytes>) -> Span {
    if !tracing::enabled!(target: TARGET, Level::INFO) {
        return Span::none();
    }
    let (method, uri) = (known(request.method()), request.uri());
    let template = extensions::of::<UrlTemplate, _>(request).map(|template| &*template.0);
    let default_port = match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    tracing::info_span!(
        target: TARGET,
        "attempt",
        otel.name = template.map_or_else(|| method.to_owned(), |template| format!("{method} {template}")),
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.request.resend_count = request.extensions().get::<Resends>().map(|resends| resends.0).filter(|count| *count > 0),
        url.scheme = uri.scheme_str(),
        url.template = template,
        server.address = uri.host().map(|host| host.trim_start_matches('[').trim_end_matches(']')),
        server.port = uri.port_u16().or(default_port),
        http.response.status_code = field::Empty,
        network.protocol.version = field::Empty,
        "http.response.header.content-type" = field::Empty,
        "http.response.header.date" = field::Empty,
        "http.response.header.retry-after" = field::Empty,
        "http.response.header.request-id" = field::Empty,
        "http.response.header.x-ms-request-id" = field::Empty,
        "http.response.header.mise-correlation-id" = field::Empty,
        error.type = field::Empty,
    )
}

/// Returns the secrets of `request`, which must not be traced if a response echoes them.
pub(super) fn secrets(request: &Request<Bytes>) -> [Secrets; 2] {
    let sensitive = request.headers().values().filter(|value| value.is_sensitive());
    // The scheme (`Bearer`, `Basic`) is not part of the secret.
    let values = sensitive.filter_map(|value| value.to_str().ok()?.rsplit(' ').next());
    [Secrets::new(values), extensions::of(request).cloned().unwrap_or_default()]
}

/// Returns the method, or `_OTHER` if HTTP does not define it, so that the number of names is bounded.
fn known(method: &Method) -> &str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    if KNOWN.contains(method) { method.as_str() } else { "_OTHER" }
}

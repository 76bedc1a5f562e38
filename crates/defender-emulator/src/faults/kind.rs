//! The faults of the service and of the network.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
};
use defender_transport::Clock;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
};
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::{
    entra::error::EntraError,
    faults::block_page::{block_page, gateway_not_found},
    http::{error_code::ErrorCode, operation::Operation, problem::Problem, slow_body::SlowBody},
    store::action_kind::ActionKind,
};

/// A fault of the network or of the service.
///
/// The [ledger](crate::Emulator::ledger) is true under each: it has the request and its effect. *Before the
/// effect* means: nothing was done. *After the effect* means: it was done, and the response is lost or altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is closed before it is one. It is of a connection and not of an operation, so that
    /// [`on`](crate::FaultRule::on) narrows it in process alone; there is no entry in the ledger.
    RefuseConnection,
    /// As [`RefuseConnection`](Self::RefuseConnection), with bytes that are not TLS in response to the handshake.
    TlsFailure,
    /// The request is refused before it is looked at: `REFUSED_STREAM` in HTTP/2, which means that it was never processed;
    /// before HTTP/2, which has no such signal, the connection is cut. There is no entry in the ledger.
    RefusedStream,
    /// The connection is cut. Before the effect.
    ResetBeforeEffect,
    /// The connection is cut. After the effect.
    ResetAfterEffect,
    /// No response ever. Before the effect.
    Hang,
    /// No response ever. After the effect.
    HangAfterEffect,
    /// The body comes byte by byte, each after this time of the clock. After the effect.
    SlowBytes(Duration),
    /// The connection is cut in the middle of the body. After the effect.
    TruncatedBody,
    /// The body ends well, but before the length that was announced. After the effect.
    WrongContentLength,
    /// The body is not JSON. After the effect.
    GarbageJson,
    /// A page of a gateway, in HTML. Before the effect.
    Html502,
    /// A page of a gateway, in HTML. After the effect: others have seen an action behind such a response.
    Html502AfterEffect,
    /// An error of this status, with an empty message, as documented of 500. Before the effect.
    Status(u16, RetryAfter),
    /// An error of this status. After the effect.
    StatusAfterEffect(u16, RetryAfter),
    /// A response of this status without a body, as gateways send it. Before the effect.
    Empty(u16),
    /// The API's error with this code, and the status that belongs to it. Before the effect.
    Code(ErrorCode),
    /// Entra's error with this AADSTS number, such as 7000222, at the token endpoint; elsewhere nothing. Before the
    /// effect.
    SignIn(u32),
    /// A 429. Before the effect.
    TooManyRequests(RetryAfter),
    /// A 401 though the token is good: it was revoked. Before the effect.
    Unauthorized,
    /// A 404 though it is there. Before the effect.
    NotFound,
    /// The page of a filtering proxy or a captive portal in the service's place: HTML with this status, such as 200, 302,
    /// 400, 403, 404 or 511. Before the effect.
    BlockPage(u16),
    /// The same, after the effect: the response was replaced on its way.
    BlockPageAfterEffect(u16),
    /// The 404 of a gateway that knows no such path, in JSON that is not the service's. Before the effect.
    GatewayNotFound,
    /// The response's record is of another machine; in a list each is. After the effect.
    OtherMachine,
    /// The response's record is of another type; in a list each is. After the effect.
    OtherType,
    /// The response's record is another one, with an id of its own; in a list each is. After the effect.
    OtherRecord,
    /// The next link of a list leads to a second page, and that of the second page back to the first.
    CircularLinks,
    /// The next link of a list is each time another, and leads to the same rows.
    RepeatedPage,
    /// The connection takes no more requests: GOAWAY in HTTP/2, and `Connection: close` before it. The response arrives.
    GoAway,
}

/// The `Retry-After` of a refused request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryAfter {
    /// Absent.
    #[default]
    Absent,
    /// After so many seconds.
    Seconds(u64),
    /// At a date, so many seconds from the clock's now.
    Date(u64),
}

/// The end of a connection in place of a response; an extension of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The request is refused as never processed.
    Refused,
    /// The connection is cut.
    Cut,
    /// The connection stays open without a response.
    Silent,
    /// The connection ends after this response.
    Last,
}

impl RetryAfter {
    pub(crate) fn value(self, clock: &dyn Clock) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Seconds(seconds) => Some(seconds.to_string()),
            Self::Date(seconds) => {
                let date = clock.now().checked_add(Duration::from_secs(seconds)).ok()?;
                DateTimePrinter::new().timestamp_to_rfc9110_string(&date).ok()
            }
        }
    }
}

impl Fault {
    /// Every fault of a request, for chance to choose from.
    pub(crate) const OF_REQUESTS: &'static [Self] = &[
        Self::RefusedStream,
        Self::ResetBeforeEffect,
        Self::ResetAfterEffect,
        Self::Hang,
        Self::HangAfterEffect,
        Self::SlowBytes(Duration::from_millis(10)),
        Self::TruncatedBody,
        Self::WrongContentLength,
        Self::GarbageJson,
        Self::Html502,
        Self::Html502AfterEffect,
        Self::Status(500, RetryAfter::Absent),
        Self::Status(503, RetryAfter::Absent),
        Self::Status(503, RetryAfter::Seconds(2)),
        Self::StatusAfterEffect(504, RetryAfter::Absent),
        Self::TooManyRequests(RetryAfter::Seconds(3)),
        Self::TooManyRequests(RetryAfter::Date(3)),
        Self::TooManyRequests(RetryAfter::Absent),
        Self::Unauthorized,
        Self::NotFound,
        Self::GoAway,
        Self::BlockPage(200),
        Self::BlockPage(302),
        Self::BlockPage(400),
        Self::BlockPage(403),
        Self::BlockPage(404),
        Self::BlockPage(511),
        Self::BlockPageAfterEffect(200),
        Self::BlockPageAfterEffect(403),
        Self::GatewayNotFound,
        Self::OtherMachine,
        Self::OtherType,
        Self::OtherRecord,
        Self::CircularLinks,
        Self::RepeatedPage,
    ];

    /// Every fault of a connection, for the same.
    pub(crate) const OF_CONNECTIONS: &'static [Self] = &[Self::RefuseConnection, Self::TlsFailure];

    /// Returns `true` if chance may draw it for this operation, so that a careful client succeeds all the same. An ordered
    /// fault happens to any operation.
    pub(crate) fn is_drawn_for(self, operation: Option<Operation>) -> bool {
        match self {
            // Which machine and type a list's record has decides whether it may be one's own.
            Self::OtherMachine | Self::OtherType | Self::OtherRecord => operation.is_some_and(|operation| {
                ActionKind::of(operation).is_some()
                    || matches!(operation, Operation::CancelAction | Operation::GetAction | Operation::TagMachine)
            }),
            Self::CircularLinks | Self::RepeatedPage => {
                matches!(operation, Some(Operation::ListActions | Operation::ListMachines))
            }
            // A file has no form that sets it apart from a page.
            Self::BlockPage(200) | Self::BlockPageAfterEffect(200) => operation != Some(Operation::DownloadBlob),
            _ => true,
        }
    }

    /// Returns `true` if it changes the JSON of a response.
    pub(crate) fn alters(self) -> bool {
        matches!(
            self,
            Self::OtherMachine | Self::OtherType | Self::OtherRecord | Self::CircularLinks | Self::RepeatedPage
        )
    }

    /// Returns `true` if it happens to a connection, before there is a request.
    pub(crate) fn is_of_connections(self) -> bool {
        matches!(self, Self::RefuseConnection | Self::TlsFailure)
    }

    /// Returns the response in place of any effect below `/api`.
    pub(crate) fn before(self, clock: &dyn Clock) -> Option<Response> {
        Some(match self {
            Self::RefusedStream => lost(Wire::Refused),
            Self::ResetBeforeEffect => lost(Wire::Cut),
            Self::Hang => lost(Wire::Silent),
            Self::Html502 => html(),
            Self::BlockPage(status) => block_page(status),
            Self::GatewayNotFound => gateway_not_found(),
            Self::Status(status, retry_after) => error(status, retry_after, clock),
            Self::TooManyRequests(retry_after) => {
                Problem::too_many("Too many requests", retry_after.value(clock)).into_response()
            }
            Self::Unauthorized => {
                let challenge = "error=\"invalid_token\", error_description=\"The token has been revoked\"";
                Problem::unauthorized("The token has been revoked", challenge).into_response()
            }
            Self::NotFound => Problem::no_such("Resource", "asked for").into_response(),
            Self::Empty(status) => {
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
            }
            Self::Code(code) => {
                Problem::new(code.status_code(), code.as_str(), "Refused by an armed fault").into_response()
            }
            _ => return None,
        })
    }

    /// Returns the response in place of a token: Entra's errors differ from the API's.
    pub(crate) fn at_sign_in(self, clock: &dyn Clock, authority: &str) -> Option<Response> {
        let retry_after = |mut response: Response, when: RetryAfter| {
            if let Some(value) = when.value(clock).and_then(|value| HeaderValue::try_from(value).ok()) {
                response.headers_mut().insert(RETRY_AFTER, value);
            }
            response
        };
        Some(match self {
            // It comes as plain text.
            Self::TooManyRequests(when) => {
                let kind = [(CONTENT_TYPE, HeaderValue::from_static("text/plain"))];
                retry_after((StatusCode::TOO_MANY_REQUESTS, kind, "Too Many Requests").into_response(), when)
            }
            Self::Status(status, when) => retry_after(EntraError::outage(status).at(clock.now(), authority), when),
            Self::Unauthorized => EntraError::numbered(7_000_222).at(clock.now(), authority),
            Self::SignIn(number) => EntraError::numbered(number).at(clock.now(), authority),
            other => return other.before(clock),
        })
    }

    /// Changes the response after the effect.
    pub(crate) async fn after(self, mut response: Response, clock: &std::sync::Arc<dyn Clock>) -> Response {
        match self {
            Self::ResetAfterEffect => lost(Wire::Cut),
            Self::HangAfterEffect => lost(Wire::Silent),
            Self::Html502AfterEffect => html(),
            Self::BlockPageAfterEffect(status) => block_page(status),
            Self::StatusAfterEffect(status, retry_after) => error(status, retry_after, &**clock),
            Self::GoAway => {
                response.extensions_mut().insert(Wire::Last);
                response
            }
            Self::GarbageJson => {
                let (mut head, _) = response.into_parts();
                head.headers.remove(CONTENT_LENGTH);
                head.headers.remove(CONTENT_ENCODING);
                Response::from_parts(head, Body::from("{\"id\": \"7f\u{fffd}, <<<<"))
            }
            Self::SlowBytes(_) | Self::TruncatedBody | Self::WrongContentLength => {
                let (mut head, body) = response.into_parts();
                // The body was made here in one piece, so that reading it cannot fail.
                let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
                // An empty body has no middle to be cut in, and is announced as longer than it is.
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len().max(1)));
                let half = whole.slice(..whole.len() / 2);
                let body = match self {
                    Self::SlowBytes(each) => {
                        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
                        SlowBody::byte_by_byte(whole, each, std::sync::Arc::clone(clock))
                    }
                    Self::TruncatedBody => SlowBody::broken_after(half, std::sync::Arc::clone(clock)),
                    _ => SlowBody::ending_after(half, std::sync::Arc::clone(clock)),
                };
                Response::from_parts(head, Body::new(body))
            }
            _ => response,
        }
    }
}

fn lost(wire: Wire) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(wire);
    response
}

fn html() -> Response {
    const PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
                        Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
    (StatusCode::BAD_GATEWAY, [(CONTENT_TYPE, HeaderValue::from_static("text/html"))], PAGE).into_response()
}

fn error(status: u16, retry_after: RetryAfter, clock: &dyn Clock) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Problem::new(status, "InternalServerError", "").into_response();
    if let Some(value) = retry_after.value(clock).and_then(|value| HeaderValue::try_from(value).ok()) {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

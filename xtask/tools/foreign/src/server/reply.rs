//! A response, and how much of it arrives.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fault::Fault;
use crate::{
    clock::seconds,
    dice::{guid, pick},
};

pub(super) type ReplyBody = BoxBody<Bytes, io::Error>;

/// Part of a response that is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part {
    Whole,
    /// Half of the body.
    Cut,
    /// The head alone, though it promises a body.
    Head,
    Nothing,
}

/// A response to be sent.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    pub(super) part: Part,
    pub(super) delay: Duration,
    /// True if the service wrote it, rather than something on the way.
    by_service: bool,
}

const JSON: &str = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8";

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("odata-version", "4.0".to_owned())];
        Self { content_type: JSON, headers, by_service: true, ..Self::gateway(status, &body.to_string()) }
    }

    /// The service's error envelope.
    pub(super) fn error(rng: &mut fastrand::Rng, status: u16, code: &str, message: &str) -> Self {
        let target = if rng.bool() { guid(rng) } else { format!("|3{:05x}", rng.u32(..0xf_ffff)) };
        Self::json(status, &json!({ "error": { "code": code, "message": message, "target": target } }))
    }

    /// The error of a query that the service does not read: an empty code, no target.
    pub(super) fn bad_query() -> Self {
        let message = "The query specified in the URI is not valid.";
        Self::json(400, &json!({ "error": { "code": "", "message": message, "details": [] } }))
    }

    pub(super) fn throttled(rng: &mut fastrand::Rng, now: Timestamp, wait: u64) -> Self {
        let mut reply = Self::error(rng, 429, "TooManyRequests", "Too many requests, try again later");
        let value = if rng.u32(..4) == 0 { http_date(now + seconds(wait)) } else { wait.to_string() };
        reply.headers.push(("retry-after", value));
        reply
    }

    pub(super) fn unauthorized() -> Self {
        let mut reply = Self::json(401, &json!({ "error": { "code": "Unauthorized", "message": "Invalid token" } }));
        reply.headers.push(("www-authenticate", "Bearer error=\"invalid_token\"".to_owned()));
        reply
    }

    /// The page of a proxy or portal.
    pub(super) fn block_page(status: u16) -> Self {
        let page = "<!DOCTYPE html><html><head><title>Access blocked</title></head><body><h1>This page is blocked \
                    by your organization</h1></body></html>";
        let mut reply = Self { content_type: "text/html; charset=utf-8", ..Self::gateway(status, page) };
        if status == 302 {
            reply.headers.push(("location", "https://portal.example/login".to_owned()));
        }
        reply
    }

    /// The JSON error of a gateway.
    pub(super) fn gateway_error(rng: &mut fastrand::Rng, status: u16) -> Self {
        let message = "Resource not found";
        let body = match rng.u32(..3) {
            0 => json!({ "statusCode": status, "message": message }),
            1 => json!({ "message": message, "activityId": guid(rng) }),
            _ => json!({ "fault": { "faultstring": message, "detail": { "errorcode": "policies.Routing" } } }),
        };
        Self::gateway(status, &body.to_string())
    }

    /// A 5xx, of the service or of a gateway.
    pub(super) fn server_error(rng: &mut fastrand::Rng, status: u16) -> Self {
        match rng.u32(..4) {
            0 => Self::error(rng, status, "InternalServerError", ""),
            1 => Self::gateway_error(rng, status),
            2 => Self::gateway(status, ""),
            _ => {
                let page = format!("<html><body><center><h1>{status} Error</h1></center><hr>gateway</body></html>");
                Self { content_type: "text/html", ..Self::gateway(status, &page) }
            }
        }
    }

    /// A 2xx that says nothing readable.
    pub(super) fn garbled(rng: &mut fastrand::Rng, status: u16) -> Self {
        let body = pick(rng, ["", "{\"id\":", "[]", "null", "\u{fffd}\u{fffd}", "{}"]);
        Self { body: body.into(), ..Self::json(status, &Value::Null) }
    }

    fn gateway(status: u16, body: &str) -> Self {
        Self {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: body.to_owned().into(),
            part: Part::Whole,
            delay: Duration::ZERO,
            by_service: false,
        }
    }

    /// Nothing, and the connection closed.
    pub(super) fn closed() -> Self {
        Self { part: Part::Nothing, ..Self::json(200, &Value::Null) }
    }

    /// The rest of the response after `fault`.
    pub(super) fn after(self, rng: &mut fastrand::Rng, fault: Fault) -> Self {
        match fault {
            Fault::CloseAfter | Fault::LateEffect(_) | Fault::CloseBefore => Self { part: Part::Nothing, ..self },
            Fault::HeadOnly => Self { part: Part::Head, ..self },
            Fault::Cut => Self { part: Part::Cut, ..self },
            Fault::Late(delay) => Self { delay, ..self },
            Fault::StatusAfter(status) | Fault::StatusBefore(status) => Self::server_error(rng, status),
            Fault::BlockedAfter(status) | Fault::BlockedBefore(status) => Self::block_page(status),
            Fault::GatewayAfter(status) | Fault::GatewayBefore(status) => Self::gateway_error(rng, status),
            Fault::Garbled => Self::garbled(rng, self.status),
            Fault::Unauthorized => Self::unauthorized(),
            Fault::Throttled | Fault::Crossed | Fault::Circle => self,
        }
    }

    /// The response as it is sent; `None` if nothing is sent.
    pub(super) fn send(self, rng: &mut fastrand::Rng, now: Timestamp, dates: bool) -> Option<Response<ReplyBody>> {
        if self.part == Part::Nothing {
            return None;
        }
        let mut response = Response::new(match self.part {
            Part::Whole if rng.bool() => BodyExt::boxed(StreamBody::new(stream::iter([Ok(Frame::data(self.body))]))),
            Part::Whole => Full::new(self.body).map_err(|never| match never {}).boxed(),
            Part::Cut => broken(self.body.slice(..self.body.len() / 2)),
            Part::Head | Part::Nothing => broken(Bytes::new()),
        });
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        let date = date(rng, now, dates);
        let correlation = self.by_service.then(|| ("mise-correlation-id", guid(rng)));
        for (name, value) in self.headers.into_iter().chain(date.map(|date| ("date", date))).chain(correlation) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        Some(response)
    }
}

/// A body that breaks after `start`, once that had time to be sent.
fn broken(start: Bytes) -> ReplyBody {
    let end = stream::once(async {
        #[expect(clippy::disallowed_methods, reason = "for the socket, which knows no fast time")]
        tokio::time::sleep(Duration::from_millis(3)).await;
        Err(io::Error::other("cut"))
    });
    BodyExt::boxed(StreamBody::new(stream::iter([Ok(Frame::data(start))]).chain(end)))
}

/// The `Date` of a response: right, missing in 3 %, wrong in 2 %.
fn date(rng: &mut fastrand::Rng, now: Timestamp, dates: bool) -> Option<String> {
    match rng.u32(..1000) {
        _ if !dates => None,
        0..30 => None,
        30..40 => Some("Thu, 01 Jan 1970 00:00:00 GMT".to_owned()),
        40..45 => Some("today".to_owned()),
        45..48 => Some(http_date(now + seconds(2 * 86_400))),
        48..50 => Some(http_date(now - seconds(2 * 3_600))),
        _ => Some(http_date(now)),
    }
}

pub(super) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

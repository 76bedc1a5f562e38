//! Errors of the SDK as errors of `defender-auth`.
//!
//! An error of the SDK is not kept as a cause: its messages are in the text, and `{:#}` would print them twice.

use std::{error::Error as StdError, iter};

use azure_core::{
    Error as AzureError,
    error::ErrorKind as AzureKind,
    http::{RawResponse, StatusCode, headers::HeaderName},
};
use defender_auth::{EntraError, Error, ErrorKind};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

/// No more characters than this are shown of a message.
const SHOWN: usize = 1_000;

/// The error of a request for a token. The SDK has retried by then, so that nothing asks the credential again for this call.
pub(crate) fn convert(error: &AzureError, now: Timestamp) -> Error {
    let refused = chain(error).find_map(|cause| match cause.downcast_ref::<AzureError>()?.kind() {
        AzureKind::HttpResponse { status, raw_response, .. } => Some((*status, raw_response.as_deref())),
        _ => None,
    });
    if let Some((status, response)) = refused {
        return refusal(error, status, response, now);
    }
    let kinds = chain(error).filter_map(|cause| cause.downcast_ref::<AzureError>());
    let cause = kinds.map(AzureError::kind).find(|kind| !matches!(kind, AzureKind::Credential | AzureKind::Other));
    match cause {
        Some(AzureKind::Connection | AzureKind::Io) => Error::new(ErrorKind::Transport).context(line(error)),
        Some(AzureKind::DataConversion) => Error::new(ErrorKind::Response)
            .context(format!("{}; check the authority, and any proxy or portal in between", line(error))),
        _ => Error::new(ErrorKind::Other).context(line(error)),
    }
}

/// The error of a response that is not a success.
fn refusal(error: &AzureError, status: StatusCode, response: Option<&RawResponse>, now: Timestamp) -> Error {
    let entra = response.and_then(|response| EntraError::from_body(response.body()));
    let error = match entra {
        Some(entra) => Error::refused(entra),
        None => Error::new(ErrorKind::Response).context(format!("status {}: {}", u16::from(status), line(error))),
    };
    let wait = response.and_then(|response| defender_transport::retry_after(&times(response), now));
    match http::StatusCode::from_u16(u16::from(status)) {
        Ok(status) => error.with_status(status, wait),
        Err(_) => error,
    }
}

/// The headers of a response that state a time.
fn times(response: &RawResponse) -> HeaderMap {
    let mut times = HeaderMap::new();
    for name in [header::RETRY_AFTER, header::DATE] {
        let value = response.headers().get_optional_str(&HeaderName::from(name.as_str().to_owned()));
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            times.insert(name, value);
        }
    }
    times
}

/// The messages of an error and of its causes, each once, in one line.
pub(crate) fn line(error: &AzureError) -> String {
    let mut line = String::new();
    for cause in chain(error) {
        let message = cause.to_string();
        let message = message.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let message = message.collect::<Vec<_>>().join(" ");
        if !line.contains(&message) {
            let separator = if line.is_empty() { "" } else { ": " };
            line = line + separator + &message;
        }
    }
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => line.get(..end).unwrap_or_default().to_owned() + "…",
        None => line,
    }
}

fn chain(error: &AzureError) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    iter::successors(Some(error as &(dyn StdError + 'static)), |&error| error.source())
}

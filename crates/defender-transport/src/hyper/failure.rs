//! Meaning of hyper's errors: what failed, and whether the request can have been processed.

use std::error::Error as StdError;

use http::uri::Authority;
use hyper_util::client::legacy;

use super::{
    causes::chain,
    connect_error::ConnectError,
    dial::BoxError,
    handshake::{self, ClientAlert},
};
use crate::{Error, ErrorKind};

/// Returns true if the server demands HTTP/1.1, or its HTTP/2 cannot be read, as with a header that breaks the rules.
pub(super) fn needs_http_1(error: &legacy::Error) -> bool {
    let is_unreadable = |error: &h2::Error| error.is_library() && (error.is_reset() || error.is_go_away());
    let found = chain(error).find_map(|cause| cause.downcast_ref::<h2::Error>());
    found.is_some_and(|error| error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED) || is_unreadable(error))
}

/// Classifies hyper's error: its kind, and whether the request can have been processed.
pub(super) fn classify(error: legacy::Error, host: &Authority) -> Error {
    let unconnected = error.source().and_then(|cause| cause.downcast_ref::<ConnectError>());
    if let Some(unconnected) = unconnected {
        return unconnected.told(host.as_str());
    }
    // An error that is of no connection is from before the request was given to one.
    if error.is_connect() || error.connect_info().is_none() {
        return Error::new(ErrorKind::Connect).context(format!("to {host}")).caused_by(error);
    }
    // Only errors that are classified as `not_sent` are certain; after any other, the request may have been processed.
    let interrupted = |how| Error::new(ErrorKind::Interrupted).context(format!("by {host}{how}"));
    let told = chain(&error).find_map(|cause| {
        match handshake::alert_about_client(cause) {
            Some(ClientAlert::Required) => {
                // The handshake was not done for the server, which reads no request before it is.
                let why = format!("to {host}: the server demands a client certificate, and was given none; set a client identity");
                return Some(Error::new(ErrorKind::Connect).context(why).permanent());
            }
            Some(ClientAlert::Refused) => {
                return Some(interrupted(": the server refuses the client's certificate; check that it has not expired and is the right one").permanent());
            }
            None => {}
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return match error {
                error if error.is_canceled() => Some(interrupted("").not_sent()),
                // hyper has a question for it in servers only.
                error if error.is_parse() && error.to_string().contains("too large") => {
                    Some(Error::new(ErrorKind::TooLarge).context(format!("the head, from {host}")))
                }
                error if error.is_parse() => Some(Error::new(ErrorKind::Protocol).context(format!("from {host}"))),
                _ => None,
            };
        }
        match cause.downcast_ref::<h2::Error>()? {
            error if error.is_remote() && error.is_go_away() => {
                // h2 gives it to streams above the last one that the GOAWAY names. But hyper also gives it to a request that
                // it sent in the moment in which the GOAWAY came, of a stream that may be below, so nothing is certain.
                Some(interrupted(", which is closing the connection (GOAWAY)"))
            }
            error if error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM) => {
                Some(interrupted(", which refused the request (REFUSED_STREAM)").not_sent())
            }
            // Nothing had come on the stream. That the request was not processed is inferred from the purpose of the code.
            error if error.is_remote() && error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED) => {
                Some(interrupted(", which demands HTTP/1.1 (HTTP_1_1_REQUIRED)").not_sent())
            }
            error if error.is_library() && error.is_reset() => {
                let what = format!("the head, which is malformed or too large, from {host}");
                Some(Error::new(ErrorKind::Protocol).context(what))
            }
            error if error.is_library() => Some(Error::new(ErrorKind::Protocol).context(format!("from {host}"))),
            _ => None,
        }
    });
    told.unwrap_or_else(|| interrupted("")).caused_by(cause(error))
}

/// An error as a cause. A GOAWAY has data of the server's, which may be an echo of what it was sent, so that its reason
/// stands in for it.
pub(super) fn cause<E: StdError + Send + Sync + 'static>(error: E) -> BoxError {
    let found = chain(&error).find_map(|cause| cause.downcast_ref::<h2::Error>());
    match found.filter(|error| error.is_go_away()).and_then(h2::Error::reason) {
        Some(reason) => format!("GOAWAY: {}", reason.description()).into(),
        None => error.into(),
    }
}

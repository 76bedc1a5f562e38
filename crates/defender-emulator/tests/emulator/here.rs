//! An emulator without a socket, without a runtime, and with a clock turned by hand.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use defender_emulator::{Emulator, EmulatorBuilder};
use defender_transport::{Error, Transport, testing::ManualClock};
use http::{HeaderMap, Request};
use serde_json::Value;

use crate::driver::encoded;

/// Runs what waits for nothing; `None` where it waits.
pub(crate) fn ready<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A response; its body is null where it is not JSON.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Bytes,
    pub(crate) body: Value,
}

pub(crate) struct Here {
    pub(crate) emulator: Emulator,
    pub(crate) clock: ManualClock,
    pub(crate) token: String,
}

impl Here {
    pub(crate) fn with(set_up: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Self {
        let clock = ManualClock::new();
        let emulator = set_up(Emulator::builder().clock(Arc::new(clock.clone()))).in_process().unwrap();
        let mut here = Self { emulator, clock, token: String::new() };
        let audience = here.emulator.audience().to_owned();
        let token = here.token_for(&audience).body;
        token["access_token"].as_str().unwrap_or_default().clone_into(&mut here.token);
        here
    }

    /// Returns the response to a request for a token for this resource.
    pub(crate) fn token_for(&self, resource: &str) -> Came {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}%2F.default",
            self.emulator.client_id(),
            encoded(self.emulator.client_secret()),
            encoded(resource)
        );
        let path = format!("/{}/oauth2/v2.0/token", self.emulator.tenant_id());
        self.send("POST", &path, "application/x-www-form-urlencoded", &form).unwrap().unwrap()
    }

    /// Returns the result of a request; `None` if it hangs.
    pub(crate) fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> Option<Result<Came, Error>> {
        let url = if path.starts_with('/') { format!("{}{path}", self.emulator.base_url()) } else { path.to_owned() };
        let mut request = Request::builder().method(method).uri(url).header("Content-Type", kind);
        // A link takes no token.
        if path.starts_with('/') {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        ready(async {
            let (head, body) = self.emulator.transport().send(request).await?.into_parts();
            let raw = body.collect(1 << 24).await?;
            let body = serde_json::from_slice(&raw).unwrap_or_default();
            Ok(Came { status: head.status.as_u16(), headers: head.headers, raw, body })
        })
    }

    pub(crate) fn get(&self, path: &str) -> Came {
        self.send("GET", path, "application/json", "").unwrap().unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Came {
        self.send("POST", path, "application/json", body).unwrap().unwrap()
    }

    pub(crate) fn action(&self, id: &str) -> Value {
        let came = self.get(&format!("/api/machineactions/{id}"));
        assert_eq!(came.status, 200, "{came:?}");
        came.body
    }
}

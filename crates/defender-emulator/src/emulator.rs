//! The emulator as its owner sees it.

use std::{fmt, sync::Arc};

use axum::{extract::State, middleware::map_response_with_state, response::Response};
use http::{HeaderValue, header::DATE};
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::{
    EmulatorBuilder, Entry, Error, api,
    certificate::Certificates,
    entra,
    identity::{AUDIENCE, MACHINES},
    server::Server,
    service::Service,
};

/// A Defender for Endpoint service, and the Entra ID that signs in to it, on the loopback of this machine.
///
/// It listens until it is dropped; then its listener is closed and its connections are cut.
pub struct Emulator {
    service: Arc<Service>,
    ca_pem: String,
    _server: Server,
}

impl Emulator {
    /// Starts one with every default. It must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`EmulatorBuilder::start`].
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// One to be set up.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::new()
    }

    pub(crate) fn serve(service: Service, certificates: Certificates, server: Server) -> Self {
        let service = Arc::new(service);
        let router = api::router(&service)
            .merge(entra::router(&service))
            .layer(map_response_with_state(Arc::clone(&service), dated));
        server.serve(certificates.tls, router);
        Self { service, ca_pem: certificates.ca_pem, _server: server }
    }

    /// The API's base, such as `https://127.0.0.1:41234`, without `/api`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.service.base_url
    }

    /// The sign-in authority, in the place of `https://login.microsoftonline.com`. It is on the same host as the API.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.service.base_url
    }

    /// What tokens are for; a scope asks for it with `/.default` behind. It is the real service's, and not a URL of the
    /// emulator: <https://learn.microsoft.com/defender-endpoint/api/exposed-apis-create-app-webapp>.
    #[must_use]
    pub fn audience(&self) -> &str {
        AUDIENCE
    }

    /// The one tenant, a GUID made at start.
    #[must_use]
    pub fn tenant_id(&self) -> &str {
        &self.service.identity.tenant_id
    }

    /// The one application's client id, a GUID made at start.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.service.identity.client_id
    }

    /// The application's secret, made at start. It has characters that must be percent-encoded in a form.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.service.identity.client_secret
    }

    /// The ids of the machines that are onboarded, always the same.
    #[must_use]
    pub fn machine_ids(&self) -> Vec<&str> {
        MACHINES.into_iter().map(|(id, _)| id).collect()
    }

    /// The certificate of the CA, made at start, that a client must trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Every POST that the API has received, whatever came of it, in the order in which they came.
    #[must_use]
    pub fn ledger(&self) -> Vec<Entry> {
        self.service.ledger.entries()
    }
}

impl fmt::Debug for Emulator {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("service", &self.service).finish_non_exhaustive()
    }
}

/// Puts the clock's date on an answer. hyper would put the machine's.
async fn dated(State(service): State<Arc<Service>>, mut response: Response) -> Response {
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&service.clock.now());
    if let Some(date) = date.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

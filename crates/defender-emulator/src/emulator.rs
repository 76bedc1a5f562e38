//! The handle of a running emulator.

use std::{fmt, sync::Arc};

use rustls::ServerConfig;

use crate::{
    Entry, Fault, FaultRule, InProcess, MachineState, Outcome, OutcomeRule, listen::server::Server, service::Service,
    settings::APPLICATION_NAME,
};

/// A Defender for Endpoint service, and the Entra ID that issues its tokens, on the loopback of this machine.
///
/// Dropping the emulator closes its listener and its connections.
pub struct Emulator {
    pub(crate) service: Arc<Service>,
    machine_ids: Vec<Arc<str>>,
    ca_pem: String,
    /// The servers of the API and of managed identities.
    _servers: Option<(Server, Server)>,
}

impl Emulator {
    pub(crate) fn serve(
        service: Service,
        (ca_pem, tls): (String, Arc<ServerConfig>),
        server: Server,
        identity: Server,
    ) -> Self {
        let emulator = Self::without_socket(service);
        server.serve(tls, Arc::clone(&emulator.service));
        identity.serve_identities(Arc::clone(&emulator.service));
        Self { ca_pem, _servers: Some((server, identity)), ..emulator }
    }

    pub(crate) fn without_socket(service: Service) -> Self {
        let machine_ids = service.world().machines.all().iter().map(|machine| Arc::clone(&machine.id)).collect();
        Self { service: Arc::new(service), machine_ids, ca_pem: String::new(), _servers: None }
    }

    /// Returns a transport to the emulator without a socket, even if the emulator also listens on one. The transport needs no
    /// runtime, so that a test can drive it with a manual clock alone.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use defender_emulator::Emulator;
    /// use defender_transport::Transport;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = Emulator::builder().in_process()?;
    /// let url = format!("{}/api/machines", emulator.base_url());
    /// let response = emulator.transport().send(http::Request::get(url).body(Bytes::new())?).await?;
    /// assert_eq!(response.status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn transport(&self) -> InProcess {
        InProcess::new(Arc::clone(&self.service))
    }

    /// Arms a fault for every request from now on. The methods of the returned rule narrow it.
    ///
    /// If several rules match a request, the first one applies.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use defender_emulator::{Emulator, Fault, Operation};
    ///
    /// let emulator = Emulator::start().await?;
    /// emulator.fault(Fault::ResetAfterEffect).on(Operation::Isolate).times(1);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::must_use_candidate, reason = "the rule holds already")]
    pub fn fault(&self, fault: Fault) -> FaultRule {
        self.service.faults.add(fault)
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

    /// The audience of tokens; a scope is the audience and `/.default`. The audience is the real service's, and not a URL of
    /// the emulator: <https://learn.microsoft.com/defender-endpoint/api/exposed-apis-create-app-webapp>.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.service.audience()
    }

    /// The one tenant: `7e4a47d0-0000-4000-8000-000000000001`, unless a seed of ids or a kept folder has another.
    #[must_use]
    pub fn tenant_id(&self) -> &str {
        &self.service.identity.tenant_id
    }

    /// The one application's client id: `c11e47d0-0000-4000-8000-000000000002`, likewise.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.service.identity.client_id
    }

    /// The display name of the one application, which records have as `requestor`: `Contoso Response Automation`.
    #[must_use]
    pub fn application_name(&self) -> &str {
        APPLICATION_NAME
    }

    /// The application's secret: `e+8Q~%defender-emulator.opens_nothing_else`, likewise. It has characters that must be
    /// percent-encoded in a form.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.service.identity.client_secret
    }

    /// The ids of the machines, always the same.
    #[must_use]
    pub fn machine_ids(&self) -> Vec<&str> {
        self.machine_ids.iter().map(|id| &**id).collect()
    }

    /// The certificate of the CA, made at start, that a client must trust, as PEM. Empty for an emulator without a socket.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Returns the state of the machine of this id; `None` for an unknown machine.
    #[must_use]
    pub fn machine(&self, id: &str) -> Option<MachineState> {
        self.service.machine_state(id)
    }

    /// Takes the machine with this id offline: actions on it wait, and time out after three
    /// days. Returns `false` for an unknown machine.
    #[expect(clippy::must_use_candidate, reason = "most know that it is there")]
    pub fn machine_offline(&self, id: &str) -> bool {
        self.service.set_online(id, false)
    }

    /// Brings the machine with this id back online: actions that waited begin, and end as [ordered](Self::outcome). Returns
    /// `false` for an unknown machine.
    #[expect(clippy::must_use_candidate, reason = "most know that it is there")]
    pub fn machine_online(&self, id: &str) -> bool {
        self.service.set_online(id, true)
    }

    /// Sets the end of all actions requested from now on. The methods of the returned rule narrow it.
    ///
    /// If several rules match an action, the first one applies; if none does, the action ends as `Succeeded`.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use defender_emulator::{Emulator, Outcome};
    ///
    /// let emulator = Emulator::start().await?;
    /// emulator.outcome(Outcome::Failed { error_hresult: -2147024891 }).of_type("Isolate").times(1);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::must_use_candidate, reason = "the rule holds already")]
    pub fn outcome(&self, outcome: Outcome) -> OutcomeRule {
        self.service.outcomes.add(outcome)
    }

    /// Every POST, PATCH and DELETE that the API has received, with any result, in the order of arrival.
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

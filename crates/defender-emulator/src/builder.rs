//! How an emulator is set up.

use std::{sync::Arc, time::Duration};

use defender_transport::{Clock, SystemClock};

use crate::{
    Deflate, Emulator, Error,
    actions::Actions,
    certificate::Certificates,
    identity::{Identity, ROLES},
    jwt::TokenKey,
    ledger::Ledger,
    machine_action::Pace,
    server::Server,
    service::Service,
};

/// Sets up an [`Emulator`].
#[derive(Clone, Debug)]
#[must_use = "nothing listens until `start`"]
pub struct EmulatorBuilder {
    clock: Arc<dyn Clock>,
    port: u16,
    pace: Pace,
    left_out: Vec<String>,
    deflate: Deflate,
    token_lifetime: Duration,
}

impl EmulatorBuilder {
    pub(crate) fn new() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            port: 0,
            pace: Pace { pending_for: Duration::from_secs(1), running_for: Duration::from_secs(2) },
            left_out: Vec::new(),
            deflate: Deflate::Off,
            token_lifetime: Duration::from_secs(3599),
        }
    }

    /// The clock by which actions move, tokens expire and answers are dated. Default: [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The port on 127.0.0.1. Default: 0, which is any that is free.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// How long an action is `Pending`. Default: 1 s. The real service keeps one pending for up to three days while the
    /// machine is offline (<https://learn.microsoft.com/defender-endpoint/api/run-live-response>).
    pub fn pending_for(mut self, pending_for: Duration) -> Self {
        self.pace.pending_for = pending_for;
        self
    }

    /// How long an action is `InProgress` after that, before it is `Succeeded`. Default: 2 s.
    pub fn running_for(mut self, running_for: Duration) -> Self {
        self.pace.running_for = running_for;
        self
    }

    /// Leaves `role`, such as `Machine.RestrictExecution`, out of the tokens, as if nobody had consented to it. May be
    /// called for several.
    pub fn without_role(mut self, role: impl Into<String>) -> Self {
        self.left_out.push(role.into());
        self
    }

    /// Whether the API's answers come compressed unasked. Default: [`Deflate::Off`].
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.deflate = deflate;
        self
    }

    /// How long a token is good for, to the second. Default: 3599 s, as Entra's pages show it.
    pub fn token_lifetime(mut self, token_lifetime: Duration) -> Self {
        self.token_lifetime = token_lifetime;
        self
    }

    /// Makes the certificates and the secret, and listens. It must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// The port is taken, a role that is left out does not exist, or the system gives no random bytes; the message says
    /// which.
    pub async fn start(self) -> Result<Emulator, Error> {
        if let Some(unknown) = self.left_out.iter().find(|role| !ROLES.contains(&role.as_str())) {
            return Err(Error::role(unknown, &ROLES));
        }
        let certificates = Certificates::generate()?;
        let (identity, key) = (Identity::generate()?, TokenKey::generate()?);
        let (server, port) = Server::bind(self.port).await?;
        let service = Service {
            clock: self.clock,
            base_url: format!("https://127.0.0.1:{port}"),
            identity,
            key,
            roles: ROLES.into_iter().filter(|role| !self.left_out.iter().any(|left_out| left_out == role)).collect(),
            token_lifetime: self.token_lifetime,
            deflate: self.deflate,
            actions: Actions::new(self.pace),
            ledger: Ledger::default(),
        };
        Ok(Emulator::serve(service, certificates, server))
    }
}

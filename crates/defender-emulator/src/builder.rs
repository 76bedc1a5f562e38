//! The setup of an emulator.

mod responses;
mod sign_in;

use std::{io::Write, path::Path, sync::Arc, time::Duration};

use defender_transport::{Clock, SystemClock};

use crate::{
    AlpnProtocols, Duplicates, Emulator, Error, InOperator, Investigations, Quotas, RetryAfterForm, State,
    clock::manual::HandClock,
    entra::{identity::Identity, jwt::TokenKey},
    http::operation::ROLES,
    ids::Ids,
    listen::{certificate::Pem, server::Server},
    service::{Service, Urls},
    settings::Settings,
    state_dir::StateDir,
    store::request_log::Log,
};

/// Sets up an [`Emulator`].
///
/// ```
/// use std::time::Duration;
///
/// use defender_emulator::{Duplicates, Emulator};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let emulator = Emulator::builder()
///     .machines(25)
///     .pending_for(Duration::ZERO) // actions begin at once
///     .running_for(Duration::from_secs(1))
///     .duplicates(Duplicates::Join)
///     .without_role("Machine.Isolate") // as if the permission were not granted
///     .start()
///     .await?;
/// println!("{} {}", emulator.base_url(), emulator.client_id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing listens until `start`"]
pub struct EmulatorBuilder {
    clock: Arc<dyn Clock>,
    port: u16,
    offer: AlpnProtocols,
    certificate: Option<(String, String)>,
    state_dir: Option<StateDir>,
    left_out: Vec<String>,
    settings: Settings,
}

impl Emulator {
    /// Starts an emulator with every default, inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`EmulatorBuilder::start`].
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Returns a builder with every default.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::new()
    }

    /// Returns a builder with random faults in a share (`rate`, 0 to 1) of all requests, by this seed: see
    /// [`EmulatorBuilder::chaotic`].
    pub fn chaotic(seed: u64, rate: f64) -> EmulatorBuilder {
        Self::builder().chaotic(seed, rate)
    }
}

impl EmulatorBuilder {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(SystemClock::new());
        Self {
            clock,
            port: 0,
            offer: AlpnProtocols::Both,
            certificate: None,
            state_dir: None,
            left_out: Vec::new(),
            settings: Settings::default(),
        }
    }

    /// The clock by which actions move, tokens expire and responses are dated. Default: [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self.settings.hands = None;
        self
    }

    /// The port on 127.0.0.1. Default: 0, which is any free port.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the versions of HTTP that a client may choose from. Default: [`AlpnProtocols::Both`].
    pub fn http(mut self, offer: AlpnProtocols) -> Self {
        self.offer = offer;
        self
    }

    /// The server's certificate and those that lead from it to its CA, and its key, both as PEM. It must be good for
    /// `127.0.0.1` and `localhost`; [`Emulator::ca_pem`] is what is given here. Default: a CA made at start.
    pub fn certificate(mut self, chain_pem: impl Into<String>, key_pem: impl Into<String>) -> Self {
        self.certificate = Some((chain_pem.into(), key_pem.into()));
        self
    }

    /// Keeps certificates, port, tenant, client id and secret in this folder, which is made where it is missing, so that the
    /// next start has the same. Nothing of the machines and actions is kept. Default: nothing is kept.
    pub fn state_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.state_dir = Some(StateDir::at(path.as_ref()));
        self
    }

    /// Sets the time that an action is `Pending`. Default: 1 s. The real service keeps one pending for up to three days while
    /// the machine is offline (<https://learn.microsoft.com/defender-endpoint/api/run-live-response>).
    pub fn pending_for(mut self, pending_for: Duration) -> Self {
        self.settings.pace.pending_for = pending_for;
        self
    }

    /// Sets the time that an action is `InProgress` after that, before it is `Succeeded`. Default: 2 s.
    pub fn running_for(mut self, running_for: Duration) -> Self {
        self.settings.pace.running_for = running_for;
        self
    }

    /// Sets the response to a POST while an action of its type is active on its machine. Default: [`Duplicates::Refuse`].
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.settings.behaviors.duplicates = duplicates;
        self
    }

    /// Hides a new action for this long: reading it is a 404, and lists leave it out.
    /// Default: not at all. Other clients have seen seconds, and allow for two minutes.
    pub fn read_lag(mut self, read_lag: Duration) -> Self {
        self.settings.read_lag = read_lag;
        self
    }

    /// Sets the number of machines. Default: 3, which is also the minimum apart from none. With none, the list of machines is
    /// a 404, as <https://learn.microsoft.com/defender-endpoint/api/get-machines> documents for no recent machines.
    pub fn machines(mut self, machines: u32) -> Self {
        self.settings.machines = machines;
        self
    }

    /// Takes this machine offline at the start, as [`Emulator::machine_offline`] does later. May be called for several.
    pub fn offline(mut self, machine: impl Into<String>) -> Self {
        self.settings.offline.push(machine.into());
        self
    }

    /// Enforces the quotas or not. Default: [`Quotas::Enforced`].
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.settings.quotas = quotas;
        self
    }

    /// Sets the form of `Retry-After` in a 429. Default: [`RetryAfterForm::Seconds`].
    pub fn retry_after(mut self, form: RetryAfterForm) -> Self {
        self.settings.retry_after = form;
        self
    }

    /// Draws a [`Fault`](crate::Fault) for this share of all requests, token requests too, by this seed. Some requests
    /// never get a response, so that a client must have timeouts.
    pub fn chaotic(mut self, seed: u64, rate: f64) -> Self {
        self.settings.chaos = Some((seed, rate));
        self
    }

    /// Makes the ids of the tenant, the application, the actions and the responses, and the secret, from this seed, so that a run can
    /// be repeated exactly, and two tenants differ. Keys are new at each start in any case. Default: the tenant and the
    /// application of every emulator, and new ids of actions at each start.
    pub fn ids(mut self, seed: u64) -> Self {
        self.settings.ids = Some(seed);
        self
    }

    /// Sets the lifetime of download links. Default: 30 minutes, as
    /// <https://learn.microsoft.com/defender-endpoint/api/get-live-response-result> has it; of a package's link its page
    /// only calls it short-lived.
    pub fn link_lifetime(mut self, link_lifetime: Duration) -> Self {
        self.settings.link_lifetime = link_lifetime;
        self
    }

    /// Adds this many actions at the start, all of which have ended long ago. Default: none. They are spread over the
    /// machines and the types, a second apart, for tests of long lists.
    pub fn history(mut self, actions: u32) -> Self {
        self.settings.history = actions;
        self
    }

    /// Sets the rows of a page, if `$top` asks for no fewer. Default, and the most: 10,000, as
    /// <https://learn.microsoft.com/defender-endpoint/api/get-machineactions-collection> has it. Fewer make next links
    /// come sooner.
    pub fn page_size(mut self, rows: usize) -> Self {
        self.settings.page_size = rows.max(1);
        self
    }

    /// Accepts the operator `in` in filters or not. Default: [`InOperator::Refused`].
    pub fn in_operator(mut self, operator: InOperator) -> Self {
        self.settings.in_operator = operator;
        self
    }

    /// Accepts the start of investigations or not. Default: [`Investigations::Retired`].
    pub fn investigations(mut self, investigations: Investigations) -> Self {
        self.settings.investigations = investigations;
        self
    }

    /// Adds a file to the live-response library at the start: a missing script or file fails its command. Default:
    /// none.
    pub fn library_file(mut self, name: impl Into<String>, content: impl AsRef<[u8]>) -> Self {
        self.settings.library.push((name.into(), content.as_ref().to_vec()));
        self
    }

    /// Sets the initial state. Default: [`machines`](Self::machines) and [`history`](Self::history) alone; where the state has
    /// machines, those are all.
    pub fn state(mut self, state: State) -> Self {
        self.settings.state = state;
        self
    }

    /// Writes a line of JSON for every request: time, method, path, operation, client request id, status, fault. No token, no
    /// body, and of queries only the API's own. Default: no log.
    pub fn log(mut self, to: impl Write + Send + 'static) -> Self {
        self.settings.log = Some(Log::new(to));
        self
    }

    /// Serves `/emulator` over HTTP, as the program does, for faults, the ledger and the rest: for
    /// tests in another process. Default: off.
    pub fn control_over_http(mut self) -> Self {
        self.settings.has_control = true;
        self
    }

    /// As [`clock`](Self::clock), with a clock that stands at the current time until it is advanced over HTTP: see
    /// [`control_over_http`](Self::control_over_http).
    pub fn clock_over_http(mut self) -> Self {
        let hands = HandClock::at(SystemClock::new().now());
        self = self.clock(Arc::new(hands.clone())).control_over_http();
        self.settings.hands = Some(hands);
        self
    }

    /// Makes the certificates and the secret, and listens. It must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// The port is taken, a role that is left out or a machine that is offline does not exist, the state has dates in the
    /// future, or the system gives no random bytes; the message names the cause.
    pub async fn start(self) -> Result<Emulator, Error> {
        self.check()?;
        let ids = Ids::new(self.settings.ids);
        let (kept_port, identity) = self.identity(&ids)?;
        let pem = self.pem()?;
        let tls = pem.server(self.offer)?;
        let (server, port) = Server::bind(if self.port == 0 { kept_port } else { self.port }).await?;
        if let Some(dir) = &self.state_dir {
            dir.keep(port, &identity, &pem)?;
        }
        let (identity_server, identity_port) = Server::bind(0).await?;
        let urls = Urls {
            base: format!("https://127.0.0.1:{port}"),
            // A link's host is not the API's.
            blobs: format!("https://localhost:{port}"),
            identities: format!("http://127.0.0.1:{identity_port}"),
        };
        Ok(Emulator::serve(self.service(urls, (ids, identity))?, (pem.ca, tls), server, identity_server))
    }

    /// As [`start`](Self::start), but without certificates and without a socket: [`Emulator::transport`] is the only way
    /// in. It needs no runtime.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), except for the port.
    pub fn in_process(self) -> Result<Emulator, Error> {
        self.check()?;
        let urls = Urls {
            base: "https://defender-emulator.test".to_owned(),
            blobs: "https://blobs.defender-emulator.test".to_owned(),
            // The real one's, which is the same on every machine.
            identities: "http://169.254.169.254".to_owned(),
        };
        let ids = Ids::new(self.settings.ids);
        let (_, identity) = self.identity(&ids)?;
        Ok(Emulator::without_socket(self.service(urls, (ids, identity))?))
    }

    fn check(&self) -> Result<(), Error> {
        let unknown = self.left_out.iter().find(|role| !ROLES.contains(&role.as_str()));
        unknown.map_or(Ok(()), |unknown| Err(Error::role(unknown, &ROLES)))?;
        self.settings.state.check_at(self.clock.now())
    }

    /// The port and the identity that were kept, or 0 and a new one.
    fn identity(&self, ids: &Ids) -> Result<(u16, Identity), Error> {
        let kept = self.state_dir.as_ref().map(StateDir::identity).transpose()?.flatten();
        Ok(kept.unwrap_or_else(|| (0, Identity::new(ids))))
    }

    fn pem(&self) -> Result<Pem, Error> {
        if let Some((chain, key)) = &self.certificate {
            return Ok(Pem { ca: chain.clone(), chain: chain.clone(), key: key.clone() });
        }
        match self.state_dir.as_ref().map(StateDir::certificates).transpose()?.flatten() {
            Some(kept) => Ok(kept),
            None => Pem::generate(),
        }
    }

    fn service(self, urls: Urls, (ids, identity): (Ids, Identity)) -> Result<Service, Error> {
        let secrets = (identity, TokenKey::generate()?);
        let roles = ROLES.into_iter().filter(|role| !self.left_out.iter().any(|left_out| left_out == role)).collect();
        let service = Service::new(self.clock, urls, (ids, secrets), roles, self.settings);
        match service.settings.offline.iter().find(|machine| service.machine_state(machine).is_none()) {
            Some(unknown) => Err(Error::machine(unknown)),
            None => Ok(service),
        }
    }
}

//! How an emulator is set up.

use std::{io::Write, path::Path, sync::Arc, time::Duration};

use defender_transport::{Clock, SystemClock};

use crate::{
    AssertionUse, Comments, CreatedStatus, DateHeader, Deflate, Duplicates, Emulator, Error, ExternalIds, FastClock,
    FirstUpdate, Fractions, HttpOffer, InOperator, Investigations, Nulls, Particulars, Quotas, Requestor,
    RetryAfterForm, Rows, State, Targets, Transcripts, UpdateName,
    certificate::Pem,
    hand_clock::HandClock,
    identity::{Identity, ROLES},
    ids::Ids,
    jwt::TokenKey,
    log::Log,
    server::Server,
    service::{Service, Settings, Urls},
    state_dir::StateDir,
};

/// Sets up an [`Emulator`].
#[derive(Clone, Debug)]
#[must_use = "nothing listens until `start`"]
pub struct EmulatorBuilder {
    clock: Arc<dyn Clock>,
    port: u16,
    offer: HttpOffer,
    certificate: Option<(String, String)>,
    state_dir: Option<StateDir>,
    left_out: Vec<String>,
    settings: Settings,
}

impl EmulatorBuilder {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(SystemClock::new());
        Self {
            clock,
            port: 0,
            offer: HttpOffer::Both,
            certificate: None,
            state_dir: None,
            left_out: Vec::new(),
            settings: Settings::default(),
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

    /// Which versions of HTTP a client may choose from. Default: [`HttpOffer::Both`].
    pub fn http(mut self, offer: HttpOffer) -> Self {
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

    /// How long an action is `Pending`. Default: 1 s. The real service keeps one pending for up to three days while the
    /// machine is offline (<https://learn.microsoft.com/defender-endpoint/api/run-live-response>).
    pub fn pending_for(mut self, pending_for: Duration) -> Self {
        self.settings.pace.pending_for = pending_for;
        self
    }

    /// How long an action is `InProgress` after that, before it is `Succeeded`. Default: 2 s.
    pub fn running_for(mut self, running_for: Duration) -> Self {
        self.settings.pace.running_for = running_for;
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
        self.settings.deflate = deflate;
        self
    }

    /// What becomes of a POST while an action of its type is active on its machine. Default: [`Duplicates::Refuse`].
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.settings.behaviors.duplicates = duplicates;
        self
    }

    /// How long after its making an action is not found yet: a 404 when it is read by itself, and left out of lists.
    /// Default: not at all. Other clients have seen seconds, and allow for two minutes.
    pub fn read_lag(mut self, read_lag: Duration) -> Self {
        self.settings.read_lag = read_lag;
        self
    }

    /// How many machines there are. Default, and the fewest but for none: 3. With none, the list of machines is a 404, as
    /// <https://learn.microsoft.com/defender-endpoint/api/get-machines> says of no recent machines.
    pub fn machines(mut self, machines: u32) -> Self {
        self.settings.machines = machines;
        self
    }

    /// Whether too many calls are a 429. Default: [`Quotas::Enforced`].
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.settings.quotas = quotas;
        self
    }

    /// How a 429 says when to come again. Default: [`RetryAfterForm::Seconds`].
    pub fn retry_after(mut self, form: RetryAfterForm) -> Self {
        self.settings.retry_after = form;
        self
    }

    /// Lets a [`Fault`](crate::Fault) happen to so many in 1 of all requests, of tokens too, by this seed. Some of them
    /// never get an answer, so that a client must have limits of time.
    pub fn chaotic(mut self, seed: u64, rate: f64) -> Self {
        self.settings.chaos = Some((seed, rate));
        self
    }

    /// Makes the ids of the tenant, the application, the actions and the answers from this seed, so that a run can be repeated
    /// to the letter. Keys are new at each start all the same. Default: the tenant and the application of every emulator, and
    /// ids of actions that no other start has.
    pub fn ids(mut self, seed: u64) -> Self {
        self.settings.ids = Some(seed);
        self
    }

    /// How long a link is good for. Default: 30 minutes, as
    /// <https://learn.microsoft.com/defender-endpoint/api/get-live-response-result> has it; of a package's link its page
    /// says only that it is short-lived.
    pub fn link_lifetime(mut self, link_lifetime: Duration) -> Self {
        self.settings.link_lifetime = link_lifetime;
        self
    }

    /// How many actions there are at the start, all of which have ended long ago. Default: none. They are spread over the
    /// machines and the types, a second apart, for tests of long lists.
    pub fn history(mut self, actions: u32) -> Self {
        self.settings.history = actions;
        self
    }

    /// How many rows a page has, if `$top` asks for no fewer. Default, and the most: 10,000, as
    /// <https://learn.microsoft.com/defender-endpoint/api/get-machineactions-collection> has it. Fewer make next links
    /// come sooner.
    pub fn page_size(mut self, rows: usize) -> Self {
        self.settings.page_size = rows.max(1);
        self
    }

    /// With which status an action is created. Default: [`CreatedStatus::Documented`].
    pub fn created_status(mut self, created: CreatedStatus) -> Self {
        self.settings.created = created;
        self
    }

    /// What a record calls the time of its last change. Default: [`UpdateName::Live`].
    pub fn update_name(mut self, name: UpdateName) -> Self {
        self.settings.behaviors.spelling.update_name = name;
        self
    }

    /// How many digits of a second an action's dates have. Default: [`Fractions::Seven`].
    pub fn fractions(mut self, fractions: Fractions) -> Self {
        self.settings.behaviors.spelling.fractions = fractions;
        self
    }

    /// Whether a field without a value is written. Default: [`Nulls::Written`].
    pub fn nulls(mut self, nulls: Nulls) -> Self {
        self.settings.behaviors.spelling.nulls = nulls;
        self
    }

    /// Whether the answer to an action's POST says when it last changed. Default: [`FirstUpdate::Written`].
    pub fn first_update(mut self, first: FirstUpdate) -> Self {
        self.settings.behaviors.spelling.first_update = first;
        self
    }

    /// What a record says as `requestor` of an application. Default: [`Requestor::DisplayName`].
    pub fn requestor(mut self, requestor: Requestor) -> Self {
        self.settings.behaviors.spelling.requestor = requestor;
        self
    }

    /// The display name of the application's registration. Default: `Contoso Response Automation`.
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.settings.application_name = name.into();
        self
    }

    /// When a record states its `scope` and `relatedFileInfo`. Default: [`Particulars::AfterPending`].
    pub fn particulars(mut self, particulars: Particulars) -> Self {
        self.settings.behaviors.spelling.particulars = particulars;
        self
    }

    /// What a record makes of the comment of its POST. Default: [`Comments::Blank`].
    pub fn comments(mut self, comments: Comments) -> Self {
        self.settings.behaviors.spelling.comments = comments;
        self
    }

    /// What a record says as `externalId`. Default: [`ExternalIds::Echoed`].
    pub fn external_ids(mut self, external_ids: ExternalIds) -> Self {
        self.settings.behaviors.spelling.external_ids = external_ids;
        self
    }

    /// Whether the rows of lists, and actions that are read, can be used as they are. Default: [`Rows::Readable`].
    pub fn rows(mut self, rows: Rows) -> Self {
        self.settings.behaviors.spelling.rows = rows;
        self
    }

    /// What the header `Date` says. Default: [`DateHeader::Clock`].
    pub fn date_header(mut self, date: DateHeader) -> Self {
        self.settings.behaviors.date = date;
        self
    }

    /// Whether a filter may say `in`. Default: [`InOperator::Refused`].
    pub fn in_operator(mut self, operator: InOperator) -> Self {
        self.settings.in_operator = operator;
        self
    }

    /// Whether an investigation can be started. Default: [`Investigations::Retired`].
    pub fn investigations(mut self, investigations: Investigations) -> Self {
        self.settings.investigations = investigations;
        self
    }

    /// How a script's transcript is stored. Default: [`Transcripts::Plain`].
    pub fn transcripts(mut self, transcripts: Transcripts) -> Self {
        self.settings.transcripts = transcripts;
        self
    }

    /// What the `target` of an error looks like. Default: [`Targets::Guid`].
    pub fn targets(mut self, targets: Targets) -> Self {
        self.settings.targets = targets;
        self
    }

    /// Puts a file into the live-response library at the start: a script or file that is not there fails its command. Default:
    /// none.
    pub fn library_file(mut self, name: impl Into<String>, content: impl AsRef<[u8]>) -> Self {
        self.settings.library.push((name.into(), content.as_ref().to_vec()));
        self
    }

    /// What it begins with. Default: [`machines`](Self::machines) and [`history`](Self::history) alone; where the state tells
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

    /// Lets the emulator be told faults and asked for its ledger over HTTP too, below `/emulator`, as the program does: for
    /// what drives it from another process. Default: not.
    pub fn told_over_http(mut self) -> Self {
        self.settings.is_told = true;
        self
    }

    /// As [`clock`](Self::clock), with one that stands at the time of now until it is turned over HTTP: see
    /// [`told_over_http`](Self::told_over_http).
    pub fn clock_turned_over_http(mut self) -> Self {
        let hands = HandClock::at(SystemClock::new().now());
        self.settings.hands = Some(hands.clone());
        self.clock(Arc::new(hands)).told_over_http()
    }

    /// As [`clock`](Self::clock), with a [`FastClock`] that begins at the time of now and goes `speed` times as fast as the
    /// machine's.
    pub fn clock_speed(self, speed: u32) -> Self {
        self.clock(Arc::new(FastClock::new(speed)))
    }

    /// How long a token is good for, to the second. Default: 3599 s, as Entra's pages show it.
    pub fn token_lifetime(mut self, token_lifetime: Duration) -> Self {
        self.settings.token_lifetime = token_lifetime;
        self
    }

    /// What tokens are for, beside the service's own names, of which the government clouds' are some. Default:
    /// `https://api.securitycenter.microsoft.com`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audience = Some(audience.into());
        self
    }

    /// How far the clock of whoever signs an assertion may be from the emulator's. Default: five minutes, as Entra allows;
    /// [`Duration::ZERO`] is none.
    pub fn assertion_leeway(mut self, leeway: Duration) -> Self {
        self.settings.assertion_leeway = leeway;
        self
    }

    /// How often one assertion is taken. Default: [`AssertionUse::Many`].
    pub fn assertion_use(mut self, usage: AssertionUse) -> Self {
        self.settings.assertion_use = usage;
        self
    }

    /// Registers a redirect URI beside `http://localhost`, which is always there. May be called for several.
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.settings.redirect_uris.push(uri.into());
        self
    }

    /// Makes the certificates and the secret, and listens. It must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// The port is taken, a role that is left out does not exist, the state speaks of the future, or the system gives no
    /// random bytes; the message says which.
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
    /// As [`start`](Self::start), but for the port.
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
        Ok(Service::new(self.clock, urls, (ids, secrets), roles, self.settings))
    }
}

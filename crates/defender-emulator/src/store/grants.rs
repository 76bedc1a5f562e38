//! The state of the sign-ins.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use aws_lc_rs::rsa::{KeyPair, KeySize};
use jiff::Timestamp;
use uuid::Uuid;

/// The sign-ins under way and the trusted certificates and issuers of one emulator.
pub(crate) struct Grants {
    state: Mutex<State>,
    /// The value of `IDENTITY_HEADER` on App Service.
    pub(crate) identity_header: String,
    /// Signs id tokens; made when the first is asked for, since it takes a while.
    id_key: OnceLock<Option<KeyPair>>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) certificates: Vec<Certificate>,
    /// Issuers whose tokens are accepted for the application.
    pub(crate) federations: Vec<Federation>,
    /// The ids of assertions that were used.
    pub(crate) used: BTreeSet<String>,
    /// By device code.
    pub(crate) devices: BTreeMap<String, Device>,
    /// By authorization code.
    pub(crate) codes: BTreeMap<String, Code>,
    pub(crate) refresh_tokens: BTreeMap<String, SignIn>,
}

/// A federated credential of the application's.
pub(crate) struct Federation {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    pub(crate) public_key: Vec<u8>,
}

/// The sign-in of a refresh token.
pub(crate) struct SignIn {
    /// The time of its last use, or of its issue.
    pub(crate) used: Timestamp,
    pub(crate) is_revoked: bool,
    pub(crate) wanted: Wanted,
}

/// The audience and tokens that a sign-in asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) audience: String,
    /// As they were written; empty at the older endpoint.
    pub(crate) scopes: Vec<String>,
    /// A refresh token is wanted.
    pub(crate) keeps: bool,
    /// An id token is wanted.
    pub(crate) names: bool,
}

/// A certificate of the application's, by its two thumbprints.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) sha1: Vec<u8>,
    pub(crate) sha256: Vec<u8>,
    pub(crate) public_key: Vec<u8>,
}

/// A code that waits to be entered.
pub(crate) struct Device {
    pub(crate) user_code: String,
    pub(crate) ends: Duration,
    pub(crate) interval: Duration,
    /// The time of the last poll.
    pub(crate) looked: Option<Duration>,
    pub(crate) decision: Option<bool>,
    pub(crate) wanted: Wanted,
}

/// A browser that has signed in.
pub(crate) struct Code {
    pub(crate) redirect_uri: String,
    /// By PKCE; only a client that proves who it is may do without.
    pub(crate) challenge: Option<Challenge>,
    pub(crate) nonce: Option<String>,
    pub(crate) ends: Timestamp,
    pub(crate) is_used: bool,
    pub(crate) wanted: Wanted,
}

/// The expected hash of a verifier.
pub(crate) enum Challenge {
    Plain(String),
    /// By its SHA-256.
    S256(String),
}

impl Grants {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uploads a certificate to the application.
    pub(crate) fn trust(&self, certificate: Certificate) {
        self.state().certificates.push(certificate);
    }

    /// Gives the application a federated credential.
    pub(crate) fn federate(&self, federation: Federation) {
        self.state().federations.push(federation);
    }

    /// Ends every sign-in so far.
    pub(crate) fn revoke(&self) {
        self.state().refresh_tokens.values_mut().for_each(|sign_in| sign_in.is_revoked = true);
    }

    /// Enters a device's code; returns `false` for an unknown code.
    pub(crate) fn enter(&self, user_code: &str, agrees: bool) -> bool {
        let mut state = self.state();
        let device = state.devices.values_mut().find(|device| device.user_code == user_code);
        device.map(|device| device.decision = Some(agrees)).is_some()
    }

    /// As at the start: nothing begun, and nothing trusted.
    pub(crate) fn reset(&self) {
        *self.state() = State::default();
    }

    /// `None` where the system gives no random bytes.
    pub(crate) fn id_key(&self) -> Option<&KeyPair> {
        self.id_key.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).ok()).as_ref()
    }
}

impl Default for Grants {
    fn default() -> Self {
        Self { state: Mutex::default(), identity_header: Uuid::new_v4().to_string(), id_key: OnceLock::new() }
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants").finish_non_exhaustive()
    }
}

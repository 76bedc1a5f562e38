//! What the grants must remember.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use aws_lc_rs::rsa::{KeyPair, KeySize};
use jiff::Timestamp;
use uuid::Uuid;

use super::wanted::Wanted;

/// What was begun and what is trusted, for one emulator.
pub(crate) struct Grants {
    state: Mutex<State>,
    /// What App Service would put into `IDENTITY_HEADER`.
    pub(super) identity_header: String,
    /// Signs id tokens; made when the first is asked for, since it takes a while.
    id_key: OnceLock<Option<KeyPair>>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) certificates: Vec<Certificate>,
    /// Tokens of another issuer that are taken for the application, whatever they say.
    pub(super) federated: BTreeSet<String>,
    /// Issuers whose tokens are.
    pub(super) federations: Vec<Federation>,
    /// The ids of assertions that were used.
    pub(super) used: BTreeSet<String>,
    /// By device code.
    pub(super) devices: BTreeMap<String, Device>,
    /// By authorization code.
    pub(super) codes: BTreeMap<String, Code>,
    pub(super) refresh_tokens: BTreeMap<String, SignIn>,
}

/// A federated credential of the application's.
pub(crate) struct Federation {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    pub(crate) public_key: Vec<u8>,
}

/// What a refresh token stands for.
pub(super) struct SignIn {
    /// When it was given, or used last.
    pub(super) used: Timestamp,
    pub(super) is_revoked: bool,
    pub(super) wanted: Wanted,
}

/// A certificate of the application's, by its two thumbprints.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) sha1: Vec<u8>,
    pub(crate) sha256: Vec<u8>,
    pub(crate) public_key: Vec<u8>,
}

/// A code that waits to be entered.
pub(super) struct Device {
    pub(super) user_code: String,
    pub(super) ends: Duration,
    pub(super) interval: Duration,
    /// When it was asked for last.
    pub(super) looked: Option<Duration>,
    pub(super) decision: Option<bool>,
    pub(super) wanted: Wanted,
}

/// A browser that has signed in.
pub(super) struct Code {
    pub(super) redirect_uri: String,
    /// By PKCE; only a client that proves who it is may do without.
    pub(super) challenge: Option<Challenge>,
    pub(super) nonce: Option<String>,
    pub(super) ends: Timestamp,
    pub(super) is_used: bool,
    pub(super) wanted: Wanted,
}

/// What a verifier must lead to.
pub(super) enum Challenge {
    Plain(String),
    /// By its SHA-256.
    S256(String),
}

impl Grants {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
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

    /// Enters a device's code; says whether it was there.
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
    pub(super) fn id_key(&self) -> Option<&KeyPair> {
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

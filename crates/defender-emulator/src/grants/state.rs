//! What the grants must remember.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use uuid::Uuid;

/// What was begun and what is trusted, for one emulator.
pub(crate) struct Grants {
    state: Mutex<State>,
    /// What App Service would put into `IDENTITY_HEADER`.
    pub(super) identity_header: String,
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
pub(super) struct Federation {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) audience: String,
    pub(super) public_key: Vec<u8>,
}

/// What a refresh token stands for.
pub(super) struct SignIn {
    /// When it was given, or used last.
    pub(super) used: Timestamp,
    pub(super) is_revoked: bool,
}

/// A certificate of the application's, by its two thumbprints.
#[derive(Clone)]
pub(super) struct Certificate {
    pub(super) sha1: String,
    pub(super) sha256: String,
    pub(super) public_key: Vec<u8>,
}

/// A code that waits to be entered.
pub(super) struct Device {
    pub(super) user_code: String,
    pub(super) ends: Duration,
    pub(super) interval: Duration,
    pub(super) looked: Duration,
    pub(super) decision: Option<bool>,
    /// Whether a refresh token was asked for.
    pub(super) is_kept: bool,
}

/// A browser that has signed in.
pub(super) struct Code {
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) ends: Timestamp,
    pub(super) is_used: bool,
    /// Whether a refresh token was asked for.
    pub(super) is_kept: bool,
}

impl Grants {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Grants {
    fn default() -> Self {
        Self { state: Mutex::default(), identity_header: Uuid::new_v4().to_string() }
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants").finish_non_exhaustive()
    }
}

//! An access token and its lifetime.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use defender_transport::Secrets;
use http::HeaderValue;
use jiff::Timestamp;

use crate::{Claims, Error, ErrorKind, secret::Secret};

/// An access token. Cheap to clone; never printed.
#[derive(Clone)]
pub struct AccessToken {
    shared: Arc<Shared>,
    expires_on: Timestamp,
    refresh_on: Option<Timestamp>,
}

/// Text of a token, shared by its clones.
struct Shared {
    secret: Secret,
    /// Value of the header, made once; `None` if no header may have the text. Copying the text for each call would cost 1,000 of its
    /// 140,000 instructions.
    header: OnceLock<Option<HeaderValue>>,
}

impl AccessToken {
    /// A token that is good until `expires_on`.
    #[must_use]
    pub fn new(secret: impl Into<String>, expires_on: Timestamp) -> Self {
        let shared = Shared { secret: Secret::new(secret), header: OnceLock::new() };
        Self { shared: Arc::new(shared), expires_on, refresh_on: None }
    }

    /// A token as an issuer gave it at `now`. Refused if it has ended already, or if no header can carry it.
    pub(crate) fn issued(text: &str, now: Timestamp, expires_on: Timestamp) -> Result<Self, Error> {
        let unusable = |what: &str| Err(Error::new(ErrorKind::Response).context(what));
        if text.is_empty() {
            return unusable("its token is empty");
        }
        // The characters that RFC 6749 allows, less the blank. A token with others would fail each call until its end.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return unusable("its token holds a byte that no token has");
        }
        if expires_on <= now {
            // Kept, it would be asked for again at each call.
            return unusable("its token has ended already; check this machine's clock");
        }
        Ok(Self::new(text, expires_on))
    }

    /// The token of a credential of any kind; refused if no header can carry it, since it would fail each call until its end.
    pub(crate) fn fit_for_header(self) -> Result<Self, Error> {
        if self.secret().is_empty() {
            return Err(Error::new(ErrorKind::Response).context("its token is empty"));
        }
        self.header().map(|_| self)
    }

    /// Adds the moment from which it should be replaced, where the issuer names one (`refresh_in`).
    #[must_use]
    pub fn refresh_on(mut self, refresh_on: Timestamp) -> Self {
        self.refresh_on = Some(refresh_on);
        self
    }

    /// End of its lifetime.
    #[must_use]
    pub fn expires_on(&self) -> Timestamp {
        self.expires_on
    }

    /// Time from which the token should be replaced: the time that the issuer stated, and at the latest `margin` before its end.
    pub(crate) fn is_due(&self, now: Timestamp, margin: std::time::Duration) -> bool {
        self.refresh_on.is_some_and(|refresh_on| now >= refresh_on)
            || now.checked_add(margin).is_ok_and(|later| later >= self.expires_on)
    }

    /// Text of the token, for a credential or transport of your own. Keep it out of logs.
    #[must_use]
    pub fn secret(&self) -> &str {
        self.shared.secret.reveal()
    }

    /// The token as a secret that no error may show.
    pub(crate) fn secrets(&self) -> Secrets {
        Secrets::new([self.secret()])
    }

    /// Claims of the token, unverified; `None` if it is not a JWT.
    #[must_use]
    pub fn claims(&self) -> Option<Claims> {
        Claims::of(self.secret())
    }

    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> Result<HeaderValue, Error> {
        // The cause is left out: nothing that was made from the token goes into an error.
        let Shared { secret, header } = &*self.shared;
        header.get_or_init(|| secret.header("Bearer ")).clone().ok_or_else(|| {
            Error::new(ErrorKind::Response).context("the access token holds a byte that no header may have")
        })
    }
}

impl PartialEq for AccessToken {
    /// The same token: its text is the same.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) || self.shared.secret == other.shared.secret
    }
}

impl Eq for AccessToken {}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_on", &self.expires_on).finish_non_exhaustive()
    }
}

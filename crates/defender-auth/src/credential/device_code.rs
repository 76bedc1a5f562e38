//! Sign-in of a person on another device.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    AccessToken, CredentialContext, CredentialIdentity, Error, ErrorKind, IntoCredential, TokenCredential,
    TokenRequest, TokenStore,
    credential::user_sign_in::{Session, UserSignIn},
    oauth::{Polled, entra_error::shown},
};

/// Time that [`slow_down`](https://www.rfc-editor.org/rfc/rfc8628#section-3.5) adds to the interval.
const SLOWER: Duration = Duration::from_secs(5);

/// Prompt for the person who signs in, without characters that a terminal takes for commands. `Debug` shows no code.
#[non_exhaustive]
pub struct DeviceCodePrompt {
    /// Code to enter there.
    pub user_code: String,
    /// Page on which to enter the code, on any device.
    pub verification_uri: String,
    /// Text of Entra with the page and the code.
    pub message: String,
    /// Lifetime of the code.
    pub expires_in: Duration,
}

impl fmt::Debug for DeviceCodePrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCodePrompt")
            .field("verification_uri", &self.verification_uri)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

type Prompt = dyn Fn(&DeviceCodePrompt) + Send + Sync;

/// A person who signs in with a browser on any device: for a terminal on a server.
///
/// The person is asked at the first token, and again only when the sign-in cannot be refreshed and the last token has expired.
/// The call that needs this token waits for the person, 15 minutes at most; if it is dropped earlier, the next call begins a new
/// sign-in. A call to the API has its own, shorter time limit, which also ends the wait. So request a token first, and let the
/// person sign in before the first call. The application must allow public client flows.
///
/// An attacker can persuade a person to enter a code. Show the code only to the person who began the sign-in.
///
/// <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-device-code>
///
/// ```
/// use defender_auth::DeviceCodeCredential;
///
/// let credential = DeviceCodeCredential::new("contoso.com", "client-id", |prompt| eprintln!("{}", prompt.message));
/// ```
#[derive(Clone)]
pub struct DeviceCodeCredential {
    person: UserSignIn,
    prompt: Arc<Prompt>,
}

impl DeviceCodeCredential {
    /// A person of `tenant` (an id, a domain, or `organizations`) who signs in to the application `client_id`; `prompt`
    /// shows them what to do.
    #[must_use]
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        prompt: impl Fn(&DeviceCodePrompt) + Send + Sync + 'static,
    ) -> Self {
        Self { person: UserSignIn::new(tenant, client_id), prompt: Arc::new(prompt) }
    }

    /// The API's delegated permissions to ask for, such as `Machine.Isolate`. Default: all that were granted.
    #[must_use]
    pub fn permissions(mut self, permissions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.person.permissions = permissions.into_iter().map(Into::into).collect();
        self
    }

    /// Store of the refresh token. Default: in memory, so that the person is asked once per process.
    #[must_use]
    pub fn store(mut self, store: impl TokenStore + 'static) -> Self {
        self.person.store = Arc::new(store);
        self
    }
}

impl fmt::Debug for DeviceCodeCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCodeCredential").field("person", &self.person).finish_non_exhaustive()
    }
}

impl IntoCredential for DeviceCodeCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        let session = self.person.session(context)?;
        Ok(context.cached(DeviceCodeFlow { session, prompt: self.prompt }))
    }

    fn identity(&self) -> CredentialIdentity {
        self.person.identity()
    }
}

struct DeviceCodeFlow {
    session: Session,
    prompt: Arc<Prompt>,
}

impl fmt::Debug for DeviceCodeFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode").field("session", &self.session).finish_non_exhaustive()
    }
}

impl DeviceCodeFlow {
    async fn sign_in(&self, claims: Option<&str>) -> Result<AccessToken, Error> {
        let Session { endpoint, client_id, scope, .. } = &self.session;
        let clock = endpoint.clock();
        let mut tries = endpoint.tries();
        let code = loop {
            match endpoint.device_code(client_id, scope, claims).await {
                Err(error) => tries.after(error).await?,
                Ok(code) => break code,
            }
        };
        let ends = clock.elapsed().saturating_add(code.expires_in);
        // They go to a terminal as they are.
        let (user_code, verification_uri) = (shown(&code.user_code), shown(&code.verification_uri));
        let message = code.message.as_deref().map_or_else(
            || format!("To sign in, open {verification_uri} in a browser and enter the code {user_code}."),
            shown,
        );
        (self.prompt)(&DeviceCodePrompt { user_code, verification_uri, message, expires_in: code.expires_in });
        let mut interval = code.interval;
        loop {
            clock.sleep(interval).await;
            if clock.elapsed() >= ends {
                return Err(Error::new(ErrorKind::SignIn).context("nobody entered the code while it was good"));
            }
            match endpoint.poll(client_id, &code).await {
                Ok(Polled::Granted(granted)) => return self.session.keep(granted).await,
                Ok(Polled::Pending) => {}
                Ok(Polled::SlowDown) => interval = interval.saturating_add(SLOWER),
                // The person cannot help it: RFC 8628 has the client back off and go on.
                Err(error) if error.is_retryable() => interval = interval.saturating_mul(2),
                Err(error) => return Err(error),
            }
        }
    }
}

#[async_trait]
impl TokenCredential for DeviceCodeFlow {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        match self.session.kept_up(ask).await? {
            Some(token) => Ok(token),
            None => self.sign_in(ask.claims.as_deref()).await,
        }
    }
}

//! An application that asks for itself, with any proof of its identity.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    AccessToken, CredentialContext, EntraError, Error, TokenCredential, TokenRequest,
    credential::{registration::Registration, token_file::TokenFile},
    oauth::{ClientAuthParams, TokenEndpoint},
    secret::Secret,
};

/// Proof of an application's identity.
#[derive(Debug)]
pub(crate) enum ClientAuth {
    /// By a secret that it shares with Entra.
    Secret(Secret),
    /// By signing.
    #[cfg(feature = "certificate")]
    Certificate(crate::credential::certificate::signer::Signer),
    /// By a token that somebody else signed, in a file.
    File(TokenFile),
}

impl ClientAuth {
    /// The proof to send to `endpoint` now.
    #[cfg_attr(not(feature = "certificate"), expect(unused_variables, reason = "only an assertion of ours names it"))]
    pub(crate) fn proof(&self, endpoint: &TokenEndpoint) -> Result<ClientAuthParams, Error> {
        match self {
            Self::Secret(secret) => Ok(ClientAuthParams::Secret(secret.clone())),
            #[cfg(feature = "certificate")]
            Self::Certificate(signer) => {
                signer.sign(endpoint.url(), endpoint.clock().now()).map(ClientAuthParams::Assertion)
            }
            Self::File(file) => file.read().map(ClientAuthParams::Assertion),
        }
    }
}

/// The live credential of an application, which keeps its token.
pub(crate) fn connect(
    context: &CredentialContext,
    (registration, client_auth): (Registration, ClientAuth),
) -> Result<Arc<dyn TokenCredential>, Error> {
    let endpoint = TokenEndpoint::new(context, &registration.tenant, registration.authority.as_deref())?;
    let granted = AtomicBool::new(false);
    Ok(context.cached(Application { client_id: registration.client_id, client_auth, endpoint, granted }))
}

#[derive(Debug)]
struct Application {
    client_id: String,
    client_auth: ClientAuth,
    endpoint: TokenEndpoint,
    /// True once it has had a token, so that the trust in it has spread.
    granted: AtomicBool,
}

impl Application {
    /// Wait before another attempt after `error`, if the error may come from a trust that is still spreading: a federated
    /// credential takes a while to be known everywhere. `waited` so far, a minute at most.
    fn while_trust_spreads(&self, error: &Error, waited: Duration) -> Option<Duration> {
        let is_new = matches!(self.client_auth, ClientAuth::File(_)) && !self.granted.load(Ordering::Relaxed);
        let unknown = error.entra().is_some_and(EntraError::is_new_trust);
        let wait = if waited < Duration::from_secs(15) { 5 } else { 15 };
        (is_new && unknown && waited < SPREADING).then(|| Duration::from_secs(wait))
    }
}

/// Time limit for the first token of a federated credential. It is separate, since the API's call may have less time.
const SPREADING: Duration = Duration::from_secs(60);

#[async_trait]
impl TokenCredential for Application {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let mut tries = self.endpoint.tries();
        let mut waited = Duration::ZERO;
        loop {
            let proof = self.client_auth.proof(&self.endpoint)?;
            match self.endpoint.client_credentials(&self.client_id, &proof, ask.claims.as_deref()).await {
                Err(error) => match self.while_trust_spreads(&error, waited) {
                    Some(wait) => {
                        self.endpoint.clock().sleep(wait).await;
                        waited = waited.saturating_add(wait);
                    }
                    None => tries.after(error).await?,
                },
                granted => {
                    self.granted.store(true, Ordering::Relaxed);
                    return granted;
                }
            }
        }
    }
}

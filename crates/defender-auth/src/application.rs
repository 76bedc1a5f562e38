//! An application that asks for itself, however it proves who it is.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    AccessToken, Context, Error, TokenCredential, TokenRequest,
    oauth::{Proof, TokenEndpoint},
    registration::Registration,
    secret::Secret,
    workload_identity::TokenFile,
};

/// How an application proves who it is.
#[derive(Debug)]
pub(crate) enum Proving {
    /// By a secret that it shares with Entra.
    Secret(Secret),
    /// By signing.
    #[cfg(feature = "certificate")]
    Certificate(crate::certificate::Signer),
    /// By a token that somebody else signed, in a file.
    File(TokenFile),
}

impl Proving {
    /// What to send to `endpoint` now.
    #[cfg_attr(not(feature = "certificate"), expect(unused_variables, reason = "only an assertion of ours names it"))]
    pub(crate) fn proof(&self, endpoint: &TokenEndpoint) -> Result<Proof, Error> {
        match self {
            Self::Secret(secret) => Ok(Proof::Secret(secret.clone())),
            #[cfg(feature = "certificate")]
            Self::Certificate(signer) => signer.sign(endpoint.url(), endpoint.clock().now()).map(Proof::Assertion),
            Self::File(file) => file.read().map(Proof::Assertion),
        }
    }
}

/// The live credential of an application, which keeps its token.
pub(crate) fn connect(
    context: &Context,
    (registration, proving): (Registration, Proving),
) -> Result<Arc<dyn TokenCredential>, Error> {
    let endpoint = TokenEndpoint::new(context, &registration.tenant, registration.authority.as_deref())?;
    Ok(context.cached(Application { client_id: registration.client_id, proving, endpoint }))
}

#[derive(Debug)]
struct Application {
    client_id: String,
    proving: Proving,
    endpoint: TokenEndpoint,
}

#[async_trait]
impl TokenCredential for Application {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        let mut tries = self.endpoint.tries();
        loop {
            let proof = self.proving.proof(&self.endpoint)?;
            match self.endpoint.client_credentials(&self.client_id, &proof, ask.claims.as_deref()).await {
                Err(error) => tries.after(error).await?,
                granted => return granted,
            }
        }
    }
}

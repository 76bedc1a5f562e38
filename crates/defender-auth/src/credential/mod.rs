//! Token credentials, and descriptions that become one.

#[cfg(feature = "browser")]
pub(crate) mod authorization_code;
#[cfg(feature = "azure-cli")]
pub(crate) mod azure_cli;
#[cfg(feature = "certificate")]
pub(crate) mod certificate;
pub(crate) mod client_secret;
pub(crate) mod confidential_client;
pub(crate) mod context;
pub(crate) mod device_code;
pub(crate) mod environment;
#[cfg(feature = "browser")]
pub(crate) mod loopback;
pub(crate) mod managed_identity;
pub(crate) mod on_behalf_of;
pub(crate) mod refresh_token;
pub(crate) mod registration;
pub(crate) mod static_credential;
pub(crate) mod token_credential;
pub(crate) mod token_file;
pub(crate) mod user_sign_in;
pub(crate) mod workload_identity;

use std::sync::Arc;

use crate::{CredentialContext, Error, TokenCredential};

/// Becomes a live credential: a description such as
/// [`ClientSecretCredential`](crate::ClientSecretCredential), or anything that is a [`TokenCredential`] already, which
/// stays as it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a credential",
    label = "not a credential",
    note = "for a secret or a token as text, use `ClientSecretCredential::new(tenant, client_id, secret)` or `StaticCredential::new(token)`",
    note = "of a `Result` or a future, take the credential with `?` or `.await?`",
    note = "a credential of your own implements `TokenCredential`"
)]
pub trait IntoCredential {
    /// Gives the description its transport, clock and cloud.
    ///
    /// # Errors
    ///
    /// The description and the context do not make a credential; the message names what is wrong.
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error>;
}

impl<T: TokenCredential + 'static> IntoCredential for T {
    fn into_credential(self, _: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        Ok(Arc::new(self))
    }
}

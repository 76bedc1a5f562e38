//! Names of the principal, read from its token.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use defender_auth::{AccessToken, TokenCredential, TokenRequest};
use defender_transport::Clock;
use futures_util::future::{Either, select};

use super::reconcile::Names;

/// Longest wait for a token whose names are only compared. A request with its action has been sent already.
const TOKEN_WITHIN: Duration = Duration::from_secs(10);

/// Names in the current token. Each token is read once.
#[derive(Debug, Default)]
pub(crate) struct Principal(Mutex<Option<(AccessToken, Arc<Names>)>>);

impl Principal {
    /// Returns the names of the principal; `None` if the credential has no token soon.
    pub(crate) async fn names(&self, credential: &dyn TokenCredential, clock: &dyn Clock) -> Option<Arc<Names>> {
        token(credential, clock).await.map(|token| self.names_of(token))
    }

    /// Returns the names in a token. Without readable claims there is no name, and no record is excluded by its requestor.
    pub(crate) fn names_of(&self, token: AccessToken) -> Arc<Names> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*cached {
            Some((of_token, names)) if *of_token == token => Arc::clone(names),
            _ => {
                let names = Arc::new(token.claims().map(|claims| Names::of(&claims)).unwrap_or_default());
                *cached = Some((token, Arc::clone(&names)));
                names
            }
        }
    }
}

/// Returns the current token, if the credential has one soon.
async fn token(credential: &dyn TokenCredential, clock: &dyn Clock) -> Option<AccessToken> {
    if let Some(token) = credential.cached_token() {
        return Some(token);
    }
    let request = TokenRequest::new();
    match select(pin!(credential.token(&request)), clock.sleep(TOKEN_WITHIN)).await {
        Either::Left((token, _)) => token.ok(),
        Either::Right(((), _)) => None,
    }
}

//! Names of the principal, read from its token.

use std::sync::{Arc, Mutex, PoisonError};

use defender_auth::{AccessToken, TokenCredential, TokenRequest};

use super::reconcile::Names;

/// Names in the current token. Each token is read once.
#[derive(Debug, Default)]
pub(crate) struct Principal(Mutex<Option<(AccessToken, Arc<Names>)>>);

impl Principal {
    /// Returns the names of the principal. Without a readable token there are no names.
    pub(crate) async fn names(&self, credential: &dyn TokenCredential) -> Arc<Names> {
        let Ok(token) = credential.token(&TokenRequest::new()).await else { return Arc::default() };
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

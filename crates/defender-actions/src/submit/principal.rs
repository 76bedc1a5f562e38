//! The names of the principal, read from its token.

use std::sync::{Arc, Mutex, PoisonError};

use defender_auth::{AccessToken, TokenCredential, TokenRequest};

use super::reconcile::Names;

/// The names in the current token, read once a token.
#[derive(Debug, Default)]
pub(crate) struct Principal(Mutex<Option<(AccessToken, Arc<Names>)>>);

impl Principal {
    /// Names of the principal; none where there is no token, or none that can be read.
    pub(crate) async fn names(&self, credential: &dyn TokenCredential) -> Arc<Names> {
        let Ok(token) = credential.token(&TokenRequest::new()).await else { return Arc::default() };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((of, names)) if *of == token => Arc::clone(names),
            _ => {
                let names = Arc::new(token.claims().map(|claims| Names::of(&claims)).unwrap_or_default());
                *kept = Some((token, Arc::clone(&names)));
                names
            }
        }
    }
}

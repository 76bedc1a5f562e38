//! Retries of a request for a token, if the endpoint may respond otherwise in a while.

use std::{sync::Arc, time::Duration};

use defender_transport::{Clock, Retry};

use super::endpoint::TokenEndpoint;
use crate::{EntraError, Error};

/// Attempts of one request for a token.
///
/// It is a loop of the grants' own and not a layer of the transport's, since an attempt may need another assertion than the one
/// before: an assertion is good once.
pub(crate) struct RetryLoop {
    clock: Arc<dyn Clock>,
    retry: Retry,
    made: u32,
    ends: Duration,
}

impl TokenEndpoint {
    /// Starts the attempts of a request that begins now.
    pub(crate) fn tries(&self) -> RetryLoop {
        let ends = self.clock.elapsed().saturating_add(self.retry.total_timeout());
        RetryLoop { clock: Arc::clone(&self.clock), retry: self.retry, made: 0, ends }
    }
}

impl RetryLoop {
    /// Waits until the next attempt is due; returns `error` if no attempt is left.
    ///
    /// Source: <https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes> and MSAL: no connection, 429
    /// and 5xx, a few times; a 429 states after how long. The throttling of a user flow (AADSTS50196) does not, and is left to the
    /// caller.
    pub(crate) async fn after(&mut self, error: Error) -> Result<(), Error> {
        let throttled = error.entra().is_some_and(EntraError::is_throttled) && error.retry_after().is_none();
        self.after_if(error.is_retryable() && !throttled, error).await
    }

    /// As [`after`](Self::after), for a single-use proof: only if the endpoint certainly has not seen it.
    #[cfg(feature = "browser")]
    pub(crate) async fn after_if_unseen(&mut self, error: Error) -> Result<(), Error> {
        self.after_if(error.is_retryable() && error.is_unseen(), error).await
    }

    async fn after_if(&mut self, again: bool, error: Error) -> Result<(), Error> {
        self.made = self.made.saturating_add(1);
        let Some(wait) = self.retry.delay_for(self.made).filter(|_| again) else { return Err(error) };
        let wait = wait.max(error.retry_after().unwrap_or_default());
        if wait >= self.ends.saturating_sub(self.clock.elapsed()) {
            return Err(error);
        }
        self.clock.sleep(wait).await;
        Ok(())
    }
}

//! Metrics: the trait [`Observer`] and its events.

pub(crate) mod call;
mod events;
pub(crate) mod tokens;

use std::sync::Arc;

pub use self::events::{ActionEnded, ActionOutcome, ActionTask, CallEnded, End, OTHER, TokenRequestEnded, WaitEnded};

/// Receiver of the facts from which an application makes its metrics.
///
/// Each method is called once for each end, and does nothing by default. The events have values of low cardinality only, which
/// suit the labels of a metric: never an id of a machine or an action, a comment, a name, a URL, a token or the text of an error.
/// The example `metrics-opentelemetry` records them with OpenTelemetry, and `docs/observability.md` lists its metrics.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use defender_actions::{
///     DefenderClient, Observer,
///     auth::StaticCredential,
///     observe::{ActionEnded, ActionOutcome},
/// };
/// # use defender_actions::transport::testing::Never;
///
/// #[derive(Debug, Default)]
/// struct Unknown(AtomicU64);
///
/// impl Observer for Unknown {
///     fn action_ended(&self, ended: &ActionEnded<'_>) {
///         if ended.outcome == ActionOutcome::Unknown {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # fn main() -> Result<(), defender_actions::Error> {
/// let defender = DefenderClient::builder()
///     .credential(StaticCredential::new("token"))
///     .observer(Unknown::default())
///     # .transport(Never)
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// # Tenants
///
/// A client has one tenant and one observer. An application with many tenants gives each client an observer that knows the name of
/// its tenant, and so decides if the tenant becomes a label. An `Arc` of an observer is an observer, which several clients can share.
///
/// # Rules
///
/// The methods are called by the task that made the call, between the end and its return to the caller. A method that blocks
/// delays the caller, so send slow work to another task. A panic reaches the caller in place of the result: an action may
/// have been accepted, and [`recover`](crate::DefenderClient::recover) finds it. A client without an observer counts nothing.
pub trait Observer: Send + Sync {
    /// Reports the end of a call of the API, reads included. Downloads by a link are not calls of the API.
    fn call_ended(&self, ended: &CallEnded<'_>) {
        let _ = ended;
    }

    /// Reports the end of a submission, a recovery or a cancellation.
    fn action_ended(&self, ended: &ActionEnded<'_>) {
        let _ = ended;
    }

    /// Reports the end of a wait for an action. A wait that is dropped is not reported.
    fn wait_ended(&self, ended: &WaitEnded<'_>) {
        let _ = ended;
    }

    /// Reports the end of a token request, each attempt separately. A finished credential, which has its own transport, and the Azure
    /// CLI are not observed.
    fn token_request_ended(&self, ended: &TokenRequestEnded) {
        let _ = ended;
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Observer + ?Sized> Observer for Arc<T> {
    fn call_ended(&self, ended: &CallEnded<'_>) {
        (**self).call_ended(ended);
    }

    fn action_ended(&self, ended: &ActionEnded<'_>) {
        (**self).action_ended(ended);
    }

    fn wait_ended(&self, ended: &WaitEnded<'_>) {
        (**self).wait_ended(ended);
    }

    fn token_request_ended(&self, ended: &TokenRequestEnded) {
        (**self).token_request_ended(ended);
    }
}

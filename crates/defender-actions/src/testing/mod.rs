//! The kit for tests of your own code: a client over a scripted service, records, responses and errors. Exempt from semver.
//!
//! With the feature `testing`, as a rule among the `dev-dependencies`. Nothing here takes real time.
//!
//! | for | use |
//! |---|---|
//! | a client over a transport of the test | [`client`], [`builder`] |
//! | a service that gives these responses in turn, and keeps the requests | [`Capture`] |
//! | a service that expects exactly these requests | [`Tape`] |
//! | a service with mockall's expectations; one that never responds; one with faults | [`MockTransport`], [`Never`], [`Faulty`] |
//! | responses of the service | [`created`], [`ok`], [`list`], [`problem`] |
//! | records | [`action`], [`ended`], [`machine`] |
//! | errors and submissions, for code that gets them from a mock of your own | [`error`], [`submitted`] |
//! | time | [`AutoClock`], which a [`client`] has; [`ManualClock`] |
//! | a service that behaves like the real one | the crate `defender-emulator`, in process |
//!
//! ```
//! use defender_actions::{ErrorKind, testing::{self, Capture}};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let service = Capture::answering(testing::problem(403, "Forbidden"));
//! let defender = testing::client(service.clone());
//!
//! let error = defender.machine("m1".parse()?).isolate("Ransomware").await.unwrap_err();
//!
//! assert_eq!(error.kind(), ErrorKind::Forbidden);
//! assert_eq!(service.only_request().uri().path(), "/api/machines/m1/isolate");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod records;
mod responses;

use defender_auth::StaticCredential;
use defender_model::MachineAction;
use defender_transport::Transport;
pub use defender_transport::testing::{
    AnyBody, AutoClock, Capture, Fault, Faulty, ManualClock, MockTransport, Never, Tape,
};

pub use self::{
    error::{ErrorBuilder, error},
    records::{action, ended, machine},
    responses::{created, list, ok, problem},
};
use crate::{DefenderClient, DefenderClientBuilder, Origin, Submitted};

/// Returns a client over this transport, with a token of its own and an [`AutoClock`], so that retries and waits take no real time.
///
/// The transport gets every request of the client, none for a token, and nothing is ever sent to the real service. Beside sockets, as
/// those of an emulator's program, set another clock: see [`builder`].
#[must_use]
#[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "the defaults of a client are valid")]
pub fn client(transport: impl Transport + 'static) -> DefenderClient {
    builder(transport).build().expect("the defaults are valid")
}

/// Returns the builder of a [`client`], for further settings.
///
/// ```
/// use std::time::Duration;
///
/// use defender_actions::{ErrorKind, testing::{self, ManualClock, Never}};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let clock = ManualClock::new();
/// let defender = testing::builder(Never).clock(clock.clone()).attempts(1).build()?;
/// let read = defender.action("a1".parse()?).get();
/// let error = clock.run(read.into_future()).await.unwrap_err();
/// assert_eq!((error.kind(), clock.elapsed()), (ErrorKind::Interrupted, Duration::from_secs(30)));
/// # use defender_actions::transport::Clock;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn builder(transport: impl Transport + 'static) -> DefenderClientBuilder {
    DefenderClient::builder().credential(StaticCredential::new("a-token")).transport(transport).clock(AutoClock::new())
}

/// Returns an accepted action with this record, for code that gets it from a mock of your own. Its methods send requests by `client`.
///
/// A wait compares the machine and the type of later records with those of this one, as far as it states them.
///
/// ```
/// use defender_actions::{Origin, model::ActionStatus, testing::{self, Capture}};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let action = testing::action("Isolate", "Ransomware");
/// let service = Capture::answering(testing::ok(&testing::ended(&action, ActionStatus::Succeeded)));
/// let submitted = testing::submitted(&testing::client(service), action, Origin::Joined);
/// assert_eq!(submitted.wait().await?.status, ActionStatus::Succeeded);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn submitted(client: &DefenderClient, action: MachineAction, origin: Origin) -> Submitted {
    Submitted::of_record(client.clone(), action, origin)
}

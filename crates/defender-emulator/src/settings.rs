//! The choices with which an emulator is started.

use std::time::Duration;

use crate::{
    behaviors::Behaviors,
    clock::manual::HandClock,
    odata::{InOperator, LARGEST_PAGE},
    store::{
        initial_state::State,
        lifecycle::Pace,
        quota::{Quotas, RetryAfterForm},
        request_log::Log,
    },
};

/// The display name of the application.
pub(crate) const APPLICATION_NAME: &str = "Contoso Response Automation";

/// The number of built-in machines.
pub(crate) const BUILT_IN: u32 = 3;

/// The behavior of the service.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) pace: Pace,
    pub(crate) token_lifetime: Duration,
    /// Library files at the start, beside the state's.
    pub(crate) library: Vec<(String, Vec<u8>)>,
    /// The audience of tokens, where it is not the service's own name.
    pub(crate) audience: Option<String>,
    /// The allowed difference between the clock of an assertion's signer and the emulator's.
    pub(crate) assertion_leeway: Duration,
    pub(crate) assertion_use: AssertionUse,
    /// Registered redirect URIs besides `http://localhost`.
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) deflate: Deflate,
    /// The choices at the start; those of now are the service's.
    pub(crate) behaviors: Behaviors,
    pub(crate) read_lag: Duration,
    pub(crate) page_size: usize,
    pub(crate) machines: u32,
    pub(crate) history: u32,
    pub(crate) link_lifetime: Duration,
    pub(crate) quotas: Quotas,
    pub(crate) retry_after: RetryAfterForm,
    /// A seed, and how many in 1 it spoils.
    pub(crate) chaos: Option<(u64, f64)>,
    /// The seed of all ids.
    pub(crate) ids: Option<u64>,
    pub(crate) in_operator: InOperator,
    pub(crate) investigations: Investigations,
    pub(crate) transcripts: Transcripts,
    /// The machines that are offline at the start, beside those of the state.
    pub(crate) offline: Vec<String>,
    /// The initial state, if not the built-in machines.
    pub(crate) state: State,
    pub(crate) log: Option<Log>,
    /// Serves `/emulator` over HTTP.
    pub(crate) has_control: bool,
    /// A clock that can be turned over HTTP.
    pub(crate) hands: Option<HandClock>,
    pub(crate) created: CreatedStatus,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pace: Pace { pending_for: Duration::from_secs(1), running_for: Duration::from_secs(2) },
            token_lifetime: Duration::from_secs(3599),
            library: Vec::new(),
            audience: None,
            assertion_leeway: Duration::from_secs(300),
            assertion_use: AssertionUse::Many,
            redirect_uris: Vec::new(),
            deflate: Deflate::Off,
            behaviors: Behaviors::default(),
            read_lag: Duration::ZERO,
            page_size: LARGEST_PAGE,
            machines: BUILT_IN,
            history: 0,
            link_lifetime: Duration::from_secs(30 * 60),
            quotas: Quotas::Enforced,
            retry_after: RetryAfterForm::Seconds,
            chaos: None,
            ids: None,
            in_operator: InOperator::default(),
            investigations: Investigations::default(),
            transcripts: Transcripts::default(),
            offline: Vec::new(),
            state: State::default(),
            log: None,
            has_control: false,
            hands: None,
            created: CreatedStatus::Documented,
        }
    }
}

/// The status of a new action's response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CreatedStatus {
    /// 200 for offboarding and 201 for all others, as their pages print it:
    /// <https://learn.microsoft.com/defender-endpoint/api/offboard-machine-api>. The default.
    #[default]
    Documented,
    /// 201, also for offboarding, as its older page has it.
    Created,
    /// 200 for all, as the sample of <https://learn.microsoft.com/defender-endpoint/api/run-live-response> has it.
    Ok,
}

/// The storage of a script's transcript.
///
/// The documentation is silent; others have met both (microsoft-365-docs#5902 and integrations).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transcripts {
    /// As it is. The default.
    #[default]
    Plain,
    /// In gzip, with no sign of it but its first bytes.
    Gzip,
}

/// Compression of the API's responses with `Content-Encoding: deflate`, whatever the request accepts.
///
/// The service has been seen to send it. The name has two meanings in the wild, so a client must take both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deflate {
    /// Not compressed. The default.
    #[default]
    Off,
    /// In the zlib format of RFC 1950, which is the meaning of RFC 9110, 8.4.1.2.
    Zlib,
    /// As a bare stream of RFC 1951, which some servers send under the same name.
    Raw,
}

/// The response to `POST /api/machines/{id}/startInvestigation`.
///
/// As of 1 September 2026 no investigation can be started, by the note on its page
/// (<https://learn.microsoft.com/defender-endpoint/api/initiate-autoir-investigation>). The response since then is
/// not written there; here it is the 404 of a path that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Investigations {
    /// A 404. The default.
    #[default]
    Retired,
    /// A 201, as before, with an investigation, which is not a machine action.
    Available,
}

/// The number of times that one assertion is accepted.
///
/// Microsoft's libraries keep one for minutes and send it with each request, and Entra accepts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AssertionUse {
    /// As often as it is sent. The default.
    #[default]
    Many,
    /// Once, by its `jti`, which is required: RFC 7523 allows that.
    Once,
}

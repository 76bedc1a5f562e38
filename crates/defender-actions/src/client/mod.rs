//! The client: its settings, its operations, and the way of one call through the layers.

pub(crate) mod base_url;
pub(crate) mod builder;
pub(crate) mod call;
pub(crate) mod call_note;
pub(crate) mod deprecation;
pub(crate) mod foreign_response;
pub(crate) mod limits;
pub(crate) mod operation;
pub(crate) mod operation_facts;
pub(crate) mod raw;
pub(crate) mod request;
pub(crate) mod response_author;
pub(crate) mod scrub;
pub(crate) mod send_times;
pub(crate) mod service_clock;
pub(crate) mod stack;

use std::{fmt, sync::Arc, time::Duration};

use defender_auth::TokenCredential;
use defender_model::{ACTIONS, ActionInfo, ActionType, MachineAction};
use defender_transport::{Clock, Transport};

use crate::{
    BodyLimits, DeprecationNotice, ExternalIds, Intent, Journal, Observer,
    client::{
        base_url::BaseUrl,
        deprecation::DeprecationNotices,
        operation_facts::OperationFacts,
        service_clock::{Moment, ServiceTime},
    },
    observe::OTHER,
    submit::{
        principal::Principal, reconcile::Names, registry::SubmissionRegistry, shared_search::SharedSearch,
        unwritten::UnwrittenOutcomes,
    },
    wait::poll::PollPolicy,
};

/// Client of the response actions of Microsoft Defender for Endpoint.
///
/// A clone is cheap and shares tokens, queues and settings with its original. The client needs a tokio runtime, unless its
/// transport and its clock need none.
///
/// | task | method |
/// |---|---|
/// | act on a machine | [`machine`](Self::machine), [`machine_of`](Self::machine_of) |
/// | find, list and tag machines | [`machines`](Self::machines) |
/// | read, await or cancel an action, download its results | [`action`](Self::action) |
/// | list actions, wait for many | [`actions`](Self::actions), [`wait_all`](Self::wait_all) |
/// | find the outcome after a crash | [`recover`](Self::recover), [`recover_all`](Self::recover_all); with a journal [`recover_pending`](Self::recover_pending), [`recover_entry`](Self::recover_entry) |
/// | read an entry of the journal | [`journal_entry`](Self::journal_entry), [`submitted`](Self::submitted) |
/// | write outcomes that the journal did not take | [`flush_journal`](Self::flush_journal) |
/// | check the permissions of the token | [`preflight`](Self::preflight) |
/// | manage the scripts of live response | [`library`](Self::library) |
/// | call any other path of the API | [`get`](Self::get), [`post`](Self::post) |
/// | read the service's notices about the end of operations | [`deprecation_notices`](Self::deprecation_notices) |
#[derive(Clone, Debug)]
pub struct DefenderClient(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) transport: Arc<dyn Transport>,
    /// Transport of downloads by a link, which never have a token.
    pub(crate) downloads: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) credential: Arc<dyn TokenCredential>,
    /// Audience that the tokens should have.
    pub(crate) audience: String,
    pub(crate) base: BaseUrl,
    pub(crate) operation_facts: OperationFacts,
    pub(crate) service_time: ServiceTime,
    pub(crate) submissions: SubmissionRegistry,
    pub(crate) searches: SharedSearch,
    pub(crate) principal: Principal,
    pub(crate) external_ids: ExternalIds,
    pub(crate) journal: Option<Arc<dyn Journal>>,
    /// Outcomes that the journal did not take.
    pub(crate) unwritten: UnwrittenOutcomes,
    /// Id of the tenant, if it is known.
    pub(crate) tenant_id: Option<String>,
    /// Person or program that the intents name.
    pub(crate) actor: Option<String>,
    /// Time limit of a whole call that sets none.
    pub(crate) total_timeout: Duration,
    /// Longest time from sending an attempt to the head of its response.
    pub(crate) longest_attempt: Duration,
    pub(crate) notices: DeprecationNotices,
    pub(crate) poll: PollPolicy,
    pub(crate) limits: BodyLimits,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Actions that the caller made known.
    pub(crate) own_actions: Vec<ActionInfo>,
}

impl Inner {
    /// Records actions that a read has shown.
    pub(crate) fn saw(&self, actions: &[MachineAction]) {
        let now = Moment::now(&*self.clock);
        self.submissions.saw(actions, now, self.service_time.at(now).unwrap_or(now.wall));
    }

    /// Returns all known actions: those of the service, then the caller's own.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &ActionInfo> + Clone {
        ACTIONS.iter().chain(&self.own_actions)
    }

    /// Adds what the client knows of the address and the author of an intent.
    pub(crate) fn addressed(&self, mut intent: Intent) -> Intent {
        intent.api = Some(self.base.as_str().to_owned());
        intent.tenant_id.clone_from(&self.tenant_id);
        intent.actor = intent.actor.or_else(|| self.actor.clone());
        intent
    }

    /// Returns the name of a known action type as the service writes it, the name of an own type, or [`OTHER`].
    pub(crate) fn known_type(&self, name: &str) -> &'static str {
        let known = ActionType::KNOWN.iter().copied().chain(self.own_actions.iter().map(|own| own.action_type));
        known.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(OTHER)
    }

    /// Returns the names of the principal, read from its token; `None` if there is no token in time.
    pub(crate) async fn names(&self) -> Option<Arc<Names>> {
        self.principal.names(&*self.credential, &*self.clock).await
    }

    /// As [`names`](Self::names), from a token that is cached.
    pub(crate) fn cached_names(&self) -> Option<Arc<Names>> {
        self.credential.cached_token().map(|token| self.principal.names_of(token))
    }

    /// Returns the first part of every path, without a slash at its end.
    pub(crate) fn prefix(&self) -> &str {
        self.base.prefix()
    }
}

impl DefenderClient {
    /// Returns the service's notices about the end of operations: one for each operation that this client or a clone of it has
    /// called.
    #[must_use]
    pub fn deprecation_notices(&self) -> Vec<DeprecationNotice> {
        self.0.notices.all()
    }

    /// Returns the base URL of the API, with the prefix `/api`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.0.base.as_str()
    }

    /// Returns the clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Returns the journal, as the client writes to it.
    #[must_use]
    pub fn journal(&self) -> Option<&Arc<dyn Journal>> {
        self.0.journal.as_ref()
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Inner {
    /// Shows the base URL only. The layers beneath would fill a page.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("base", &self.base).finish_non_exhaustive()
    }
}

impl From<Inner> for DefenderClient {
    fn from(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

//! The client.

pub(crate) mod builder;
pub(crate) mod call;
pub(crate) mod deprecation;
pub(crate) mod limits;
pub(crate) mod operation;
pub(crate) mod raw;
pub(crate) mod request;
pub(crate) mod scrub;
pub(crate) mod send_times;
pub(crate) mod service_clock;
pub(crate) mod stack;

pub(crate) mod authored;
pub(crate) mod authorship;

use std::{fmt, sync::Arc, time::Duration};

use defender_auth::TokenCredential;
use defender_model::{ACTIONS, ActionId, ActionInfo, MachineAction, MachineId};
use defender_transport::{Clock, Transport};

use crate::{
    ActionHandle, DefenderClientBuilder, DeprecationNotice, ExternalIds, Intent, Library, List, MachineHandle,
    Machines, Preflight, Recover, RecoverAll, WaitAll,
    client::{
        deprecation::Announcements,
        limits::Limits,
        service_clock::{Moment, ServiceTime},
    },
    submit::{look::Looks, principal::Principal, reconcile::Names, registry::SubmissionRegistry},
    wait::poll::PollPolicy,
};

/// A client of the response actions of Microsoft Defender for Endpoint.
///
/// Clones are cheap and share everything. It is used inside a tokio runtime, unless it is given a transport and a clock
/// that need none.
#[derive(Clone, Debug)]
pub struct DefenderClient(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) transport: Arc<dyn Transport>,
    /// What travels by a link, and never with a token.
    pub(crate) downloads: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) credential: Arc<dyn TokenCredential>,
    /// For whom its tokens should be.
    pub(crate) audience: String,
    /// The base URL with the prefix and without a slash at its end.
    pub(crate) base: String,
    pub(crate) service_time: ServiceTime,
    pub(crate) claimed: SubmissionRegistry,
    pub(crate) looks: Looks,
    pub(crate) principal: Principal,
    pub(crate) external_ids: ExternalIds,
    /// Time of a whole call that does not say so itself.
    pub(crate) total_timeout: Duration,
    /// Longest time between the departure of an attempt and the head of its response.
    pub(crate) longest_attempt: Duration,
    pub(crate) announcements: Announcements,
    pub(crate) patience: PollPolicy,
    pub(crate) limits: Limits,
    /// Actions that the caller made known.
    pub(crate) own_actions: Vec<ActionInfo>,
}

impl Inner {
    /// Notes an action that a read has shown.
    pub(crate) fn saw(&self, action: &MachineAction) {
        let now = Moment::now(&*self.clock);
        self.claimed.saw(action, now, self.service_time.at(now).unwrap_or(now.wall));
    }

    /// All actions that are known: those of the service, and the caller's own after them.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &ActionInfo> + Clone {
        ACTIONS.iter().chain(&self.own_actions)
    }

    /// Names of the principal, as its token tells them.
    pub(crate) async fn names(&self) -> Arc<Names> {
        self.principal.names(&*self.credential).await
    }

    /// The path that every path begins with, without a slash at its end.
    pub(crate) fn prefix(&self) -> &str {
        let after_scheme = self.base.find("://").map_or(0, |at| at.saturating_add(3));
        let host_and_prefix = self.base.get(after_scheme..).unwrap_or_default();
        host_and_prefix.find('/').and_then(|at| host_and_prefix.get(at..)).unwrap_or_default()
    }
}

impl DefenderClient {
    /// A client to be set up.
    pub fn builder() -> DefenderClientBuilder {
        DefenderClientBuilder::new()
    }

    /// The machine `id`. Nothing is sent, and nothing says that there is such a machine.
    #[must_use]
    pub fn machine(&self, id: MachineId) -> MachineHandle {
        MachineHandle::new(self.clone(), id)
    }

    /// The action `id`, which may be from long ago or from another process. Nothing is sent.
    #[must_use]
    pub fn action(&self, id: ActionId) -> ActionHandle {
        ActionHandle::new(self.clone(), id)
    }

    /// The actions of all machines, as a list. Nothing is sent until its stream is polled.
    ///
    /// ```no_run
    /// use defender_actions::{DefenderClient, model::{ActionStatus, MachineAction}};
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(defender: DefenderClient) -> Result<(), defender_actions::Error> {
    /// let mut pending = defender.actions().filter(MachineAction::STATUS.eq(ActionStatus::Pending)).stream();
    /// while let Some(action) = pending.try_next().await? {
    ///     println!("{} {}", action.id, action.action_type);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn actions(&self) -> List<MachineAction> {
        List::actions(self.clone())
    }

    /// All machines: to find one, to list and to tag them. Nothing is sent.
    #[must_use]
    pub fn machines(&self) -> Machines {
        Machines::new(self.clone())
    }

    /// The live response library: the scripts and files that can be run on machines, or put there. Nothing is sent.
    #[must_use]
    pub fn library(&self) -> Library {
        Library::new(self.clone())
    }

    /// Checks from the token alone, before the first call, whether it is for this API and permits what is to be done. Nothing is
    /// sent but what it takes to get the token.
    pub fn preflight(&self) -> Preflight {
        Preflight::new(self.clone())
    }

    /// Waits for many actions with few calls: the list is read once a cycle, however many they are.
    ///
    /// ```no_run
    /// use defender_actions::{DefenderClient, model::ActionId};
    /// use futures_util::StreamExt;
    ///
    /// # async fn example(defender: DefenderClient, ids: Vec<ActionId>) {
    /// let mut ends = defender.wait_all(ids).stream();
    /// while let Some((id, outcome)) = ends.next().await {
    ///     match outcome {
    ///         Ok(action) => println!("{id} {}", action.status),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn wait_all(&self, ids: impl IntoIterator<Item = ActionId>) -> WaitAll {
        WaitAll::new(self.clone(), ids.into_iter().collect())
    }

    /// Finds the outcome of an intent whose response is not known: after a crash, or after the future was dropped. Nothing
    /// is sent but reads.
    ///
    /// `Ok` says that *an action of this intent exists*; without a generated external id
    /// ([`ExternalIds::Generated`]) it may be another process's that asked for the same with the same comment at the same time.
    /// It looks for two minutes at most, since reads lag behind writes.
    pub fn recover(&self, intent: Intent) -> Recover {
        Recover::new(self.clone(), intent)
    }

    /// Finds the outcomes of many intents with few calls: all of them read the same lists.
    ///
    /// ```no_run
    /// use defender_actions::{DefenderClient, Intent};
    /// use futures_util::StreamExt;
    ///
    /// # async fn example(defender: DefenderClient, intents: Vec<Intent>) {
    /// let mut outcomes = defender.recover_all(intents).stream();
    /// while let Some((intent, outcome)) = outcomes.next().await {
    ///     match outcome {
    ///         Ok(submitted) => println!("{} {}", intent.machine_id, submitted.id()),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn recover_all(&self, intents: impl IntoIterator<Item = Intent>) -> RecoverAll {
        RecoverAll::new(self.clone(), intents.into_iter().collect())
    }

    /// What the service has announced of the end of its operations, one for each operation that this client, or a clone of it,
    /// has asked for.
    #[must_use]
    pub fn deprecation_notices(&self) -> Vec<DeprecationNotice> {
        self.0.announcements.all()
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Inner {
    /// Where it goes. The stack beneath is long, and says nothing to whoever prints a client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("base", &self.base).finish_non_exhaustive()
    }
}

impl From<Inner> for DefenderClient {
    fn from(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

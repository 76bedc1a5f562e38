//! What all handlers share.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use defender_transport::Clock;

use crate::{
    actions::Actions,
    deflate::Deflate,
    duplicates::Duplicates,
    faults::Faults,
    history,
    identity::Identity,
    jwt::TokenKey,
    ledger::Ledger,
    library::Library,
    life::Pace,
    machine::Machines,
    odata::LARGEST_PAGE,
    outcomes::Outcomes,
    quota::{Meter, Quotas, RetryAfterForm},
    spelling::{CreatedStatus, Spelling},
};

/// How many machines every emulator has that has any.
const BUILT_IN: u32 = 3;

/// The state and the settings of one emulator.
pub(crate) struct Service {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) base_url: String,
    /// Where the links lead.
    pub(crate) blob_url: String,
    pub(crate) identity: Identity,
    pub(crate) key: TokenKey,
    /// What goes into the tokens.
    pub(crate) roles: Vec<&'static str>,
    pub(crate) settings: Settings,
    pub(crate) outcomes: Outcomes,
    pub(crate) faults: Faults,
    pub(crate) meter: Meter,
    pub(crate) ledger: Ledger,
    pub(crate) grants: crate::grants::Grants,
    world: Mutex<World>,
}

/// How the service behaves.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) pace: Pace,
    pub(crate) token_lifetime: Duration,
    pub(crate) deflate: Deflate,
    pub(crate) duplicates: Duplicates,
    pub(crate) read_lag: Duration,
    pub(crate) page_size: usize,
    pub(crate) machines: u32,
    pub(crate) history: u32,
    pub(crate) link_lifetime: Duration,
    pub(crate) quotas: Quotas,
    pub(crate) retry_after: RetryAfterForm,
    /// A seed, and how many in 1 it spoils.
    pub(crate) chaos: Option<(u64, f64)>,
    pub(crate) created: CreatedStatus,
    pub(crate) spelling: Spelling,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pace: Pace { pending_for: Duration::from_secs(1), running_for: Duration::from_secs(2) },
            token_lifetime: Duration::from_secs(3599),
            deflate: Deflate::Off,
            duplicates: Duplicates::Refuse,
            read_lag: Duration::ZERO,
            page_size: LARGEST_PAGE,
            machines: BUILT_IN,
            history: 0,
            link_lifetime: Duration::from_secs(30 * 60),
            quotas: Quotas::Enforced,
            retry_after: RetryAfterForm::Seconds,
            chaos: None,
            created: CreatedStatus::Documented,
            spelling: Spelling::default(),
        }
    }
}

/// What calls change.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) machines: Machines,
    pub(crate) actions: Actions,
    pub(crate) library: Library,
    /// How many actions were asked for so far; chance by seed goes by it.
    pub(crate) repeats: u64,
}

impl Service {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        (base_url, blob_url): (String, String),
        (identity, key): (Identity, TokenKey),
        roles: Vec<&'static str>,
        settings: Settings,
    ) -> Self {
        let machines = match settings.machines {
            0 => Machines::default(),
            machines => Machines::new(machines.saturating_sub(BUILT_IN), clock.now()),
        };
        let faults = Faults::new(settings.chaos);
        let actions = history::actions(settings.history, &machines, clock.now(), &identity.client_id);
        let world = World { machines, actions, library: Library::new(), repeats: 0 };
        Self {
            clock,
            base_url,
            blob_url,
            identity,
            key,
            roles,
            settings,
            outcomes: Outcomes::default(),
            faults,
            meter: Meter::default(),
            ledger: Ledger::default(),
            grants: crate::grants::Grants::default(),
            world: Mutex::new(world),
        }
    }

    /// The world, for one call alone.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Service {
    /// Without the secret, and without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("base_url", &self.base_url)
            .field("tenant_id", &self.identity.tenant_id)
            .field("client_id", &self.identity.client_id)
            .finish_non_exhaustive()
    }
}

//! The state that all handlers share.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use defender_transport::Clock;
use http::HeaderValue;
use uuid::Uuid;

use crate::{
    behaviors::Behaviors,
    entra::{identity::Identity, jwt::TokenKey},
    faults::Faults,
    http::date::HttpDate,
    ids::Ids,
    settings::{APPLICATION_NAME, BUILT_IN, Settings},
    store::{
        action::{Moment, View},
        actions::Actions,
        grants::Grants,
        history,
        initial_state::State,
        ledger::Ledger,
        library::{Library, LibraryFile},
        lifecycle::Started,
        machines::{MachineState, Machines},
        outcomes::Outcomes,
        quota::Meter,
        request_log::RecentRequests,
    },
};

/// The state and the settings of one emulator.
pub(crate) struct Service {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) base_url: String,
    /// The base of download links.
    pub(crate) blob_url: String,
    /// The base of the managed-identity endpoints, over plain http.
    pub(crate) identity_url: String,
    pub(crate) identity: Identity,
    pub(crate) key: TokenKey,
    /// The roles in the tokens.
    pub(crate) roles: Vec<&'static str>,
    pub(crate) settings: Settings,
    pub(crate) outcomes: Outcomes,
    pub(crate) faults: Faults,
    pub(crate) meter: Meter,
    pub(crate) ledger: Ledger,
    pub(crate) requests: RecentRequests,
    pub(crate) grants: Grants,
    ids: Ids,
    pub(crate) date: HttpDate,
    behaviors: RwLock<Behaviors>,
    /// The number of dated responses.
    dated: AtomicUsize,
    world: Mutex<World>,
}

/// The bases of the service's URLs.
#[derive(Default)]
pub(crate) struct Urls {
    pub(crate) base: String,
    pub(crate) blobs: String,
    pub(crate) identities: String,
}

/// The state that calls change.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) machines: Machines,
    pub(crate) actions: Actions,
    pub(crate) library: Library,
    /// The number of actions requested so far, by which seeded choices are drawn.
    pub(crate) repeats: u64,
    /// The number of investigations started.
    pub(crate) investigations: u64,
}

impl World {
    /// As it is when the emulator starts.
    fn at_start(settings: &Settings, identity: &Identity, clock: &dyn Clock) -> Self {
        let started = Started { now: clock.now(), elapsed: clock.elapsed(), pace: settings.pace };
        let now = started.now;
        let built_in = || match settings.machines {
            0 => Machines::default(),
            machines => Machines::new(machines.saturating_sub(BUILT_IN), started),
        };
        let mut machines = settings.state.machines(started).unwrap_or_else(built_in);
        for id in &settings.offline {
            machines.take_offline(id, started.elapsed);
        }
        let mut actions = history::actions(settings.history, &machines, now, APPLICATION_NAME);
        actions.extend(settings.state.actions(&machines, APPLICATION_NAME, started));
        // A list is in the order of the dates.
        actions.sort_by_key(|action| action.created);
        let mut held = Actions::default();
        for action in actions {
            held.insert(action);
        }
        held.settle(started.elapsed);
        let mut library = settings.state.library(&identity.client_id, now);
        library.extend(settings.library.iter().map(|(name, content)| {
            (name.clone(), LibraryFile::new(content).by(identity.client_id.clone()).at(now, now))
        }));
        Self { machines, actions: held, library, repeats: 0, investigations: 0 }
    }
}

impl Service {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        urls: Urls,
        (ids, (identity, key)): (Ids, (Identity, TokenKey)),
        roles: Vec<&'static str>,
        settings: Settings,
    ) -> Self {
        let world = World::at_start(&settings, &identity, &*clock);
        let faults = Faults::new(settings.chaos);
        Self {
            clock,
            base_url: urls.base,
            blob_url: urls.blobs,
            identity_url: urls.identities,
            identity,
            key,
            roles,
            outcomes: Outcomes::default(),
            faults,
            meter: Meter::default(),
            ledger: Ledger::default(),
            requests: RecentRequests::default(),
            grants: Grants::default(),
            ids,
            date: HttpDate::default(),
            behaviors: RwLock::new(settings.behaviors),
            dated: AtomicUsize::new(0),
            world: Mutex::new(world),
            settings,
        }
    }

    /// Resets everything except ids, keys and the port: the clock, if it is advanced over HTTP, the machines, actions
    /// and files, quotas, sign-ins and trust, behaviors, faults, outcomes, ledger and log.
    pub(crate) fn reset(&self) {
        // The world first, so that no call sees the new time with the old actions.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hands) = &self.settings.hands {
            hands.reset();
        }
        *world = World::at_start(&self.settings, &self.identity, &*self.clock);
        drop(world);
        self.faults.reset();
        self.outcomes.clear();
        self.meter.clear();
        self.ledger.clear();
        self.requests.clear();
        self.grants.reset();
        self.behave(self.settings.behaviors);
        self.dated.store(0, Ordering::Relaxed);
    }

    /// Adds a state to the current one; on an error nothing is added.
    pub(crate) fn add(&self, state: &State) -> Result<(), String> {
        let mut world = self.world();
        let started = Started { now: self.clock.now(), elapsed: self.clock.elapsed(), pace: self.settings.pace };
        state.check_beside((&world.machines, &world.actions), started.now)?;
        for record in state.records() {
            world.machines.add(record.clone(), started);
        }
        let actions = state.actions(&world.machines, APPLICATION_NAME, started);
        world.actions.extend(actions, started.elapsed);
        world.library.extend(state.library(&self.identity.client_id, started.now));
        Ok(())
    }

    /// Locks the state for one call.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.actions.settle(self.clock.elapsed());
        world
    }

    /// Returns the state of the machine of this id.
    pub(crate) fn machine_state(&self, id: &str) -> Option<MachineState> {
        let world = self.world();
        let (_, machine) = world.machines.find(id)?;
        Some(MachineState::of(machine, &world.actions))
    }

    /// Sets the machine with this id online or offline. Returns false if no machine has the id.
    pub(crate) fn set_online(&self, id: &str, online: bool) -> bool {
        let mut world = self.world();
        let elapsed = self.clock.elapsed();
        let Some((place, _)) = world.machines.find(id) else { return false };
        if !online {
            world.machines.take_offline(id, elapsed);
        } else if let Some(machine) = world.machines.get_mut(place) {
            machine.offline_since = None;
        }
        let onboarded =
            world.machines.find(id).is_some_and(|(_, machine)| MachineState::of(machine, &world.actions).onboarded);
        if online && onboarded {
            world.actions.resume(place, elapsed, self.settings.pace);
        }
        true
    }

    /// Returns a new GUID.
    pub(crate) fn new_id(&self) -> Uuid {
        self.ids.next()
    }

    pub(crate) fn moment(&self, elapsed: Duration, view: View) -> Moment {
        Moment { elapsed, spelling: self.behaviors().spelling, view }
    }

    /// Returns the current behaviors.
    pub(crate) fn behaviors(&self) -> Behaviors {
        *self.behaviors.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn behave(&self, behaviors: Behaviors) {
        *self.behaviors.write().unwrap_or_else(PoisonError::into_inner) = behaviors;
    }

    /// The header `Date` of the next response, if it has one.
    pub(crate) fn next_date(&self) -> Option<HeaderValue> {
        let date = self.behaviors().date;
        self.date.at(date.of(self.dated.fetch_add(1, Ordering::Relaxed), self.clock.now())?)
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

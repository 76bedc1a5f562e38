//! Runs many futures on this thread, always in the same order, and moves the clock when none can go on.

use std::{
    any::Any,
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use defender_transport::{Clock, testing::ManualClock};

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whose a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The driver's own, which has to come to its end.
    Driver,
    /// That of a client, which ends with it.
    Client(u32),
    /// The network's, which nobody waits for.
    Network,
}

/// Queue of new tasks and of clients to be killed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spawner(Arc<Mutex<Orders>>);

#[derive(Default)]
struct Orders {
    tasks: Vec<(Owner, String, Boxed)>,
    killed: Vec<u32>,
    ready: VecDeque<u64>,
}

impl std::fmt::Debug for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orders").field("tasks", &self.tasks.len()).field("killed", &self.killed).finish_non_exhaustive()
    }
}

impl Spawner {
    /// Begins a task once the one that is being polled has been.
    pub(crate) fn spawn(
        &self,
        owner: Owner,
        name: impl Into<String>,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        self.orders().tasks.push((owner, name.into(), Box::pin(future)));
    }

    /// Drops every task of that client, wherever it is, once the one that is being polled has been.
    pub(crate) fn kill(&self, client: u32) {
        self.orders().killed.push(client);
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Result of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Tasks that wait forever.
    pub(crate) hangs: Vec<String>,
    /// Tasks that panicked, with their messages.
    pub(crate) panics: Vec<String>,
}

struct Task {
    owner: Owner,
    name: String,
    future: Boxed,
    waker: Waker,
    queued: Arc<Bell>,
}

/// Puts its task into the queue, once until it has been polled.
struct Bell {
    number: u64,
    rung: AtomicBool,
    spawner: Spawner,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.spawner.orders().ready.push_back(self.number);
        }
    }
}

/// Runs what was spawned and all that it spawns, until nothing but the network is left, or the clock shows `at_most`.
pub(crate) fn run(spawner: &Spawner, clock: &ManualClock, at_most: Duration) -> Ended {
    let (mut tasks, mut next, mut ended) = (BTreeMap::new(), 0, Ended::default());
    loop {
        adopt(spawner, &mut tasks, &mut next);
        let ready = spawner.orders().ready.pop_front();
        if let Some(number) = ready {
            if let Some(panic) = poll(&mut tasks, number) {
                ended.panics.push(panic);
            }
            continue;
        }
        if tasks.values().all(|task| task.owner == Owner::Network) {
            return ended;
        }
        let moved = clock.advance_to_next();
        if moved.is_none() || clock.elapsed() > at_most {
            let why = if moved.is_none() { "and nobody will wake it" } else { "long after it should have ended" };
            let waits = tasks.values().filter(|task| task.owner != Owner::Network);
            ended.hangs.extend(waits.map(|task| format!("{} ({:?}) waits {why}", task.name, task.owner)));
            return ended;
        }
    }
}

/// Takes up what was spawned, and drops what was killed.
fn adopt(spawner: &Spawner, tasks: &mut BTreeMap<u64, Task>, next: &mut u64) {
    loop {
        let (new, killed) = {
            let mut orders = spawner.orders();
            (std::mem::take(&mut orders.tasks), std::mem::take(&mut orders.killed))
        };
        if new.is_empty() && killed.is_empty() {
            return;
        }
        for (owner, name, future) in new {
            let queued = Arc::new(Bell { number: *next, rung: AtomicBool::new(false), spawner: spawner.clone() });
            queued.wake_by_ref();
            let waker = Waker::from(Arc::clone(&queued));
            tasks.insert(*next, Task { owner, name, future, waker, queued });
            *next += 1;
        }
        for client in killed {
            // Outside of any lock: a dropped task may wake another.
            tasks.retain(|_, task| task.owner != Owner::Client(client));
        }
    }
}

/// Polls the task, which goes when it has ended. Says what it panicked with, if it did.
fn poll(tasks: &mut BTreeMap<u64, Task>, number: u64) -> Option<String> {
    let task = tasks.get_mut(&number)?;
    task.queued.rung.store(false, Ordering::Release);
    let mut context = Context::from_waker(&task.waker);
    let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut context)));
    let panic = match polled {
        Ok(Poll::Pending) => return None,
        Ok(Poll::Ready(())) => None,
        Err(panic) => Some(format!("{} {}", task.name, panicked(&*panic))),
    };
    tasks.remove(&number);
    panic
}

/// Message of a panic.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", said.unwrap_or("without words"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LONG: Duration = Duration::from_secs(1_000);

    /// Notes of several tasks, in their order.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<String>>>);

    impl Notes {
        fn note(&self, what: impl Into<String>) {
            self.0.lock().unwrap().push(what.into());
        }

        fn all(&self) -> Vec<String> {
            self.0.lock().unwrap().clone()
        }
    }

    #[test]
    fn tasks_run_in_order_of_time() {
        let (spawner, clock, notes) = (Spawner::default(), ManualClock::new(), Notes::default());
        for (name, time) in [("late", 100), ("soon", 1), ("between", 50)] {
            let (clock, notes) = (clock.clone(), notes.clone());
            spawner.spawn(Owner::Driver, name, async move {
                clock.sleep(SECOND * time).await;
                notes.note(name);
            });
        }
        assert_eq!(run(&spawner, &clock, LONG), Ended::default());
        assert_eq!(
            (notes.all(), clock.elapsed()),
            (["soon", "between", "late"].map(str::to_owned).to_vec(), SECOND * 100)
        );
    }

    #[test]
    fn run_ends_without_the_network() {
        let (spawner, clock, notes) = (Spawner::default(), ManualClock::new(), Notes::default());
        let (inner, told) = (spawner.clone(), notes.clone());
        spawner.spawn(Owner::Driver, "first", async move {
            inner.spawn(Owner::Network, "silent", std::future::pending());
            inner.spawn(Owner::Driver, "second", async move { told.note("second") });
        });
        assert_eq!(run(&spawner, &clock, LONG), Ended::default());
        assert_eq!(notes.all(), ["second"]);
    }

    #[test]
    fn killed_task_is_dropped_in_place() {
        struct Dropped(Notes);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.note("dropped");
            }
        }
        let (spawner, clock, notes) = (Spawner::default(), ManualClock::new(), Notes::default());
        let (dropped, slept) = (Dropped(notes.clone()), clock.clone());
        spawner.spawn(Owner::Client(7), "victim", async move {
            slept.sleep(SECOND * 10).await;
            drop(dropped);
            panic!("it was killed before");
        });
        let (killer, slept, told) = (spawner.clone(), clock.clone(), notes.clone());
        spawner.spawn(Owner::Driver, "killer", async move {
            slept.sleep(SECOND).await;
            killer.kill(8);
            killer.kill(7);
            slept.sleep(SECOND * 20).await;
            told.note("over");
        });
        assert_eq!(run(&spawner, &clock, LONG), Ended::default());
        assert_eq!(notes.all(), ["dropped", "over"]);
    }

    #[test]
    fn endless_and_long_waits_hang() {
        let (spawner, clock) = (Spawner::default(), ManualClock::new());
        spawner.spawn(Owner::Driver, "stuck", std::future::pending());
        assert!(run(&spawner, &clock, LONG).hangs[0].contains("stuck"));
        let (spawner, slept) = (Spawner::default(), clock.clone());
        spawner.spawn(Owner::Client(1), "endless", async move {
            loop {
                slept.sleep(SECOND).await;
            }
        });
        assert!(run(&spawner, &clock, LONG).hangs[0].contains("endless"));
    }

    #[test]
    fn panic_ends_only_its_task() {
        let (spawner, clock, notes) = (Spawner::default(), ManualClock::new(), Notes::default());
        spawner.spawn(Owner::Client(1), "bad", async { panic!("as it was told to") });
        let told = notes.clone();
        spawner.spawn(Owner::Client(1), "good", async move { told.note("good") });
        let ended = run(&spawner, &clock, LONG);
        assert_eq!((ended.panics, ended.hangs), (vec!["bad panicked: as it was told to".to_owned()], vec![]));
        assert_eq!(notes.all(), ["good"]);
    }
}

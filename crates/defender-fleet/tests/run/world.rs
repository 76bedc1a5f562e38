//! The emulator in process with a manual clock, the stores of a fleet, and plans.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use defender_actions::{
    DefenderClient,
    auth::ClientSecretCredential,
    model::{Isolate, IsolationType, UnrestrictCodeExecution},
    transport::{SendFuture, Transport, testing::ManualClock},
};
use defender_emulator::{Effect, Emulator, EmulatorBuilder, Entry};
use defender_fleet::{
    ApprovedPlan, Fleet, FleetAction, Plan, Report, Run, RunEvent, RunEventKind, Stores, Tenant, Tenants,
};
use defender_transport::Clock;
use futures_util::StreamExt;
use http::{Method, Request};
use serde_json::{Value, json};

/// Emulator, its clock, and the stores of all fleets.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) clock: ManualClock,
    pub(crate) stores: Stores,
    /// Calls beside the POSTs to machines and the sign-in.
    pub(crate) reads: Arc<AtomicUsize>,
    /// Each request is pending before its effect and before its response.
    pub(crate) pauses: bool,
    /// Notes each POST to a machine, and returns its times before and after its effect.
    pub(crate) on_post: Option<OnPost>,
}

/// Function of the path of a POST to a machine.
pub(crate) type OnPost = Arc<dyn Fn(&str) -> (Duration, Duration) + Send + Sync>;

/// Transport that counts.
#[derive(Clone)]
struct Counting<T> {
    inner: T,
    world: World,
}

impl<T> std::fmt::Debug for Counting<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counting")
    }
}

impl<T: Transport> Transport for Counting<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let is_action = request.uri().path().contains("/machines/") && request.method() == Method::POST;
        if !is_action {
            self.world.reads.fetch_add(1, Ordering::SeqCst);
        }
        if let Some(on_post) = self.world.on_post.as_ref().filter(|_| is_action) {
            let (before, after) = on_post(request.uri().path());
            return Box::pin(async move {
                self.world.clock.sleep(before).await;
                let response = self.inner.send(request).await;
                self.world.clock.sleep(after).await;
                response
            });
        }
        if !self.world.pauses {
            return self.inner.send(request);
        }
        // The response is on its way, and the process may die meanwhile.
        Box::pin(async move {
            pause().await;
            let response = self.inner.send(request).await;
            pause().await;
            response
        })
    }
}

/// Is pending once.
pub(crate) async fn pause() {
    let mut is_over = false;
    poll_fn(|context: &mut Context<'_>| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl World {
    pub(crate) fn new(machines: u32) -> Self {
        Self::with(machines, |emulator| emulator)
    }

    pub(crate) fn with(machines: u32, set: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Self {
        let clock = ManualClock::new();
        let builder = Emulator::builder().machines(machines).clock(Arc::new(clock.clone()));
        let emulator = Arc::new(set(builder).in_process().unwrap());
        let stores = Stores::memory(clock.clone());
        Self { emulator, clock, stores, reads: Arc::default(), pauses: false, on_post: None }
    }

    pub(crate) fn with_stores(&self, stores: Stores) -> Self {
        Self { stores, ..self.clone() }
    }

    pub(crate) fn on_post(&self, on_post: OnPost) -> Self {
        Self { on_post: Some(on_post), ..self.clone() }
    }

    pub(crate) fn pausing(&self) -> Self {
        Self { pauses: true, ..self.clone() }
    }

    /// Returns a fleet that shares nothing but the stores with another, like one of another process.
    pub(crate) fn fleet(&self) -> Fleet {
        Fleet::new(Tenants::default().with(self.tenant("contoso")), self.stores.clone())
    }

    pub(crate) fn tenant(&self, name: &str) -> Tenant {
        self.tenant_with_id(name, self.emulator.tenant_id())
    }

    pub(crate) fn tenant_with_id(&self, name: &str, id: &str) -> Tenant {
        self.tenant_of(name, id, self.emulator.base_url())
    }

    /// Tenant whose API has another base URL.
    pub(crate) fn tenant_at(&self, name: &str, base: &str) -> Tenant {
        self.tenant_of(name, self.emulator.tenant_id(), base)
    }

    fn tenant_of(&self, name: &str, id: &str, base: &str) -> Tenant {
        let (world, base) = (self.clone(), base.to_owned());
        Tenant::new(name, id, move || {
            let emulator = &world.emulator;
            let secret =
                ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
            Ok(DefenderClient::builder()
                .credential(secret)
                .transport(Counting { inner: emulator.transport(), world: world.clone() })
                .clock(world.clock.clone())
                .base_url(&base)
                .authority(emulator.authority())
                .audience(emulator.audience()))
        })
    }

    /// Returns an approved plan for all machines.
    pub(crate) fn plan(&self, action: impl Into<FleetAction>) -> Planned {
        let machines = self.emulator.machine_ids().iter().map(|id| (*id).to_owned()).collect();
        let world = self.clone();
        Planned {
            world,
            tenant: "contoso",
            action: action.into(),
            machines,
            waves: Vec::new(),
            halt_after: None,
            left_out: json!([]),
        }
    }

    pub(crate) fn release(&self) -> Planned {
        self.plan(UnrestrictCodeExecution::new("INC-4711: cleaned").unwrap())
    }

    pub(crate) fn isolate(&self) -> Planned {
        self.plan(Isolate::new("INC-4711: ransomware", IsolationType::Full).unwrap())
    }

    /// Runs a future in virtual time.
    pub(crate) async fn run<F: Future>(&self, future: F) -> F::Output {
        self.clock.run(future).await
    }

    /// Starts a run of a plan.
    pub(crate) async fn start(&self, plan: &Planned) -> Run {
        self.fleet().start(&plan.approved()).await.unwrap()
    }

    /// Works on a run to its end, and returns the events and the report.
    pub(crate) async fn finish(&self, run: &Run) -> (Vec<RunEvent>, Report) {
        let events: Vec<_> = self.run(run.events().map(Result::unwrap).collect::<Vec<_>>()).await;
        (events, run.report().await.unwrap())
    }

    /// Number of POSTs for each machine that may have taken effect, and those that did.
    pub(crate) fn posts(&self) -> BTreeMap<String, (usize, usize)> {
        let mut posts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for entry in self.entries() {
            let machine = entry.path.split('/').rev().nth(1).unwrap().to_owned();
            let (sent, created) = posts.entry(machine).or_default();
            *sent += usize::from(entry.status != 429);
            *created += usize::from(matches!(entry.effect, Effect::Created(_)));
        }
        posts
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.emulator.ledger()
    }

    /// Fails unless each machine has exactly one action.
    pub(crate) fn each_machine_has_one_action(&self) {
        let posts = self.posts();
        let twice: Vec<_> = posts.iter().filter(|(_, (_, created))| *created > 1).collect();
        assert!(twice.is_empty(), "done twice: {twice:?}");
        let machines = self.emulator.machine_ids().len();
        let done = posts.values().filter(|(_, created)| *created == 1).count();
        assert_eq!(done, machines, "machines with an action");
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

/// Plan of a test.
pub(crate) struct Planned {
    world: World,
    tenant: &'static str,
    action: FleetAction,
    machines: Vec<String>,
    waves: Vec<usize>,
    halt_after: Option<u32>,
    left_out: Value,
}

impl Planned {
    /// Sets the sizes of the first waves. The last wave has the other machines.
    pub(crate) fn waves(mut self, sizes: &[usize]) -> Self {
        self.waves = sizes.to_vec();
        self
    }

    pub(crate) fn of(mut self, tenant: &'static str) -> Self {
        self.tenant = tenant;
        self
    }

    /// Keeps the first machines alone.
    pub(crate) fn first(mut self, machines: usize) -> Self {
        self.machines.truncate(machines);
        self
    }

    pub(crate) fn halt_after(mut self, failures: u32) -> Self {
        self.halt_after = Some(failures);
        self
    }

    pub(crate) fn left_out(mut self, targets: Value) -> Self {
        self.left_out = targets;
        self
    }

    pub(crate) fn approved(&self) -> ApprovedPlan {
        let (emulator, now) = (&self.world.emulator, self.world.clock.now());
        let (mut wave, mut left) = (0, self.waves.iter().copied());
        let mut room = left.next().unwrap_or(usize::MAX);
        let rows: Vec<_> = self
            .machines
            .iter()
            .enumerate()
            .map(|(number, id)| {
                if room == 0 {
                    wave += 1;
                    room = left.next().unwrap_or(usize::MAX);
                }
                room -= 1;
                json!({"machine_id": id, "name": format!("till-{number}.contoso.example"), "wave": wave})
            })
            .collect();
        let lapses_at = now.saturating_add(Duration::from_secs(3_600)).unwrap();
        let tenants = Tenants::default().with(self.world.tenant(self.tenant));
        let client = Fleet::new(tenants, self.world.stores.clone()).client(self.tenant).unwrap();
        let plan = json!({
            "version": 1, "tenant": self.tenant, "tenant_id": emulator.tenant_id(), "api": client.base_url(),
            "action": self.action, "rows": rows, "left_out": self.left_out, "max_machines": rows.len(),
            "halt_after": self.halt_after, "permissions": {"any_of": [], "missing": [], "is_known": true}, "history_from": null,
            "shortest_time": "PT0S", "warnings": [], "resolved_at": now, "lapses_at": lapses_at, "hash": "",
        });
        let mut plan: Plan = serde_json::from_value(plan).unwrap();
        plan.hash = plan.computed_hash();
        serde_json::from_value(json!({
            "plan": plan, "approver": "jo@contoso.example", "ticket": "CHG-12", "approved_at": now,
        }))
        .unwrap()
    }
}

/// Returns the numbers of rows that succeeded, failed, are unknown, and are open.
pub(crate) fn counts(report: &Report) -> (u32, u32, u32, u32) {
    let counts = report.counts;
    (counts.succeeded, counts.failed, counts.unknown, counts.open())
}

/// Returns the number of events of which this is true.
pub(crate) fn number(events: &[RunEvent], is_one: impl Fn(&RunEventKind) -> bool) -> usize {
    events.iter().filter(|event| is_one(&event.kind)).count()
}

impl World {
    /// Time since the start, in seconds.
    pub(crate) fn clock_seconds(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }

    /// Runs a future that waits for this clock and for the disk.
    pub(crate) async fn driven<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        loop {
            // The disk has its own threads, whose work takes no time of this clock.
            for _ in 0..100 {
                tokio::select! {
                    biased;
                    output = &mut future => return output,
                    () = tokio::task::yield_now() => {}
                }
            }
            self.clock.advance_to_next();
        }
    }
}

/// Empty folder, which is removed with its files.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("runs-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

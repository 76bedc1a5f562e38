//! A run in SQLite whose workers are processes that are killed.
//!
//! The program starts itself as a worker, kills it after some of its events, and starts the next one. The emulator and its ledger are those
//! of the first process. All clocks run a hundred times as fast as the machine's, so that leases end soon.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed, and a program without a harness prints its results"
)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use defender_actions::{
    DefenderClient,
    auth::ClientSecretCredential,
    model::{ActionId, RestrictCodeExecution},
    transport::{HyperTransport, Roots},
};
use defender_emulator::{Effect, Emulator, FastClock};
use defender_fleet::{Fleet, Report, ReportState, RowOrigin, Stores, Targets, Tenant, Tenants};
use defender_store::{RunId, SqliteStore};
use futures_util::StreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const SPEED: u32 = 100;

/// Number of actions after whose creation each worker is killed, in the middle of its other requests. 0 is its start.
const KILLED_AFTER: [usize; 7] = [1, 2, 3, 0, 4, 5, 6];

/// What a worker needs to know.
#[derive(Clone, Serialize, Deserialize)]
struct World {
    origin: Timestamp,
    database: String,
    ca: String,
    base_url: String,
    authority: String,
    audience: String,
    tenant_id: String,
    client_id: String,
    secret: String,
}

impl World {
    fn clock(&self) -> FastClock {
        FastClock::since(self.origin, SPEED)
    }

    async fn fleet(&self) -> Fleet {
        let store = SqliteStore::open_with_clock(&self.database, self.clock()).await.unwrap();
        let world = self.clone();
        let transport = HyperTransport::builder().roots(Roots::pem(&self.ca).unwrap()).build().unwrap();
        let tenant = Tenant::new("contoso", &self.tenant_id, move || {
            Ok(DefenderClient::builder()
                .credential(ClientSecretCredential::new(&world.tenant_id, &world.client_id, &*world.secret))
                .transport(transport.clone())
                .clock(world.clock())
                .base_url(&world.base_url)
                .authority(&world.authority)
                .audience(&world.audience))
        });
        Fleet::new(Tenants::default().with(tenant), Stores::of(store))
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("worker") {
        let world = serde_json::from_str(&arguments.next().unwrap()).unwrap();
        return runtime.block_on(work(&world, &RunId::new(&arguments.next().unwrap()).unwrap()));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("processes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let clock = FastClock::new(SPEED);
    let emulator = Emulator::builder().machines(60).clock(Arc::new(clock.clone()));
    let emulator = runtime.block_on(emulator.start()).unwrap();
    let world = World {
        origin: defender_transport::Clock::now(&clock),
        database: folder.join("fleet.db").display().to_string(),
        ca: emulator.ca_pem().to_owned(),
        base_url: emulator.base_url().to_owned(),
        authority: emulator.authority().to_owned(),
        audience: emulator.audience().to_owned(),
        tenant_id: emulator.tenant_id().to_owned(),
        client_id: emulator.client_id().to_owned(),
        secret: emulator.client_secret().to_owned(),
    };
    let fleet = runtime.block_on(world.fleet());
    let run = runtime.block_on(async {
        let targets = Targets::ids(emulator.machine_ids());
        let action = RestrictCodeExecution::new("INC-4711: ransomware").unwrap();
        let plan = fleet.plan("contoso").unwrap().targets(targets).action(action).max_machines(60).waves([3, 6]);
        let plan = plan.resolve().await.unwrap();
        fleet.start(&plan.approved_by("jo@contoso.example", "CHG-12").unwrap()).await.unwrap()
    });
    let mut killed = 0;
    for created in KILLED_AFTER {
        let mut worker = start(&world, run.id());
        let events = BufReader::new(worker.stdout.take().unwrap()).lines().map(Result::unwrap);
        let of_creation = events.filter(|event| event.contains(": created, ") || created == 0);
        killed += usize::from(of_creation.take(created.max(1)).count() == created.max(1));
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    let report = runtime.block_on(run.finish()).unwrap();
    println!("{killed} workers killed");
    agrees_with_ledger(&emulator, &report);
    assert_eq!(killed, KILLED_AFTER.len(), "a run was too short");
    std::fs::remove_dir_all(&folder).unwrap();
    println!("killed_workers_send_nothing_twice ... ok");
}

fn start(world: &World, run: &RunId) -> Child {
    let world = serde_json::to_string(world).unwrap();
    let program = std::env::current_exe().unwrap();
    Command::new(program).args(["worker", &world, run.as_str()]).stdout(Stdio::piped()).spawn().unwrap()
}

/// Works on a run, and prints its events.
async fn work(world: &World, run: &RunId) {
    let mut events = world.fleet().await.run(run).await.unwrap().events();
    while let Some(event) = events.next().await {
        println!("{}", event.unwrap());
    }
}

/// Fails unless the report is what the ledger of the service shows.
fn agrees_with_ledger(emulator: &Emulator, report: &Report) {
    assert_eq!((report.counts.open(), report.counts.failed), (0, 0), "{report}");
    let (entries, mut recovered) = (emulator.ledger(), 0);
    for row in report.rows.iter().filter(|row| row.state != ReportState::LeftOut) {
        let id = row.machine_id.as_ref().unwrap().as_str();
        let posts: Vec<_> = entries.iter().filter(|entry| entry.path.contains(id)).collect();
        assert!(posts.len() <= 1, "sent twice to {id}: {posts:?}");
        let created = posts.iter().find_map(|entry| match &entry.effect {
            Effect::Created(action) => Some(action.as_str()),
            _ => None,
        });
        assert_eq!(row.action_id.as_ref().map(ActionId::as_str), created, "{row:?}");
        let is_known = matches!(row.origin, Some(RowOrigin::Created | RowOrigin::Recovered));
        assert_eq!((row.state == ReportState::Succeeded, is_known), (created.is_some(), created.is_some()), "{row:?}");
        recovered += usize::from(row.origin == Some(RowOrigin::Recovered));
    }
    println!("{} requests, {recovered} recovered, {} unknown", entries.len(), report.counts.unknown);
}

//! Two processes, each with two workers, a person and a database that fails, by random schedules. The judge is the ledger.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use defender_actions::transport::{Clock, testing::ManualClock};
use defender_emulator::{Effect, Fault, Operation, Outcome, RetryAfter};
use defender_fleet::{Fleet, Report, ReportState, RetryRows, Run};
use futures_util::{
    StreamExt,
    future::{BoxFuture, Either, join, join_all, select},
};

use crate::{
    timed::{Call, Fails, Script, Shared, Timing},
    world::{OnPost, World},
};

const RELEASE: Operation = Operation::UnrestrictCodeExecution;
const MACHINES: u32 = 8;

/// Random numbers that depend on a seed and on what they are for.
#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn of(self, what: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        (self.0, what).hash(&mut hasher);
        Self(hasher.finish())
    }

    fn below(self, most: u64) -> u64 {
        self.of("below").0 % most
    }

    fn one_in(self, most: u64) -> bool {
        self.below(most) == 0
    }

    /// Returns a time that is short in most cases.
    fn time(self) -> Duration {
        let most = match self.of("size").below(32) {
            0 => 45_000,
            1..4 => 8_000,
            4..12 => 1_500,
            _ => return Duration::ZERO,
        };
        Duration::from_millis(self.below(most))
    }
}

/// Departures, halts and resumes so far.
#[derive(Default)]
struct Judge {
    /// Departures that the store has allowed, by process and row.
    departed: HashSet<(usize, u32)>,
    /// Processes in which a halt has returned since the last resume, and the departures before the first of these halts.
    halted: HashSet<usize>,
    before: HashSet<(usize, u32)>,
    /// Number of begins and ends of resumes.
    resumes: usize,
    faults: Vec<String>,
}

impl Judge {
    fn halted(&mut self, process: usize, resumes: usize) {
        // A resume may have come after the halt in the store.
        if self.resumes == resumes && resumes.is_multiple_of(2) {
            if self.halted.is_empty() {
                self.before = self.departed.clone();
            }
            self.halted.insert(process);
        }
    }

    fn resume(&mut self) {
        self.resumes += 1;
        self.halted.clear();
    }

    fn posted(&mut self, process: usize, row: u32) {
        let is_late =
            self.halted.contains(&process) || (!self.halted.is_empty() && !self.before.contains(&(process, row)));
        if is_late {
            self.faults.push(format!("row {row} was sent by process {process} after a halt in {:?}", self.halted));
        }
    }
}

/// Delays and failures of one process.
struct Chaos {
    random: Random,
    process: usize,
    judge: Arc<Mutex<Judge>>,
    is_calm: Arc<AtomicBool>,
    calls: Mutex<HashMap<Call, u64>>,
}

impl Script for Chaos {
    fn timing(&self, call: Call) -> Timing {
        if self.is_calm.load(Ordering::SeqCst) {
            return Timing::default();
        }
        let mut calls = self.calls.lock().unwrap();
        let number = calls.entry(call).or_default();
        *number += 1;
        let random = self.random.of((self.process, call, *number));
        let fails = match random.of("fails").below(80) {
            0 => Some(Fails::WithoutEffect),
            1 => Some(Fails::AfterEffect),
            _ => None,
        };
        Timing { before: random.of("before").time(), after: random.of("after").time(), fails, yields: false }
    }

    fn departs(&self, row: u32) {
        self.judge.lock().unwrap().departed.insert((self.process, row));
    }
}

/// A run as one process has it.
struct Side {
    fleet: Fleet,
    run: Run,
}

/// Setting of one seed.
struct Storm {
    random: Random,
    processes: [World; 2],
    judge: Arc<Mutex<Judge>>,
    is_calm: Arc<AtomicBool>,
    of_runs: ManualClock,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let random = Random(seed);
        let running = Duration::from_secs([0, 5, 90][usize::try_from(random.of("running").below(3)).unwrap()]);
        let world = World::with(MACHINES, |emulator| emulator.running_for(running));
        let of_runs = ManualClock::new();
        let shared = Shared::new(&world.clock, &of_runs);
        let (judge, is_calm) = (Arc::<Mutex<Judge>>::default(), Arc::new(AtomicBool::new(true)));
        let processes = [0, 1].map(|process| {
            let (judge, is_calm) = (Arc::clone(&judge), Arc::clone(&is_calm));
            let script = Chaos { random, process, judge, is_calm, calls: Mutex::default() };
            world.with_stores(shared.stores(script))
        });
        let storm = Self { random, processes, judge, is_calm, of_runs };
        storm.faults();
        storm
    }

    fn faults(&self) {
        let emulator = &self.processes[0].emulator;
        for (name, fault, most) in [
            ("after", Fault::ResetAfterEffect, 3),
            ("before", Fault::ResetBeforeEffect, 2),
            ("429", Fault::TooManyRequests(RetryAfter::Seconds(5)), 4),
            ("long 429", Fault::TooManyRequests(RetryAfter::Seconds(200)), 3),
            ("refused", Fault::RefuseConnection, 6),
        ] {
            let times = u32::try_from(self.random.of(name).below(most)).unwrap();
            if times > 0 {
                emulator.fault(fault).on(RELEASE).times(times);
            }
        }
        for id in emulator.machine_ids() {
            if self.random.of(("outcome", id)).one_in(6) {
                emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).on_machine(id).times(1);
            }
        }
    }

    /// Returns a process, whose requests the judge sees.
    fn process(&self, process: usize) -> World {
        let world = &self.processes[process];
        let rows: HashMap<String, u32> =
            world.emulator.machine_ids().iter().map(|id| (*id).to_owned()).zip(0..).collect();
        let (judge, random) = (Arc::clone(&self.judge), self.random);
        let number = Mutex::new(0_u32);
        let on_post: OnPost = Arc::new(move |path| {
            let row = path.split('/').find_map(|part| rows.get(part)).unwrap();
            judge.lock().unwrap().posted(process, *row);
            let mut number = number.lock().unwrap();
            *number += 1;
            let random = random.of(("post", process, row, *number));
            (random.of("before").time(), random.of("after").time())
        });
        world.on_post(on_post)
    }

    async fn sleep(&self, time: Duration) {
        self.processes[0].clock.sleep(time).await;
    }

    fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::SeqCst)
    }

    /// Works on the run, dies, stops being polled, and begins again, until nothing is left to do in calm times.
    async fn work(&self, run: &Run, random: Random) {
        for life in 0_u64.. {
            let random = random.of(life);
            let mut events = run.events();
            let mut number = 0_u64;
            let has_failed = loop {
                number += 1;
                let random = random.of(number);
                let look = self.sleep(Duration::from_millis(random.of("look").below(12_000)));
                match select(events.next(), Box::pin(look)).await {
                    Either::Left((Some(Err(_)), _)) => break true,
                    Either::Left((None, _)) => break false,
                    Either::Right(_) if !self.is_calm() && random.of("dies").one_in(20) => break true,
                    Either::Right(_) if !self.is_calm() && random.of("stops").one_in(8) => {
                        self.sleep(Duration::from_millis(random.of("stop").below(60_000))).await;
                    }
                    Either::Left((Some(Ok(_)), _)) | Either::Right(_) => {}
                }
            };
            if self.is_calm() && !has_failed {
                return;
            }
            drop(events);
            self.sleep(Duration::from_millis(random.of("pause").below(15_000))).await;
        }
    }

    /// Halts and resumes the run, and plans rows again.
    async fn person(&self, sides: &[Side; 2], random: Random) {
        for step in 0..2 + random.of("steps").below(8) {
            let random = random.of(step);
            self.sleep(Duration::from_millis(random.of("pause").below(30_000))).await;
            let process = usize::try_from(random.of("process").below(2)).unwrap();
            match random.of("what").below(8) {
                0..3 => self.halt(sides, process).await,
                3..6 => self.resume(sides, process).await,
                6 => drop(sides[process].run.retry(RetryRows::Failed).await),
                _ => drop(sides[process].run.retry(RetryRows::Unknown).await),
            }
        }
    }

    async fn halt(&self, sides: &[Side; 2], process: usize) {
        let resumes = self.judge.lock().unwrap().resumes;
        if sides[process].run.halt("stop").await.is_ok() {
            self.judge.lock().unwrap().halted(process, resumes);
        }
    }

    async fn resume(&self, sides: &[Side; 2], process: usize) {
        self.judge.lock().unwrap().resume();
        let _resumed_or_not = sides[process].fleet.resume(sides[process].run.id()).await;
        self.judge.lock().unwrap().resume();
    }

    /// The clock of the leases, which jumps.
    async fn time(&self) {
        for number in 0_u64.. {
            self.sleep(Duration::from_secs(3)).await;
            let jumps = !self.is_calm() && self.random.of(("jump", number)).one_in(6);
            self.of_runs.advance(Duration::from_secs(if jumps { 100 } else { 3 }));
        }
    }

    async fn blow(&self) {
        let worlds = [0, 1].map(|process| self.process(process));
        let waves = if self.random.of("waves").one_in(2) { &[3][..] } else { &[] };
        let plan = worlds[0].release().waves(waves).approved();
        let mut sides = Vec::new();
        for world in worlds {
            let fleet = world.fleet();
            sides.push(Side { run: fleet.start(&plan).await.unwrap(), fleet });
        }
        let sides: [Side; 2] = sides.try_into().ok().unwrap();
        self.is_calm.store(false, Ordering::SeqCst);
        let workers = || {
            let worker = |number: usize| -> BoxFuture<'_, ()> {
                Box::pin(self.work(&sides[number % 2].run, self.random.of(("worker", number))))
            };
            join_all((0..4).map(worker))
        };
        let calms = async {
            // Two persons do not know of each other.
            let persons = [0, 1].map(|person| self.person(&sides, self.random.of(("person", person))));
            join_all(persons).await;
            self.is_calm.store(true, Ordering::SeqCst);
            self.halt(&sides, 0).await;
        };
        join(calms, workers()).await;
        let halted = sides[0].run.report().await.unwrap();
        agrees(&self.processes[0], &halted);
        let counts = halted.counts;
        assert_eq!((counts.sending, counts.submitted), (0, 0), "{halted}");
        self.resume(&sides, 1).await;
        workers().await;
        let report = sides[0].run.report().await.unwrap();
        assert_eq!(report.counts.open(), 0, "{report}");
        agrees(&self.processes[0], &report);
    }

    async fn judged(self) {
        let world = self.processes[0].clone();
        let limit = world.clock.sleep(Duration::from_secs(4 * 3_600));
        let blown = select(Box::pin(self.blow()), Box::pin(join(limit, self.time())));
        assert!(matches!(world.run(blown).await, Either::Left(_)), "the run does not end");
        let faults = &self.judge.lock().unwrap().faults;
        assert!(faults.is_empty(), "{faults:?}");
    }
}

/// Fails unless the report is what the ledger of the service shows.
fn agrees(world: &World, report: &Report) {
    let entries = world.entries();
    for row in &report.rows {
        let id = row.machine_id.as_ref().unwrap().as_str();
        let posts: Vec<_> = entries.iter().filter(|entry| entry.path.contains(id) && entry.status != 429).collect();
        let attempts = row.earlier.len() + usize::from(row.state != ReportState::Planned);
        assert!(posts.len() <= attempts, "sent twice to {id}: {posts:?}\n{row:?}");
        let created: Vec<_> = posts
            .iter()
            .filter_map(|entry| match &entry.effect {
                Effect::Created(action) => Some(action.as_str()),
                _ => None,
            })
            .collect();
        let earlier = row.earlier.iter().map(|attempt| (&attempt.action_id, &attempt.error));
        let known: Vec<_> = earlier.chain([(&row.action_id, &row.error)]).collect();
        let is_known = |action: &str| known.iter().any(|(id, _)| id.as_ref().is_some_and(|id| id.as_str() == action));
        let is_unknown =
            known.iter().any(|(_, error)| error.as_ref().is_some_and(|error| error.kind != "action-failed"));
        for action in &created {
            assert!(is_unknown || is_known(action), "{action} is not in the report: {row:?}");
        }
        if let Some(action) = &row.action_id {
            assert!(created.contains(&action.as_str()), "the ledger does not have the action of {row:?}");
        }
        assert!(row.state != ReportState::Succeeded || row.action_id.is_some(), "{row:?}");
    }
}

/// A seed in which a write of an earlier attempt comes late, in about one of six of its storms: the ids of workers are random.
const LATE_WRITE: u64 = 1_080;

#[tokio::test]
async fn storms_send_no_row_twice() {
    // For longer storms by hand, such as `STORM_SEEDS=0..5000`.
    let chosen = std::env::var("STORM_SEEDS").ok();
    let chosen = chosen.as_deref().and_then(|text| text.split_once(".."));
    let seeds: Vec<u64> = match chosen {
        Some((from, to)) => (from.parse().unwrap()..to.parse().unwrap()).collect(),
        None => (0..24).chain([LATE_WRITE; 20]).collect(),
    };
    for seed in seeds {
        println!("seed {seed}");
        Storm::new(seed).judged().await;
    }
}

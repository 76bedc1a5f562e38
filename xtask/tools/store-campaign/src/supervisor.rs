//! One seed: starts the processes, disturbs them, and gathers what they leave.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use defender_actions::{Entry, EntryKey};
use defender_transport::{Clock, SystemClock};
use fastrand::Rng;
use xtask::Failure;

use crate::{
    database::{Database, Engine, Store},
    figures::Figures,
    fleet::Operator,
    judge::{Evidence, judge},
    order::{CALM, Note, REPORT, ServiceOrder, Tenant, TenantReport, WorkerOrder, key},
    process::{Process, SERVICE, WORKER, broken},
    run_judge,
};

const WORKERS: u32 = 3;
/// Faults of a seed.
const FAULTS: u32 = 24;
/// Longer than the lease of an entry, which is about 340 s on the clocks of the workers.
const LONGER_THAN_LEASES: Duration = Duration::from_secs(35);
/// Longest time in which all workers must come to their end once no more faults come.
const PATIENCE: Duration = Duration::from_secs(300);
/// Longest time in which the emulators must start or report.
const REPORTS: Duration = Duration::from_secs(60);

struct Seed {
    folder: PathBuf,
    origin: String,
    actions: u32,
    store: String,
    tenants: Vec<Tenant>,
    claims: Vec<Note>,
    /// Keys of the workers that were killed, and keys whose request was lost on its way.
    doubtful: HashSet<String>,
    /// Id of the run of each tenant.
    runs: Vec<String>,
    figures: Figures,
}

/// How the actions are submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One by one, each with a key.
    Actions,
    /// By a run of a fleet in each tenant, and a second one that undoes the first.
    Runs,
}

/// Engine, kind and size of a seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) engine: Engine,
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    pub(crate) tenants: u32,
    pub(crate) actions: u32,
}

/// Runs a seed, and returns its figures and findings. The folder of a seed with findings is kept.
pub(crate) fn run(case: Case) -> Result<(Figures, Vec<String>), Failure> {
    let Case { engine, kind, seed, .. } = case;
    let folder = std::env::temp_dir().join(format!("campaign-c-{}-{engine:?}-{kind:?}-{seed}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| Failure::broken(folder.display(), error))?;
    let (figures, mut findings) = in_folder(case, &folder)?;
    if findings.is_empty() {
        let _removed = std::fs::remove_dir_all(&folder);
    } else {
        findings.push(format!("its logs are in {}", folder.display()));
    }
    Ok((figures, findings))
}

fn in_folder(case: Case, folder: &Path) -> Result<(Figures, Vec<String>), Failure> {
    let Case { engine, kind, seed, tenants, actions } = case;
    let mut database = Database::start(engine, folder)?;
    let origin = SystemClock::new().now().to_string();
    let order = ServiceOrder { seed, tenants, actions, folder: folder.to_owned(), origin: origin.clone() };
    let mut service = Process::start(SERVICE, &order, &folder.join("emulators.log"))?;
    let line = service.lines.recv_timeout(REPORTS).map_err(|error| broken("the emulators")(&error))?;
    let tenants = serde_json::from_str(&line).map_err(|error| broken("the emulators")(&error))?;
    let (folder, store) = (folder.to_owned(), database.address());
    let mut run = Seed {
        folder,
        origin,
        actions,
        store,
        tenants,
        claims: Vec::new(),
        doubtful: HashSet::new(),
        runs: Vec::new(),
        figures: Figures::default(),
    };
    if kind == Kind::Runs {
        return run.in_runs(seed, &mut database, &mut service);
    }
    let mut workers = run.workers()?;
    run.disturb(seed, &mut database, &mut workers, None)?;
    service.tell(CALM)?;
    let mut findings = run.finish(&mut workers);
    drop(workers);
    let reports = reports(&mut service)?;
    let entries = run.entries()?;
    let evidence =
        Evidence { reports: &reports, entries: &entries, claims: &run.claims, doubtful: &run.doubtful, actions };
    let (mut figures, found) = judge(&evidence);
    figures.add(&run.figures);
    findings.extend(found);
    Ok((figures, findings))
}

/// Worker process.
struct Worker {
    number: u32,
    process: Process,
    is_done: bool,
    /// Keys that the process has begun.
    began: HashSet<String>,
}

impl Seed {
    fn workers(&self) -> Result<Vec<Worker>, Failure> {
        (0..WORKERS).map(|number| self.worker(number)).collect()
    }

    fn worker(&self, number: u32) -> Result<Worker, Failure> {
        let order = WorkerOrder {
            worker: number,
            workers: WORKERS,
            actions: self.actions,
            origin: self.origin.clone(),
            store: self.store.clone(),
            tenants: self.tenants.clone(),
            runs: self.runs.clone(),
        };
        let process = Process::start(WORKER, &order, &self.folder.join(format!("worker-{number}.log")))?;
        Ok(Worker { number, process, is_done: false, began: HashSet::new() })
    }

    /// Runs an isolation of all machines in each tenant, and then the runs that undo it.
    fn in_runs(
        mut self,
        seed: u64,
        database: &mut Database,
        service: &mut Process,
    ) -> Result<(Figures, Vec<String>), Failure> {
        let operator = Operator::new(&self.tenants, &self.origin, &self.store)?;
        let (mut findings, mut all) = (Vec::new(), Vec::new());
        self.runs = operator.start(&self.tenants)?;
        for round in 0..2 {
            let mut workers = self.workers()?;
            self.disturb(seed.wrapping_add(round), database, &mut workers, Some(&operator))?;
            operator.resume(&self.runs)?;
            if round == 1 {
                service.tell(CALM)?;
            }
            findings.extend(self.finish(&mut workers));
            all.push(operator.reports(&self.runs)?);
            drop(workers);
            if round == 0 {
                self.runs = operator.undo(&self.runs)?;
            }
        }
        let [done, undone] = <[_; 2]>::try_from(all).map_err(|_| Failure::Check("a round is missing".to_owned()))?;
        let pairs: Vec<_> = done.into_iter().zip(undone).map(|(done, undone)| [done, undone]).collect();
        let (mut figures, found) = run_judge::judge(&self.tenants, &reports(service)?, &pairs);
        figures.add(&self.figures);
        findings.extend(found);
        Ok((figures, findings))
    }

    /// Takes the lines that a worker has written so far, or up to the end of its process.
    fn hear(&mut self, worker: &mut Worker, to_the_end: bool) {
        let lines: Vec<_> =
            if to_the_end { worker.process.lines.iter().collect() } else { worker.process.lines.try_iter().collect() };
        for line in &lines {
            self.note(worker, line);
        }
    }

    /// Takes a line of a worker.
    fn note(&mut self, worker: &mut Worker, line: &str) {
        match serde_json::from_str(line) {
            Ok(Note::Done) => worker.is_done = true,
            Ok(Note::Began { key }) => {
                worker.began.insert(key);
            }
            Ok(Note::Lost { key }) => {
                self.doubtful.insert(key);
            }
            Ok(claim) => self.claims.push(claim),
            // The last line of a worker that was killed may be cut off.
            Err(_) => {}
        }
    }

    /// Kills and stops workers, and disturbs the database, at random moments.
    fn disturb(
        &mut self,
        seed: u64,
        database: &mut Database,
        workers: &mut [Worker],
        operator: Option<&Operator>,
    ) -> Result<(), Failure> {
        let mut rng = Rng::with_seed(seed ^ 0xc0);
        for _ in 0..FAULTS {
            std::thread::sleep(Duration::from_millis(rng.u64(50..900)));
            for worker in &mut *workers {
                self.hear(worker, false);
            }
            let number = rng.usize(0..workers.len());
            let Some(worker) = workers.get_mut(number) else { continue };
            match rng.u32(0..10) {
                0..5 => {
                    // What it wrote before its end is read.
                    worker.process.signal("-KILL")?;
                    self.hear(worker, true);
                    let next = self.worker(worker.number)?;
                    self.doubtful.extend(std::mem::replace(worker, next).began);
                    self.figures.killed += 1;
                }
                5..8 => {
                    worker.process.signal("-STOP")?;
                    std::thread::sleep(Duration::from_millis(rng.u64(10..4_000)));
                    worker.process.signal("-CONT")?;
                    self.figures.stopped += 1;
                }
                _ => {
                    database.disturb(&mut rng)?;
                    self.figures.disturbed += 1;
                }
            }
            if let Some(operator) = operator.filter(|_| rng.u32(0..3) == 0)
                && operator.halt_or_resume(&mut rng, &self.runs)?
            {
                self.figures.halted += 1;
            }
        }
        // Others recover its entries, and then it goes on.
        if let Some(worker) = workers.first().filter(|_| !seed.is_multiple_of(2)) {
            worker.process.signal("-STOP")?;
            std::thread::sleep(LONGER_THAN_LEASES);
            worker.process.signal("-CONT")?;
            self.figures.stopped += 1;
        }
        Ok(())
    }

    /// Waits until all workers are done.
    fn finish(&mut self, workers: &mut [Worker]) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut findings = Vec::new();
        for worker in &mut *workers {
            let number = worker.number;
            while !worker.is_done {
                match worker.process.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(line) => self.note(worker, &line),
                    Err(RecvTimeoutError::Timeout) => {
                        findings.push(format!("hang: worker {number} is not done after {PATIENCE:?}"));
                        break;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            if worker.process.has_ended() {
                findings.push(format!("worker {number} ended by itself"));
            }
        }
        // A worker that was done before reports what it recovered since.
        for worker in workers {
            self.hear(worker, false);
        }
        findings
    }

    fn entries(&self) -> Result<HashMap<String, Entry>, Failure> {
        let broken = broken("the journal");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| broken(&error))?.block_on(async {
            let store = Store::connect(&self.store).await.map_err(|error| broken(&error))?;
            let mut entries = HashMap::new();
            for (tenant, number) in
                (0..self.tenants.len()).flat_map(|tenant| (0..self.actions).map(move |number| (tenant, number)))
            {
                let name = key(tenant, number);
                let Some(key) = EntryKey::new(&name) else { continue };
                if let Some(entry) = store.entry(&key).await.map_err(|error| broken(&error))? {
                    entries.insert(name, entry);
                }
            }
            Ok(entries)
        })
    }
}

/// Asks the emulators for what they received.
fn reports(service: &mut Process) -> Result<Vec<TenantReport>, Failure> {
    service.tell(REPORT)?;
    let line = service.lines.recv_timeout(REPORTS).map_err(|error| broken("the emulators")(&error))?;
    serde_json::from_str(&line).map_err(|error| broken("the emulators' report")(&error))
}

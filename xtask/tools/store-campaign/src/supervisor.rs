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
    judge::{Evidence, judge},
    order::{CALM, Note, REPORT, ServiceOrder, Tenant, TenantReport, WorkerOrder, key},
    process::{Process, SERVICE, WORKER, broken},
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
    /// Keys that the present process of each worker has begun.
    began: Vec<HashSet<String>>,
    /// Keys of the workers that were killed, and keys whose request was lost on its way.
    doubtful: HashSet<String>,
    /// True for each worker that is done.
    done: Vec<bool>,
    figures: Figures,
}

/// Runs a seed, and returns its figures and findings. The folder of a seed with findings is kept.
pub(crate) fn run(engine: Engine, seed: u64, tenants: u32, actions: u32) -> Result<(Figures, Vec<String>), Failure> {
    let folder = std::env::temp_dir().join(format!("campaign-c-{}-{engine:?}-{seed}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| Failure::broken(folder.display(), error))?;
    let (figures, mut findings) = in_folder(engine, seed, tenants, actions, &folder)?;
    if findings.is_empty() {
        let _removed = std::fs::remove_dir_all(&folder);
    } else {
        findings.push(format!("its logs are in {}", folder.display()));
    }
    Ok((figures, findings))
}

fn in_folder(
    engine: Engine,
    seed: u64,
    tenants: u32,
    actions: u32,
    folder: &Path,
) -> Result<(Figures, Vec<String>), Failure> {
    let mut database = Database::start(engine, folder)?;
    let origin = SystemClock::new().now().to_string();
    let order = ServiceOrder { seed, tenants, actions, folder: folder.to_owned(), origin: origin.clone() };
    let mut service = Process::start(SERVICE, &order, &folder.join("emulators.log"))?;
    let line = service.lines.recv_timeout(REPORTS).map_err(|error| broken("the emulators")(&error))?;
    let tenants = serde_json::from_str(&line).map_err(|error| broken("the emulators")(&error))?;
    let (folder, store) = (folder.to_owned(), database.address());
    let (began, done) = (vec![HashSet::new(); WORKERS as usize], vec![false; WORKERS as usize]);
    let mut run = Seed {
        folder,
        origin,
        actions,
        store,
        tenants,
        claims: Vec::new(),
        began,
        doubtful: HashSet::new(),
        done,
        figures: Figures::default(),
    };
    let mut workers = (0..WORKERS).map(|number| run.worker(number)).collect::<Result<Vec<_>, _>>()?;
    run.disturb(seed, &mut database, &mut workers)?;
    service.tell(CALM)?;
    let mut findings = run.finish(&mut workers);
    drop(workers);
    service.tell(REPORT)?;
    let line = service.lines.recv_timeout(REPORTS).map_err(|error| broken("the emulators")(&error))?;
    let reports: Vec<TenantReport> =
        serde_json::from_str(&line).map_err(|error| broken("the emulators' report")(&error))?;
    let entries = run.entries()?;
    let evidence =
        Evidence { reports: &reports, entries: &entries, claims: &run.claims, doubtful: &run.doubtful, actions };
    let (mut figures, found) = judge(&evidence);
    figures.add(&run.figures);
    findings.extend(found);
    Ok((figures, findings))
}

impl Seed {
    fn worker(&self, number: u32) -> Result<Process, Failure> {
        let order = WorkerOrder {
            worker: number,
            workers: WORKERS,
            actions: self.actions,
            origin: self.origin.clone(),
            store: self.store.clone(),
            tenants: self.tenants.clone(),
        };
        Process::start(WORKER, &order, &self.folder.join(format!("worker-{number}.log")))
    }

    /// Takes a line of a worker.
    fn note(&mut self, number: usize, line: &str) {
        match serde_json::from_str(line) {
            Ok(Note::Done) => self.done[number] = true,
            Ok(Note::Began { key }) => {
                self.began[number].insert(key);
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
    fn disturb(&mut self, seed: u64, database: &mut Database, workers: &mut [Process]) -> Result<(), Failure> {
        let mut rng = Rng::with_seed(seed ^ 0xc0);
        for _ in 0..FAULTS {
            std::thread::sleep(Duration::from_millis(rng.u64(50..900)));
            for (number, worker) in workers.iter().enumerate() {
                worker.lines.try_iter().for_each(|line| self.note(number, &line));
            }
            let number = rng.usize(0..workers.len());
            let Some(worker) = workers.get_mut(number) else { continue };
            match rng.u32(0..10) {
                0..5 => {
                    // What it wrote before its end is read.
                    worker.signal("-KILL")?;
                    worker.lines.iter().for_each(|line| self.note(number, &line));
                    *worker = self.worker(u32::try_from(number).unwrap_or_default())?;
                    self.done[number] = false;
                    self.doubtful.extend(std::mem::take(&mut self.began[number]));
                    self.figures.killed += 1;
                }
                5..8 => {
                    worker.signal("-STOP")?;
                    std::thread::sleep(Duration::from_millis(rng.u64(10..4_000)));
                    worker.signal("-CONT")?;
                    self.figures.stopped += 1;
                }
                _ => {
                    database.disturb(&mut rng)?;
                    self.figures.disturbed += 1;
                }
            }
        }
        // Others recover its entries, and then it goes on.
        if let Some(worker) = workers.first().filter(|_| !seed.is_multiple_of(2)) {
            worker.signal("-STOP")?;
            std::thread::sleep(LONGER_THAN_LEASES);
            worker.signal("-CONT")?;
            self.figures.stopped += 1;
        }
        Ok(())
    }

    /// Waits until all workers are done.
    fn finish(&mut self, workers: &mut [Process]) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut findings = Vec::new();
        for (number, worker) in workers.iter_mut().enumerate() {
            while !self.done[number] {
                match worker.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(line) => self.note(number, &line),
                    Err(RecvTimeoutError::Timeout) => {
                        findings.push(format!("hang: worker {number} is not done after {PATIENCE:?}"));
                        break;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            if worker.has_ended() {
                findings.push(format!("worker {number} ended by itself"));
            }
        }
        // A worker that was done before reports what it recovered since.
        for (number, worker) in workers.iter().enumerate() {
            worker.lines.try_iter().for_each(|line| self.note(number, &line));
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

//! Several processes on one file. One of them is killed, and one is stopped for a while; the judge is a server that counts arrivals.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use defender_store::{SqliteStore, conformance::fullest_window};
use defender_transport::{
    EndedPermit, PermitId, PermitOutcome, PermitRequest, QuotaStore,
    extensions::{QuotaKey, RateLimit},
};

use super::folder::Folder;

static KEY: std::sync::LazyLock<QuotaKey> = std::sync::LazyLock::new(|| "application/tenant/isolate".into());
const LIMITS: [RateLimit; 2] = [
    RateLimit { calls: 15, per: Duration::from_millis(500) },
    RateLimit { calls: 40, per: Duration::from_millis(1_500) },
];
/// Time of a permit that nobody releases.
const HOLD: Duration = Duration::from_secs(3);
/// Time for which a worker is stopped. It may have the lock of the file then, for which the others wait longer than that.
const STOPPED: Duration = Duration::from_secs(1);
/// Time since the ask after which a permit is not used: a worker may be stopped right after it looked.
const SEND_WITHIN: Duration = Duration::from_secs(1);
/// Variables of a worker process: the address of the judge, and the file.
const WORKER: &str = "DEFENDER_STORE_WORKER";

/// The server of the requests. It counts a request as it arrives, and responds a little later.
struct Judge {
    address: SocketAddr,
    began: Instant,
    arrivals: Arc<Mutex<Vec<Duration>>>,
}

#[expect(clippy::disallowed_methods, reason = "processes live in real time")]
impl Judge {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, began) = (listener.local_addr().unwrap(), Instant::now());
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&arrivals);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, noted) = (stream.unwrap(), Arc::clone(&noted));
                thread::spawn(move || {
                    let mut request = [0];
                    while stream.read_exact(&mut request).is_ok() {
                        noted.lock().unwrap().push(began.elapsed());
                        thread::sleep(Duration::from_millis(10));
                        if stream.write_all(&request).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, began, arrivals }
    }

    fn worker(&self, folder: &Folder) -> Worker {
        let worker = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::worker_sends_within_its_permits"])
            .env(WORKER, format!("{} {}", self.address, folder.file().display()))
            .stdout(Stdio::null())
            .spawn();
        Worker(worker.unwrap())
    }

    fn count(&self) -> usize {
        self.arrivals.lock().unwrap().len()
    }

    /// Waits until `count` requests have arrived.
    fn wait_for(&self, count: usize) {
        let began = self.began.elapsed();
        while self.count() < count {
            assert!(
                self.began.elapsed() < began + Duration::from_secs(60),
                "{} of {count} requests arrived",
                self.count()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn check(&self) {
        let arrivals = self.arrivals.lock().unwrap();
        for limit in LIMITS {
            let fullest = fullest_window(&arrivals, limit.per);
            assert!(fullest <= limit.calls as usize, "{fullest} requests in {:?}", limit.per);
        }
    }
}

/// A worker process, which is killed with the test, even while it is stopped.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends requests until `is_over`.
#[expect(clippy::disallowed_methods, reason = "processes live in real time")]
async fn work(judge: SocketAddr, store: SqliteStore, is_over: impl Fn() -> bool) {
    let mut stream = TcpStream::connect(judge).unwrap();
    while !is_over() {
        let (permits, asked) = ([PermitId::generate()], Instant::now());
        let request = PermitRequest { key: &KEY, limits: &LIMITS, permits: &permits, hold: HOLD };
        let granted = store.reserve(&request).await.unwrap();
        if let Some(wait) = granted.retry_after {
            tokio::time::sleep(wait.max(Duration::from_millis(2))).await;
            continue;
        }
        let mut outcome = PermitOutcome::NeverSent;
        // A process that was stopped for long has lost its permit. The time to the judge is short.
        if asked.elapsed() < SEND_WITHIN {
            // The test has ended: nobody reads.
            if stream.write_all(&[1]).and_then(|()| stream.read_exact(&mut [0])).is_err() {
                return;
            }
            outcome = PermitOutcome::Answered;
        }
        store.release(&KEY, &[EndedPermit { id: permits[0], outcome, ago: Duration::ZERO }]).await.unwrap();
    }
}

/// One worker alone. Another process runs it too, as a worker that works until it is killed.
#[tokio::test]
async fn worker_sends_within_its_permits() {
    if let Ok(order) = std::env::var(WORKER) {
        let (judge, file) = order.split_once(' ').unwrap();
        let store = SqliteStore::open(file).await.unwrap();
        let parent = std::os::unix::process::parent_id();
        return work(judge.parse().unwrap(), store, || std::os::unix::process::parent_id() != parent).await;
    }
    let (folder, judge) = (Folder::new(), Judge::start());
    let store = SqliteStore::open(folder.file()).await.unwrap();
    work(judge.address, store, || judge.count() >= 20).await;
    judge.check();
}

fn signal(worker: &Worker, signal: &str) {
    let sent = Command::new("kill").args([signal, &worker.0.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "processes live in real time")]
fn killed_and_stopped_workers_keep_the_limit() {
    let (folder, judge) = (Folder::new(), Judge::start());
    let (killed, stopped) = (judge.worker(&folder), judge.worker(&folder));
    judge.wait_for(45);
    drop(killed);
    let third = judge.worker(&folder);
    signal(&stopped, "-STOP");
    thread::sleep(STOPPED);
    signal(&stopped, "-CONT");
    judge.wait_for(130);
    drop((stopped, third));
    thread::sleep(Duration::from_millis(20));
    judge.check();
}

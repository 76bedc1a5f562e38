//! Processes that share a quota, one of which is killed, stopped, or loses its database.

use std::{
    net::SocketAddr,
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use defender_store::{PostgresStore, SqliteStore};
use defender_transport::{
    PermitId, PermitOutcome, PermitRequest, QuotaStore,
    extensions::{QuotaKey, RateLimit},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use postgres_suite::server::signal;

use crate::{
    judge::Judge,
    world::{Outcome, World, checks, ended, ensure, text},
};

checks! { two_workers_use_the_quota_and_no_more killed_and_stopped_workers_keep_the_limit }

/// First argument of a worker. The others are the address of the judge, the URL or file of the store, and the key.
pub(crate) const WORKER: &str = "worker";
/// Number of requests of a worker at a time.
const TASKS: usize = 8;
/// Time of a permit that nobody releases.
const HOLD: Duration = Duration::from_secs(3);
/// Time since the ask after which a permit is not used. A worker may be stopped for two seconds right after it looked.
const SEND_WITHIN: Duration = Duration::from_secs(1);
const LIMITS: [RateLimit; 2] =
    [RateLimit { calls: 50, per: Duration::from_secs(1) }, RateLimit { calls: 150, per: Duration::from_secs(5) }];

/// A worker process. It ends with this one.
struct Worker(Child);

impl Worker {
    fn start(judge: &Judge, store: &str, key: &str) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(text)?;
        let mut command = Command::new(program);
        command.args([WORKER, &judge.address.to_string(), store, key]).stdin(Stdio::piped());
        command.spawn().map(Self).map_err(text)
    }

    fn signal(&self, name: &str) -> Outcome {
        signal(name, self.0.id()).map_err(|failure| format!("{failure:?}"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program of a worker.
pub(crate) fn work(arguments: &[String]) -> ExitCode {
    let [judge, store, key] = arguments else { return ExitCode::from(2) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(text).and_then(|runtime| runtime.block_on(send(judge, store, key)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("worker: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn send(judge: &str, store: &str, key: &str) -> Outcome {
    let judge: SocketAddr = judge.parse().map_err(text)?;
    let store: Arc<dyn QuotaStore> = if store.starts_with("postgres") {
        Arc::new(PostgresStore::connect(store).await.map_err(text)?)
    } else {
        Arc::new(SqliteStore::open(store).await.map_err(text)?)
    };
    let key = QuotaKey::from(key.to_owned());
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(requests(judge, Arc::clone(&store), key.clone()))).collect();
    // Without a parent nobody writes to the input, and nobody kills this process.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
    for task in tasks {
        task.abort();
    }
    Ok(())
}

async fn requests(judge: SocketAddr, store: Arc<dyn QuotaStore>, key: QuotaKey) -> Outcome {
    let mut stream = TcpStream::connect(judge).await.map_err(text)?;
    let mut id = PermitId::generate();
    loop {
        let asked = Instant::now();
        let request = PermitRequest { key: &key, limits: &LIMITS, permits: &[id], hold: HOLD };
        match store.reserve(&request).await {
            Ok(permits) if permits.granted == 1 => {}
            Ok(permits) => {
                tokio::time::sleep(permits.retry_after.unwrap_or_default().max(Duration::from_millis(2))).await;
                continue;
            }
            // It may have been granted: the repeat has the same id.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        }
        let mut outcome = PermitOutcome::NeverSent;
        if asked.elapsed() < SEND_WITHIN {
            outcome = PermitOutcome::Answered;
            stream.write_all(&[1]).await.map_err(text)?;
            stream.read_exact(&mut [0]).await.map_err(text)?;
        }
        let end = Instant::now();
        loop {
            let mut ended = ended(id, outcome);
            for ended in &mut ended {
                ended.ago = end.elapsed();
            }
            if store.release(&key, &ended).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        id = PermitId::generate();
    }
}

/// On PostgreSQL and on SQLite at once.
async fn two_workers_use_the_quota_and_no_more(world: &mut World) -> Outcome {
    drop(world.store().await?);
    let (url, file) = (world.server.url(world.server.port), world.folder.0.join("quota.db"));
    let done = tokio::join!(two_workers(&url), two_workers(file.to_str().unwrap_or_default()));
    done.0.and(done.1)
}

async fn two_workers(store: &str) -> Outcome {
    let judge = Judge::start().await?;
    let workers = [Worker::start(&judge, store, "two")?, Worker::start(&judge, store, "two")?];
    judge.wait_for(1).await?;
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    drop(workers);
    judge.check(&LIMITS)?;
    // The long window has room for 150 twice in ten seconds.
    let sent = judge.within(Duration::from_secs(10));
    ensure!(sent >= 294, "{sent} of 300 requests were sent in ten seconds");
    Ok(())
}

async fn killed_and_stopped_workers_keep_the_limit(world: &mut World) -> Outcome {
    drop(world.store().await?);
    let (url, judge) = (world.server.url(world.server.port), Judge::start().await?);
    let start = || Worker::start(&judge, &url, "killed");
    let (killed, stopped) = (start()?, start()?);
    judge.wait_for(60).await?;
    drop(killed);
    let third = start()?;
    stopped.signal("-STOP")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    stopped.signal("-CONT")?;
    let failed = |failure| format!("{failure:?}");
    world.server.kill().and_then(|()| world.server.launch()).map_err(failed)?;
    judge.wait_for(190).await?;
    world.server.kill().and_then(|()| world.server.launch()).map_err(failed)?;
    judge.wait_for(300).await?;
    drop((stopped, third));
    judge.check(&LIMITS)
}

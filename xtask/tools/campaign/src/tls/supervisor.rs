//! One seed: starts the two processes, kills the one, again and again, and gathers what both have left.

use std::{
    path::Path,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use defender_emulator::FastClock;
use defender_transport::{Clock, SystemClock};
use fastrand::Rng;
use xtask::{Failure, emulator::Program};

use super::{
    gather,
    journal::{self, Event, JOURNAL, Line},
    notes::{Note, Order},
    plan::{self, SPEED, Stand},
    process::{WORDS, Worker},
    service::Asking,
    worker::PANICKED,
};
use crate::{
    canary::Canary,
    figures::Count,
    judge::{Finding, judge, quota::over_though_alone},
    service::Service,
    sweep::Ran,
};

/// The log of the emulator in the folder of a seed.
const LOG: &str = "emulator.jsonl";

/// A worker that has written nothing for so long hangs: in this time its clock goes hours.
const HANGS: Duration = Duration::from_secs(60);

/// End of a worker.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Killed,
    Done,
    Hung,
    /// By itself, with this exit code.
    Broken(Option<i32>),
}

/// Runs the first `steps` of `seed`. All that is left of it is in `folder`.
pub(super) fn run(emulator: &Path, folder: &Path, seed: u64, steps: u32) -> Result<Ran, Failure> {
    // As the seed draws its behavior.
    let options = plan::service(seed).into_iter().flat_map(|(option, word)| [option.to_owned(), word]);
    let log = folder.join(LOG).display().to_string();
    let options = options.chain(["--port", "0", "--stop-with-stdin", "--log", &log].map(str::to_owned));
    let emulator = Program::start(emulator, &format!("campaign-{seed}"), options)?;
    let service: Service = serde_json::from_value(emulator.line().clone())
        .map_err(|error| Failure::broken("the emulator's line", error))?;
    let origin = SystemClock::new().now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::broken("the supervisor's runtime", error))?;
    let asking = Asking::of(&service, FastClock::since(origin, SPEED))?;
    runtime.block_on(asking.tell_outcomes())?;
    let mut kills = plan::kills(seed).into_iter();
    // When it is killed once it has announced that it may be.
    let mut dice = Rng::with_seed(seed);
    let mut findings = Vec::new();
    let mut restarts = 0;
    loop {
        let order = Order {
            seed,
            steps,
            incarnation: restarts,
            origin: origin.to_string(),
            folder: folder.to_owned(),
            service: service.clone(),
        };
        let lag = Duration::from_micros(dice.u64(0..12_000));
        match watch(Worker::start(&order)?, kills.next(), lag, HANGS)? {
            End::Killed => restarts += 1,
            End::Done => break,
            End::Hung => {
                let words = format!("worker {restarts} wrote nothing for {HANGS:?}");
                findings.push(Finding { count: Count::Hang, tag: None, words });
                break;
            }
            End::Broken(code) => {
                let count = if code == Some(PANICKED) { Count::Panic } else { Count::Hang };
                let words = format!("worker {restarts} ended by itself with {code:?}: {}", last_words(folder));
                findings.push(Finding { count, tag: None, words });
                break;
            }
        }
    }
    let known = runtime.block_on(asking.everything())?;
    // Its log is whole once it has ended.
    drop(emulator);
    findings.extend(leaks(folder, &service.client_secret)?);
    let lines = journal::read(&folder.join(JOURNAL)).map_err(|error| Failure::broken(JOURNAL, error))?;
    let log = read(folder, LOG)?;
    let log = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let evidence = gather::evidence(&lines, known, log, plan::writing(seed)?);
    let mut verdict = judge(&evidence);
    verdict.figures.ways.restarts = u64::from(restarts);
    // The first process was alone with the quota, so that it was never to be told that it is used up.
    findings.extend(over_though_alone(evidence.arrivals.iter().filter(|arrival| arrival.incarnation == 0)));
    findings.extend(secrets(&lines));
    for finding in &findings {
        verdict.figures.against.note(finding.count);
    }
    findings.extend(verdict.findings);
    Ok(Ran { figures: verdict.figures, findings, ledger: evidence.ledger, story: story(folder)? })
}

/// Listens to a worker until it is done, writes nothing for as long as `hangs`, or is killed: after `until`, if there is such a time, or
/// `lag` after it announced that it goes no further.
#[expect(clippy::disallowed_methods, reason = "a process is killed in real time")]
fn watch(mut worker: Worker, until: Option<Duration>, lag: Duration, hangs: Duration) -> Result<End, Failure> {
    let began = Instant::now();
    let mut heard = began;
    let mut dies = until.and_then(|until| began.checked_add(until));
    loop {
        let now = Instant::now();
        if dies.is_some_and(|dies| dies <= now) {
            worker.kill();
            return Ok(End::Killed);
        }
        if now.duration_since(heard) > hangs {
            worker.kill();
            return Ok(End::Hung);
        }
        let patience = dies.map_or(hangs, |dies| dies.duration_since(now));
        match worker.notes.recv_timeout(patience) {
            Ok(Note::Progress) => heard = Instant::now(),
            // What is on its way may come to any point by then; what stands still is where it is.
            Ok(Note::Stands(stand)) => {
                let lag = if stand == Stand::Departed { lag } else { Duration::ZERO };
                dies = Instant::now().checked_add(lag);
            }
            Ok(Note::Done) => {
                worker.ended()?;
                return Ok(End::Done);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(End::Broken(worker.ended()?)),
        }
    }
}

fn read(folder: &Path, name: &str) -> Result<String, Failure> {
    let path = folder.join(name);
    std::fs::read_to_string(&path).map_err(|error| Failure::broken(path.display(), error))
}

/// Output of the last worker before it ended.
fn last_words(folder: &Path) -> String {
    let words = read(folder, WORDS).unwrap_or_default();
    let mut last: Vec<&str> = words.lines().rev().take(6).collect();
    last.reverse();
    last.join(" / ")
}

/// The journal, for the report of the seed.
fn story(folder: &Path) -> Result<Vec<String>, Failure> {
    Ok(read(folder, JOURNAL)?.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// The secrets that the worker saw where they may not be, and its own failures. Where it saw no event at all it was not looking.
fn secrets(lines: &[Line]) -> Vec<Finding> {
    let found = lines.iter().filter_map(|line| match &line.event {
        Event::Secret { place } => Some((Count::Secret, place.clone())),
        Event::Done { events: 0 } => Some((Count::Secret, "no trace event was looked through".to_owned())),
        Event::Broken { why } => Some((Count::Panic, why.clone())),
        _ => None,
    });
    found.map(|(count, words)| Finding { count, tag: None, words }).collect()
}

/// The secrets in what was written by either process.
fn leaks(folder: &Path, secret: &str) -> Result<Vec<Finding>, Failure> {
    let canary = Canary::new(secret);
    for name in [JOURNAL, LOG, WORDS] {
        canary.look(name, &read(folder, name)?);
    }
    Ok(canary.found().into_iter().map(|words| Finding { count: Count::Secret, tag: None, words }).collect())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::Command;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    /// End of a worker that runs this shell script.
    fn ends(script: &str, until: Option<Duration>, hangs: Duration) -> End {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        let (origin, folder, service) = (String::new(), "/".into(), Service::default());
        let order = Order { seed: 1, steps: 1, incarnation: 0, origin, folder, service };
        watch(Worker::begin(shell, &order).unwrap(), until, Duration::ZERO, hangs).unwrap()
    }

    #[test]
    fn worker_is_killed_at_time_or_stand() {
        assert_eq!(ends("cat > /dev/null", Some(Duration::ZERO), LONG), End::Killed);
        for stand in [Stand::Written, Stand::Departed, Stand::Answered] {
            let script = format!("echo '{{\"stands\":\"{stand:?}\"}}'; cat > /dev/null");
            assert_eq!(ends(&script, None, LONG), End::Killed, "{stand:?}");
        }
    }

    #[test]
    fn exit_code_of_worker_is_reported() {
        assert_eq!(ends("read order; echo '\"progress\"'; echo '\"done\"'", None, LONG), End::Done);
        assert_eq!(ends("read order; exit 101", None, LONG), End::Broken(Some(PANICKED)));
        assert_eq!(ends("read order; echo '\"progress\"'", None, LONG), End::Broken(Some(0)));
    }

    #[test]
    fn silent_worker_hangs_after_its_time() {
        assert_eq!(ends("cat > /dev/null", None, Duration::ZERO), End::Hung);
    }

    #[test]
    fn secret_in_any_file_is_found() {
        let folder = std::env::temp_dir().join(format!("campaign-leaks-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in [JOURNAL, LOG, WORDS] {
            std::fs::write(folder.join(name), "nothing").unwrap();
        }
        assert_eq!(leaks(&folder, "a~secret-of-some-length").unwrap().len(), 0);
        std::fs::write(folder.join(WORDS), "it was a~secret-of-some-length").unwrap();
        std::fs::write(folder.join(LOG), "/blobs/a.zip?sig=q%2BabcDEF0123456").unwrap();
        let found = leaks(&folder, "a~secret-of-some-length").unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
    }
}

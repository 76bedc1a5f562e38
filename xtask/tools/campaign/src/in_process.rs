//! The campaign in process: emulator and clients on one clock that jumps from event to event, on one thread, so that a seed goes
//! the same way each time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use defender_transport::Clock;
use http::Method;
use serde_json::json;

use super::{
    arrivals::{arrivals, dated},
    beside,
    evidence::{Effect, Evidence, LedgerEntry, Record},
    executor::{self, Ended, Owner},
    figures::Count,
    flow,
    judge::{Finding, judge, quota},
    plan::{PROCESSES, STEPS, Step},
    sweep::{Campaign, Ran},
    world::World,
};

/// Time at which all must have ended: the longest wait, and the time in which actions are requested.
const OVER: Duration = Duration::from_secs(24 * 3_600);

/// After so long there is nothing any more that lags, and no quota that is used up.
const AFTERWARDS: Duration = Duration::from_secs(2 * 3_600);

/// So many calls of an operation in an hour fill its window, but for those that never came through.
const FULL: usize = 1_400;

/// The campaign in process.
pub(crate) fn campaign() -> Campaign {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (name, flags, run) = ("a", "", Box::new(run));
    Campaign { name, flags, steps: STEPS, workers, repeats: true, fills_hours: true, run }
}

fn run(seed: u64, steps: u32) -> Ran {
    // The client generates external ids by chance; all of a seed runs on this thread.
    fastrand::seed(seed);
    let world = match World::new(seed) {
        Ok(world) => world,
        Err(error) => return Ran::broken(Count::Panic, format!("there is no tenant: {error}")),
    };
    let driver = drive(Arc::clone(&world), steps);
    world.spawner.spawn(Owner::Driver, "the driver", driver);
    let shown = world.canary.clone();
    let (ended, records) = tracing::subscriber::with_default(shown, || {
        let ended = executor::run(&world.spawner, &world.clock, OVER);
        world.clock.advance(AFTERWARDS);
        (ended, records(&world))
    });
    world.canary.look("the emulator's log", &world.log.text());
    let evidence = evidence(&world, records);
    sum_up(&world, &evidence, ended)
}

/// Begins each step in its time.
async fn drive(world: Arc<World>, steps: u32) {
    for number in 0..steps {
        let step = Step::of(&world.tenant, number);
        world.clock.sleep(step.gap).await;
        if let Some(by) = world.process(step.process) {
            let (owner, flow) = (Owner::Client(by.number), flow::step(Arc::clone(&world), step.clone(), by));
            world.spawner.spawn(owner, step.tag(), flow);
        }
        beside::beside(&world, &step);
    }
    for process in 0..PROCESSES {
        beside::wait_for_all(&world, process, steps);
    }
}

/// Records of the emulator at the end.
fn records(world: &Arc<World>) -> Vec<Record> {
    let found: Arc<Mutex<Option<Vec<_>>>> = Arc::default();
    let (reader, place) = (Arc::clone(world), Arc::clone(&found));
    let start = world.clock.now().checked_sub(world.clock.elapsed()).unwrap_or_default();
    world.spawner.spawn(Owner::Driver, "the reader", async move {
        // However rows were written before, the judge reads what is in them.
        reader.rival.control(Method::POST, "behaviors", &json!({"rows": "readable"})).await;
        let records = reader.rival.records(start).await;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = records;
    });
    let ended = executor::run(&world.spawner, &world.clock, Duration::MAX);
    let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    found.unwrap_or_else(|| {
        world.state().broken.push(format!("the emulator's actions cannot be read at the end: {ended:?}"));
        Vec::new()
    })
}

fn evidence(world: &World, records: Vec<Record>) -> Evidence {
    let passages = world.network.passages();
    let ledger = world.emulator.ledger().into_iter().map(|entry| {
        let (effect, action_id) = match entry.effect {
            defender_emulator::Effect::Created(id) => (Effect::Created, Some(id)),
            defender_emulator::Effect::Joined(id) => (Effect::Joined, Some(id)),
            defender_emulator::Effect::Cancelled(id) => (Effect::Cancelled, Some(id)),
            defender_emulator::Effect::Changed => (Effect::Changed, None),
            _ => (Effect::None, None),
        };
        let defender_emulator::Entry { path, client_request_id, body, status, .. } = entry;
        LedgerEntry { path, client_request_id, body, status, effect, action_id, ..LedgerEntry::default() }
    });
    let (log, ledger) = (world.log.lines(), ledger.collect());
    let state = world.state();
    let mut submissions = state.submissions.clone();
    for submission in &mut submissions {
        submission.departed = passages.get(&format!("{}.1", submission.tag)).map(|passage| passage.departed);
    }
    Evidence {
        submissions,
        claims: state.claims.clone(),
        ledger: dated(ledger, &log, &passages),
        records,
        arrivals: arrivals(&log, &passages),
        lateness: world.tenant.latency.most(),
        writing: world.tenant.writing(),
        alone: world.tenant.is_long,
    }
}

fn sum_up(world: &World, evidence: &Evidence, ended: Ended) -> Ran {
    let verdict = judge(evidence);
    let (mut findings, mut figures) = (verdict.findings, verdict.figures);
    let mut found = |count, words: Vec<String>| {
        for words in words {
            figures.against.note(count);
            findings.push(Finding { count, tag: None, words });
        }
    };
    found(Count::Panic, ended.panics);
    found(Count::Hang, ended.hangs);
    found(Count::Secret, world.canary.found());
    let mut state = world.state();
    if world.canary.events() == 0 && !evidence.arrivals.is_empty() {
        state.broken.push("no event of the client was seen, so that no secret could be".to_owned());
    }
    // A driver that is broken proves nothing.
    found(Count::Panic, std::mem::take(&mut state.broken));
    figures.ways.restarts = state.restarts;
    figures.full_hours = u64::from(quota::busiest_hour(evidence) >= FULL);
    Ran { figures, findings, ledger: evidence.ledger.clone(), story: std::mem::take(&mut state.story) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_goes_same_way_each_time() {
        for (seed, steps) in [(3, 40), (9, 10)] {
            let [first, second] = [(); 2].map(|()| run(seed, steps));
            assert_eq!(first.story, second.story, "{seed}");
            assert_eq!(first.ledger, second.ledger, "{seed}");
            assert_eq!(first.figures, second.figures, "{seed}");
            assert_eq!(first.findings, [], "{seed}");
            assert!(!first.story.is_empty() && first.figures.actions == u64::from(steps), "{seed}");
        }
    }

    #[test]
    fn fewer_steps_are_the_first_of_more() {
        let asked = |steps| {
            let ran = run(4, steps);
            ran.story.into_iter().filter(|line| line.contains(" asks for ")).collect::<Vec<_>>()
        };
        assert_eq!(asked(10), asked(20).into_iter().take(10).collect::<Vec<_>>());
    }
}

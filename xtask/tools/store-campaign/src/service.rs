//! The process of the emulators: one for each tenant, with faults at random.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use defender_emulator::{Effect, Emulator, FastClock, Fault, FaultRule, Operation, RetryAfter};
use fastrand::Rng;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use xtask::Failure;

use crate::{
    order::{Arrival, CALM, REPORT, SPEED, ServiceOrder, Tenant, TenantReport},
    process::{broken, say},
};

/// Faults of a submission. The first of them have the effect before the response is lost.
const OF_POSTS: [Fault; 10] = [
    Fault::ResetAfterEffect,
    Fault::HangAfterEffect,
    Fault::TruncatedBody,
    Fault::Html502AfterEffect,
    Fault::StatusAfterEffect(503, RetryAfter::Absent),
    Fault::ResetBeforeEffect,
    Fault::Status(500, RetryAfter::Absent),
    Fault::RefusedStream,
    Fault::TooManyRequests(RetryAfter::Seconds(10)),
    Fault::Unauthorized,
];

/// Most faults of an emulator that wait for their request.
const WAITING: usize = 4;

/// Faults of a list.
const OF_LISTS: [Fault; 3] = [Fault::ResetBeforeEffect, Fault::Html502, Fault::Status(503, RetryAfter::Seconds(2))];

/// The log of an emulator.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) async fn serve(order: ServiceOrder, mut words: UnboundedReceiver<String>) -> Result<(), Failure> {
    let broken = broken("the emulators");
    let origin = order.origin.parse().map_err(|error: jiff::Error| broken(&error))?;
    let (mut emulators, mut tenants) = (Vec::new(), Vec::new());
    for number in 0..order.tenants {
        let log = Log::default();
        let emulator = Emulator::builder()
            .clock(Arc::new(FastClock::since(origin, SPEED)))
            .machines(order.actions)
            .pending_for(Duration::from_secs(2))
            .running_for(Duration::from_secs(5))
            .read_lag(Duration::from_secs(3))
            .ids(order.seed.wrapping_mul(1_000).wrapping_add(number.into()))
            .log(log.clone());
        let emulator = emulator.start().await.map_err(|error| broken(&error))?;
        let ca_file = order.folder.join(format!("ca-{number}.pem"));
        std::fs::write(&ca_file, emulator.ca_pem()).map_err(|error| broken(&error))?;
        tenants.push(tenant(&emulator, ca_file));
        emulators.push((emulator, log));
    }
    say(&tenants);
    let mut rng = Rng::with_seed(order.seed);
    let mut is_calm = false;
    // Faults that have not come. Without a bound, each list would fail after a while without one.
    let mut waiting = VecDeque::new();
    loop {
        let pause = Duration::from_millis(rng.u64(20..120));
        match tokio::time::timeout(pause, words.recv()).await {
            Ok(Some(word)) if word == CALM => is_calm = true,
            Ok(Some(word)) if word == REPORT => break,
            Ok(_) => return Ok(()),
            Err(_) if is_calm => {}
            Err(_) => {
                if let Some((emulator, _)) = rng.choice(&emulators) {
                    waiting.push_back(disturb(&mut rng, emulator));
                    if waiting.len() > WAITING * emulators.len()
                        && let Some(oldest) = waiting.pop_front()
                    {
                        FaultRule::stop(oldest);
                    }
                }
            }
        }
    }
    say(&emulators.iter().map(|(emulator, log)| report(emulator, log)).collect::<Vec<_>>());
    // Until the supervisor has read it.
    while words.recv().await.is_some() {}
    Ok(())
}

fn tenant(emulator: &Emulator, ca_file: std::path::PathBuf) -> Tenant {
    Tenant {
        base_url: emulator.base_url().to_owned(),
        authority: emulator.authority().to_owned(),
        audience: emulator.audience().to_owned(),
        id: emulator.tenant_id().to_owned(),
        client_id: emulator.client_id().to_owned(),
        client_secret: emulator.client_secret().to_owned(),
        machine_ids: emulator.machine_ids().into_iter().map(str::to_owned).collect(),
        ca_file,
    }
}

fn disturb(rng: &mut Rng, emulator: &Emulator) -> FaultRule {
    if rng.u32(0..4) == 0 {
        let fault = rng.choice(OF_LISTS).unwrap_or(Fault::Html502);
        emulator.fault(fault).on(Operation::ListActions).times(1)
    } else {
        let fault = rng.choice(OF_POSTS).unwrap_or(Fault::ResetAfterEffect);
        let operations = [Operation::UnrestrictCodeExecution, Operation::Isolate, Operation::Unisolate];
        let operation = rng.choice(operations).unwrap_or(Operation::Isolate);
        emulator.fault(fault).on(operation).times(1)
    }
}

fn report(emulator: &Emulator, log: &Log) -> TenantReport {
    let log = log.0.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = log.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let lines: Vec<_> = lines.collect();
    let logged = |id: Option<&str>| {
        let of_request =
            lines.iter().filter(|line| id.is_some() && line.get("client_request_id").and_then(Value::as_str) == id);
        let text = |line: &Value| {
            ["time", "fault"].map(|name| line.get(name).map(ToString::to_string).unwrap_or_default()).join(" ")
        };
        of_request.map(text).collect()
    };
    let posts = emulator.ledger().into_iter().filter(|entry| entry.path.contains("/machines/"));
    let machines = emulator.machine_ids();
    let number = |path: &str| machines.iter().position(|id| path.split('/').any(|part| part == *id));
    let arrivals = posts.map(|entry| {
        let body: Option<Value> = serde_json::from_str(&entry.body).ok();
        let created = match entry.effect {
            Effect::Created(id) => Some(id),
            _ => None,
        };
        let comment = body.as_ref().and_then(|body| body.get("Comment")?.as_str()).map(str::to_owned);
        let number = number(&entry.path).and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX);
        let segment = entry.path.rsplit('/').next().unwrap_or_default().to_owned();
        let logged = logged(entry.client_request_id.as_deref());
        Arrival { segment, number, comment, status: entry.status, created, logged }
    });
    let is_over = |line: &Value| line.get("status") == Some(&Value::from(429)) && line.get("fault").is_none();
    let over_quota = lines.iter().filter(|line| is_over(line)).count();
    TenantReport { arrivals: arrivals.collect(), over_quota: u32::try_from(over_quota).unwrap_or(u32::MAX) }
}

//! A server of the actions API that shares no habit with the client or the emulator, and the client against it.
//!
//! `server` is written from the facts about the service alone. It misbehaves in 30 % of the calls, counts every
//! arrival, and knows which record belongs to which submission. `driver` sends it thousands of actions through the real
//! client over TLS, and `judge` holds what the client said against the server's records.

mod clock;
mod dice;
mod driver;
mod judge;
mod plan;
mod report;
mod server;

use jiff::SignedDuration;

use self::{
    clock::FastTime,
    judge::Fall,
    report::Claim,
    server::{Settings, Version},
};
use crate::Failure;

/// How many times as fast as the machine's the time of client and server goes.
const SPEED: u32 = 30;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) actions: u64,
    pub(crate) at_once: usize,
    pub(crate) http2: bool,
    pub(crate) seed: u64,
    pub(crate) ids: Ids,
    pub(crate) speed: u32,
}

/// Where external ids come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    AsGiven,
    Generated,
}

impl Default for Options {
    fn default() -> Self {
        Self { actions: 5_000, at_once: 64, http2: false, seed: 0, ids: Ids::AsGiven, speed: SPEED }
    }
}

impl Options {
    /// Names of the options of the command line, without those that are flags.
    pub(crate) const NAMES: [&str; 5] = ["actions", "at-once", "seed", "ids", "speed"];

    /// Reads the value of one of them.
    pub(crate) fn read(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let wrong = || Failure::Usage(format!("`--{name} {value}` is not understood"));
        match (name, value) {
            ("ids", "as-given") => self.ids = Ids::AsGiven,
            ("ids", "generated") => self.ids = Ids::Generated,
            ("actions", number) => self.actions = number.parse().map_err(|_| wrong())?,
            ("at-once", number) => self.at_once = number.parse().map_err(|_| wrong())?,
            ("seed", number) => self.seed = number.parse().map_err(|_| wrong())?,
            ("speed", number) => self.speed = number.parse().map_err(|_| wrong())?,
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// The server's behaviour and how far the client's clock is ahead of the server's, by seed.
    fn settings(&self) -> (Settings, SignedDuration) {
        let version = if self.http2 { Version::Http2 } else { Version::Http1 };
        let (dates, ahead) = match self.seed % 4 {
            0 => (true, 0),
            1 => (true, 7),
            2 => (true, -11),
            _ => (false, 10),
        };
        let page = match self.seed % 3 {
            0 => 10_000,
            1 => 2_000,
            _ => 500,
        };
        (Settings { seed: self.seed, version, percent: 30.0, dates, page }, SignedDuration::from_mins(ahead))
    }
}

/// Sends the actions, judges, and prints what was found.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let broken = |error| Failure::broken("the server", error);
    let (settings, ahead) = options.settings();
    let server = driver::serve(settings, FastTime::start(options.speed)).map_err(broken)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let reports = runtime.block_on(driver::drive(options, &server, ahead))?;
    let tenant = server.tenant();
    let verdict = judge::judge(&reports, &tenant, options.ids == Ids::Generated);
    for (fall, submission, trace) in &verdict.falls {
        println!("{fall:?}: submission {submission}: {trace}");
    }
    for (submission, line) in &verdict.unrecovered {
        let report = reports.iter().find(|report| report.submission == *submission);
        let said =
            report.map(|report| (&report.claim, report.claimed.duration_since(report.began).as_secs(), &report.words));
        println!("not recovered: submission {submission}: {line}: {said:?}");
    }
    for (submission, what) in &verdict.unpromised {
        println!("not promised: submission {submission}: {what}");
    }
    let mut shown = Vec::new();
    for report in &reports {
        if let Claim::NotTaken { kind, .. } = &report.claim
            && !shown.contains(&kind)
        {
            shown.push(kind);
            println!("{kind}: submission {}: {}", report.submission, report.words);
        }
    }
    println!(
        "{options:?}: {} POSTs arrived, {} records, {} calls ({} lists), {} misbehaved, {} min of the service's time",
        tenant.arrivals.len(),
        tenant.records.len(),
        tenant.calls,
        tenant.lists,
        tenant.misbehaved,
        server.time.elapsed().as_secs() / 60
    );
    println!("{verdict}");
    if verdict.holds() {
        return Ok(());
    }
    let counts = [Fall::Twice, Fall::Blind, Fall::Wrong, Fall::Denied, Fall::OverQuota];
    let counts: Vec<_> = counts.into_iter().map(|fall| format!("{fall:?} {}", verdict.count(fall))).collect();
    Err(Failure::Check(format!("the foreign server found faults with seed {}: {}", options.seed, counts.join(", "))))
}

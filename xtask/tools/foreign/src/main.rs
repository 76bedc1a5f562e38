//! A server of the actions API that shares no habit with the client or the emulator, and the client against it.
//!
//! `server` is written from the facts about the service alone. It misbehaves in 30 % of the calls, counts every
//! arrival, and knows which record belongs to which submission. `driver` sends it thousands of actions through the real
//! client over TLS, and `judge` holds what the client said against the server's records.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod clock;
mod dice;
mod driver;
mod judge;
mod options;
mod plan;
mod report;
mod server;

use std::process::ExitCode;

use xtask::Failure;

use self::{
    clock::FastTime,
    judge::Fall,
    options::{Ids, Options},
    report::Claim,
};

const HELP: &str = "\
Sends actions through the real client to a misbehaving server that knows nothing of client or emulator, and judges.

Usage: cargo xtask foreign [options]

Options:
  --actions N              number of actions; default: 5000
  --seed S                 the behavior of the server; default: 0
  --ids as-given|generated the source of external ids; default: as-given
  --http2                  HTTP/2; default: HTTP/1.1
  --speed N                speed of time, as a multiple of the machine's; default: 30
  -h, --help               this text
";

fn main() -> ExitCode {
    xtask::program(HELP, |arguments| run(&Options::read(arguments)?))
}

/// Sends the actions, judges, and prints what was found.
fn run(options: &Options) -> Result<(), Failure> {
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

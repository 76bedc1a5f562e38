//! How long a page of a list takes, by how many actions are held.

use std::time::Instant;

use defender_emulator::{Emulator, Quotas};
use http::Method;
use serde_json::Value;

use super::{
    super::server::Anything,
    subject::{Ask, Subject},
};

const FEW: u32 = 10_000;
const MANY: u32 = 1_000_000;
/// How many times as long a page of the many may take as the same of the few.
const CEILING: f64 = 2.0;
const ROUNDS: usize = 15;

struct Held {
    subject: Subject,
    /// When an action near the end of the list was made.
    since: String,
    machine: String,
    _emulator: Emulator,
}

/// Measures and prints; what grows with the list is given back.
pub(super) fn run() -> Result<Vec<String>, Anything> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let few = runtime.block_on(hold(FEW))?;
    eprintln!("bench emulator: {MANY} actions are being made up");
    let many = runtime.block_on(hold(MANY))?;
    println!("{:<44} {:>6} {:>10} {:>10} {:>8}", "page", "rows", format!("{FEW}/ms"), format!("{MANY}/ms"), "ratio");
    let mut missed = Vec::new();
    for (name, query) in QUERIES {
        let (mut short, mut long, mut rows) = (Vec::new(), Vec::new(), 0);
        for number in 0..=ROUNDS {
            for (held, took) in [(&few, &mut short), (&many, &mut long)] {
                let (millis, count) = runtime.block_on(page(held, query))?;
                rows = count;
                // The first round warms up.
                took.extend((number > 0).then_some(millis));
            }
        }
        // The best of each: what else the machine does only ever adds to a time.
        let best = |times: Vec<f64>| times.into_iter().fold(f64::NAN, f64::min);
        let (short, long) = (best(short), best(long));
        let ratio = long / short;
        println!("{name:<44} {rows:>6} {short:>10.3} {long:>10.3} {ratio:>8.3}");
        if ratio.is_nan() || ratio > CEILING {
            missed.push(format!("{name}: {ratio:.2} times as long over {MANY} actions, and {CEILING} is the most"));
        }
    }
    Ok(missed)
}

/// `{machine}` and `{since}` are put in.
const QUERIES: [(&str, &str); 7] = [
    ("newest first, 1,000", "$top=1000"),
    ("newest first, all that a page has", ""),
    ("machineId eq, 100", "$filter=machineId eq '{machine}'&$top=100"),
    ("creationDateTimeUtc ge", "$filter=creationDateTimeUtc ge {since}"),
    ("machineId eq and creationDateTimeUtc ge", "$filter=machineId eq '{machine}' and creationDateTimeUtc ge {since}"),
    ("machineId eq and type eq, none", "$filter=machineId eq '{machine}' and type eq 'Isolate'"),
    (
        "lastUpdateDateTimeUtc gt, in its order, 100",
        "$filter=lastUpdateDateTimeUtc gt {since}&$orderby=lastUpdateDateTimeUtc asc&$top=100",
    ),
];

async fn hold(actions: u32) -> Result<Held, Anything> {
    let (subject, emulator) = Subject::emulator(Emulator::builder().quotas(Quotas::Off).history(actions))?;
    let token = subject.token(&emulator).await?;
    let subject = subject.with_token(&token);
    let ask = Ask { method: Method::GET, path: "/api/machineactions?$skip=500&$top=1".to_owned(), body: "" };
    let page: Value = serde_json::from_slice(subject.ask(&ask).await?.body())?;
    let text = |pointer| page.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let since = text("/value/0/creationDateTimeUtc").ok_or("an action without a date")?;
    let machine = text("/value/0/machineId").ok_or("an action without a machine")?;
    Ok(Held { subject, since, machine, _emulator: emulator })
}

/// How long it took, in milliseconds, and how many rows came.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn page(held: &Held, query: &str) -> Result<(f64, usize), Anything> {
    let query = query.replace("{machine}", &held.machine).replace("{since}", &held.since).replace(' ', "%20");
    let ask = Ask { method: Method::GET, path: format!("/api/machineactions?{query}"), body: "" };
    let began = Instant::now();
    let answer = held.subject.ask(&ask).await?;
    let took = began.elapsed();
    // Counted without being decoded, which would take longer than the page did.
    let rows = answer.body().windows(19).filter(|window| window == b"\"requestorComment\":").count();
    Ok((took.as_secs_f64() * 1_000.0, rows))
}

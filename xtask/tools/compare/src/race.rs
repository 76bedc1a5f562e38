//! The calls, which each program makes with its own client.
#![allow(clippy::print_stdout, reason = "a program that measures prints what it measured")]

#[path = "../../../../crates/defender-transport/benches/cpu/mod.rs"]
#[allow(dead_code, reason = "the bench of the transport uses all of it")]
mod cpu;

use std::{env, error::Error, fs, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

use self::cpu::Meter;

/// A program that measures does not tell one failure from another.
pub(crate) type Anything = Box<dyn Error + Send + Sync>;

/// Comment of each action.
pub(crate) const COMMENT: &str = "Machine was cleaned and validated";
/// Usual length of a token of the service.
const TOKEN: usize = 1_500;
/// Rows of a list.
const ROWS: usize = 10_000;

/// The server, and the token for it.
#[derive(Debug)]
pub(crate) struct Server {
    /// `https://`, host and port.
    pub(crate) base: String,
    /// The CA that signed its certificate.
    pub(crate) ca_pem: String,
    pub(crate) token: String,
}

/// One of the clients that are compared.
pub(crate) trait Client: Clone + Send + Sized + 'static {
    fn new(server: &Server) -> Result<Self, Anything>;

    /// Submits an action on a machine, and returns the length of the id of the action.
    fn post(&self, machine: String) -> impl Future<Output = Result<usize, Anything>> + Send + 'static;

    /// Submits an action on a machine within the quota of the service, which the client keeps if it knows it.
    fn post_within_quota(&self, machine: String) -> impl Future<Output = Result<usize, Anything>> + Send + 'static {
        self.post(machine)
    }

    /// Reads a list of actions, and returns their number.
    fn list(&self) -> impl Future<Output = Result<usize, Anything>> + Send;
}

/// Makes the calls that the arguments ask for, and prints their cost. The arguments are the base URL, the file with the CA, and
/// `post COUNT AT-A-TIME [TOKEN-LENGTH]`, `list COUNT` or `tenants SECONDS COUNT`. The same calls are made before, once for each that is
/// made at a time.
pub(crate) fn run<C: Client>() -> Result<(), Anything> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [base, ca, what, count, rest @ ..] = arguments.as_slice() else { return Err("too few arguments".into()) };
    let (count, at_a_time) = (count.parse()?, rest.first().map_or(Ok(1), |number| number.parse())?);
    let meter = Meter::new();
    let token_length = rest.get(1).map_or(Ok(TOKEN), |number| number.parse())?;
    let token = "e30.eyJ9".chars().cycle().take(token_length).collect();
    let server = Server { base: (*base).to_owned(), ca_pem: fs::read_to_string(ca)?, token };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let tenants = if *what == "tenants" { at_a_time } else { 1 };
    let clients: Vec<C> = (0..tenants).map(|_| C::new(&server)).collect::<Result<_, _>>()?;
    let client = clients.first().ok_or("no client")?;
    let calls = |count| match *what {
        "post" => post(&runtime, client, count, at_a_time),
        "list" => list(&runtime, client, count),
        "tenants" => runtime.block_on(act_for_tenants(clients.clone(), count)),
        _ => Err("none of `post`, `list` and `tenants`".into()),
    };
    calls(if *what == "tenants" { 0 } else { at_a_time })?;
    let (start, faults) = (meter.read()?, faults()?);
    calls(count)?;
    let cost =
        Cost { start, calls: meter.read()?.saturating_sub(start), faults: self::faults()?.saturating_sub(faults) };
    println!("{}", cost.line(peak()?));
    Ok(())
}

/// Cost of the calls.
struct Cost {
    /// CPU time from the start of the process to the first responses.
    start: Duration,
    /// CPU time of the calls after them.
    calls: Duration,
    /// Page faults of these calls.
    faults: u64,
}

impl Cost {
    fn line(&self, peak_kib: u64) -> String {
        let Self { start, calls, faults } = self;
        serde_json::json!({"start": start.as_nanos(), "calls": calls.as_nanos(), "faults": faults, "peak": peak_kib})
            .to_string()
    }
}

/// Submits so many actions, so many of them at a time, each in a task of its own.
fn post(runtime: &Runtime, client: &impl Client, count: usize, at_a_time: usize) -> Result<(), Anything> {
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..count {
            if tasks.len() >= at_a_time
                && let Some(ended) = tasks.join_next().await
            {
                ended??;
            }
            tasks.spawn(client.post(format!("{number:040x}")));
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    })
}

/// Calls of a tenant in a minute, by the quota of the service.
const QUOTA: u32 = 100;

/// Makes the calls of many tenants: for each a first one, and its full quota for so many seconds.
async fn act_for_tenants<C: Client>(tenants: Vec<C>, seconds: usize) -> Result<(), Anything> {
    let between = Duration::from_secs(60) / QUOTA;
    let calls = seconds.saturating_mul(1_000).checked_div(usize::try_from(between.as_millis())?).unwrap_or_default();
    let apart = between / u32::try_from(tenants.len())?;
    let mut tasks = JoinSet::new();
    for (number, client) in (0..).zip(tenants) {
        let offset = apart * number;
        tasks.spawn(async move {
            let mut turns = tokio::time::interval(between);
            turns.reset_after(offset);
            for call in 0..=calls {
                turns.tick().await;
                client.post_within_quota(format!("{number:020x}{call:020x}")).await?;
            }
            Ok::<_, Anything>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

fn list(runtime: &Runtime, client: &impl Client, count: usize) -> Result<(), Anything> {
    for _ in 0..count {
        let rows = runtime.block_on(client.list())?;
        if rows != ROWS {
            return Err(format!("{rows} rows").into());
        }
    }
    Ok(())
}

/// Page faults of this process that needed no disk.
fn faults() -> Result<u64, Anything> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is the name of the program in parentheses; the eighth after it counts the faults.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    Ok(after_name.split_whitespace().nth(7).ok_or("/proc/self/stat is too short")?.parse()?)
}

/// Peak memory of this process, in KiB.
fn peak() -> Result<u64, Anything> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("/proc/self/status has no VmHWM")?;
    Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
}

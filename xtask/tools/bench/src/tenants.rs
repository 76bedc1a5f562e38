//! Memory of a process with many tenants, beside a process with one.

use std::{env, fmt::Write, fs, process::Command};

use defender_fleet::{Fleet, Stores, TenantsFile};
use defender_transport::SystemClock;
use xtask::{Failure, workspace::output};

use crate::server::Anything;

const TENANTS: usize = 2_000;
/// Most memory of a tenant, in KiB.
const MOST: usize = 32;
/// Rounds of each process by turns. Odd, so that there is a middle one.
const ROUNDS: usize = 5;
/// Variable with the number of tenants of a process that this bench starts.
const ASKED: &str = "BENCH_TENANTS";

/// Measures and prints.
pub(crate) fn run() -> Result<(), Failure> {
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(resident(1)?);
        many.push(resident(TENANTS)?);
    }
    let (one, many) = (middle(one), middle(many));
    let each = many.saturating_sub(one).div_ceil(TENANTS - 1);
    println!("resident memory, with a built client for each tenant and the default transport:");
    println!("      1 tenant   {one:>7} KiB");
    println!("  {TENANTS:>5} tenants  {many:>7} KiB, {each} KiB for each more (at most {MOST})");
    if each < MOST { Ok(()) } else { Err(Failure::Check(format!("a tenant takes {each} KiB"))) }
}

fn middle(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Resident memory of a process with these tenants, in KiB.
fn resident(tenants: usize) -> Result<usize, Failure> {
    let program = env::current_exe().map_err(|error| Failure::broken("bench tenants", error))?;
    let printed = output(Command::new(program).env(ASKED, tenants.to_string()))?;
    printed.trim().parse().map_err(|error| Failure::broken("bench tenants", error))
}

/// Is a process with tenants, if this process was started to be one, and returns whether it was.
pub(crate) fn hold_if_asked() -> Result<bool, Anything> {
    let Ok(tenants) = env::var(ASKED) else { return Ok(false) };
    let tenants: usize = tenants.parse()?;
    let mut text = String::new();
    for number in 0..tenants {
        writeln!(
            text,
            "[tenants.customer-{number}]\ntenant_id = \"7e4a47d0-0000-4000-8000-{number:012x}\"\n\
             client_id = \"c11e47d0-0000-4000-8000-000000000002\"\ncredential = \"client-secret\"\nsecret_env = \"SECRET\""
        )?;
    }
    let file = TenantsFile::new().variables(|_| Some("a-secret-of-forty-characters-as-usual-ok".into()));
    let fleet = Fleet::new(file.read_text("tenants.toml", &text)?, Stores::memory(SystemClock::new()));
    drop(text);
    let names: Vec<_> = fleet.tenants().iter().map(|tenant| tenant.name().to_owned()).collect();
    let clients: Vec<_> = names.iter().map(|name| fleet.client(name)).collect::<Result<_, _>>()?;
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    println!("{}", line.trim().trim_end_matches(" kB"));
    drop(clients);
    Ok(true)
}

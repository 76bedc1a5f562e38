//! Exchanges of HTTP, kept as data, sent by curl and not by our client, to the emulator or to another address.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod curl;
mod exchange;
mod judges;
mod program;
mod shape;
mod signing;
mod variables;
mod walkthrough;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use exchange::{Exchange, Suite, Verdict};
use lexopt::{Arg, Parser, ValueExt};
use signing::Keys;
use variables::{Variables, fill};
use xtask::{
    Failure,
    emulator::{self, Program},
    workspace::Workspace,
};

const HELP: &str = "\
Runs others' programs against the emulator's program.

Usage: cargo xtask conformance [options]
       cargo xtask walkthrough
       cargo xtask judges [--short]

Commands:
  conformance      every exchange of defender-emulator/conformance, sent by curl
  walkthrough      the emulator's README for other languages, run as it stands there
  judges           Microsoft's sign-in libraries and other clients, installed from their registries, with the clock at
                   five places within the second

Options of conformance:
  --base-url URL   an address instead of the emulator, with the token in DEFENDER_TOKEN
  --machine ID     a machine there
  --ca-file PATH   the CA to trust there

Options of judges:
  --short          only the clients in Python, once

Options:
  -h, --help       this text
";

fn main() -> ExitCode {
    xtask::program(HELP, command)
}

fn command(mut arguments: Parser) -> Result<(), Failure> {
    let (mut command, mut target, mut form) = (None, Target::default(), judges::Form::Whole);
    while let Some(argument) = arguments.next()? {
        match (&argument, command.as_deref().and_then(OsStr::to_str)) {
            (Arg::Value(word), None) if word == "judges" || word == "walkthrough" => command = Some(word.clone()),
            (Arg::Long("short"), Some("judges")) => form = judges::Form::Short,
            (Arg::Long("base-url"), None) => target.base_url = Some(arguments.value()?.string()?),
            (Arg::Long("machine"), None) => target.machine = Some(arguments.value()?.string()?),
            (Arg::Long("ca-file"), None) => target.ca_file = Some(arguments.value()?.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    match command.as_deref().and_then(OsStr::to_str) {
        Some("judges") => judges::run(form),
        Some(_) => walkthrough::run(),
        None => run(&target),
    }
}

/// Target of the exchanges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Target {
    /// An address in the place of the emulator's; the token for it is in `DEFENDER_TOKEN`, since what is on a command
    /// line can be read by others.
    base_url: Option<String>,
    /// A machine there.
    machine: Option<String>,
    /// The certificate of its CA, if the system does not trust it.
    ca_file: Option<String>,
}

/// Sends every exchange, prints a row for each, and fails if a response is not as it should be.
fn run(target: &Target) -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    curl::ensure()?;
    let own = match target.base_url {
        None => Some((emulator::build(&root)?, Keys::make()?)),
        Some(_) => None,
    };
    let mut verdicts = Vec::new();
    for file in files(&root.join("crates/defender-emulator/conformance"))? {
        let suite = Suite::read(&file)?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (exchange, verdict) in suite_verdicts(own.as_ref(), (&name, &suite), target)? {
            println!("{}", row(&name, &exchange, &verdict));
            verdicts.push(verdict);
        }
    }
    let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| wanted(verdict)).count();
    let broken = count(|verdict| matches!(verdict, Verdict::Broken(_)));
    let (kept, skipped) = (count(|verdict| *verdict == Verdict::Kept), verdicts.len());
    println!("{kept} of {} kept, {broken} broken, {} skipped", verdicts.len(), skipped - kept - broken);
    if broken == 0 { Ok(()) } else { Err(Failure::Check(format!("{broken} exchanges failed"))) }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let broken = |error| Failure::broken(folder.display(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Each suite has an emulator of its own, so that one leaves nothing behind for the next.
fn suite_verdicts(
    own: Option<&(PathBuf, Keys)>,
    (name, suite): (&str, &Suite),
    target: &Target,
) -> Result<Vec<(Exchange, Verdict)>, Failure> {
    let mut verdicts = Vec::new();
    let Some((executable, keys)) = own else {
        let given = [
            ("base", target.base_url.clone()),
            ("machine", target.machine.clone()),
            ("token", std::env::var("DEFENDER_TOKEN").ok()),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let mut variables: Variables = given.collect();
        for exchange in &suite.exchanges {
            // What this machine's openssl signs is trusted nowhere else, and another's program is not ours to start again.
            let verdict = match exchange.signs.as_ref().map(|_| "a key").or(exchange.restart.then_some("a restart")) {
                Some(missing) => Verdict::Skipped(format!("{missing} is not known")),
                None => sent(exchange, &mut variables, target.ca_file.as_deref())
                    .unwrap_or_else(|missing| Verdict::Skipped(format!("{{{missing}}} is not known"))),
            };
            verdicts.push((exchange.clone(), verdict));
        }
        return Ok(verdicts);
    };
    let mut variables = keys.variables()?;
    let arguments = suite.arguments.iter().map(|argument| fill(argument, &variables));
    let arguments = arguments.collect::<Result<Vec<_>, _>>().map_err(|missing| Failure::broken(name, missing))?;
    let start = || Program::start(executable, name, &arguments);
    let mut program = Some(start()?);
    // A copy, so that a CA that is another one after a restart is not trusted.
    let ca_file = keys.path(&format!("{name}.pem"));
    if let Some(program) = &program {
        std::fs::copy(program.ca_file(), &ca_file).map_err(|error| Failure::broken(name, error))?;
        variables.extend(program::variables(program)?);
    }
    for exchange in &suite.exchanges {
        if exchange.restart {
            // Its port is free before the next one asks for it.
            drop(program.take());
            program = Some(start()?);
        }
        let signed = exchange.signs.as_ref().map_or(Ok(()), |token| keys.sign(token, &mut variables));
        let base = variables.get("base").cloned().unwrap_or_default();
        let checked = if exchange.strict_tls { signing::strict_tls(&base, &ca_file) } else { Ok(()) };
        // Of our own program all is known, unless what should have told it is broken.
        let verdict = match signed.and(checked) {
            Ok(()) => sent(exchange, &mut variables, Some(&ca_file)),
            Err(why) => Ok(Verdict::Broken(why)),
        };
        let verdict = verdict.unwrap_or_else(|missing| Verdict::Broken(format!("{missing} is not known")));
        verdicts.push((exchange.clone(), verdict));
    }
    Ok(verdicts)
}

/// Sends an exchange as often as it says, and returns the verdict. The error is the first unknown name.
fn sent(exchange: &Exchange, variables: &mut Variables, ca_file: Option<&str>) -> Result<Verdict, String> {
    for index in 0..exchange.times {
        variables.insert("index".to_owned(), index.to_string());
        if let Some(machine) = variables.get(&format!("machine_at_{index}")).cloned() {
            variables.insert("machine_at".to_owned(), machine);
        }
        let filled = exchange.filled(variables)?;
        let own = exchange.ca_file.as_ref().map(|file| fill(file, variables)).transpose()?;
        let response = curl::send(&filled, own.as_deref().or(ca_file));
        let verdict = response.map_or_else(Verdict::Broken, |response| exchange.judge(&response, variables));
        if verdict != Verdict::Kept {
            return Ok(verdict);
        }
    }
    Ok(Verdict::Kept)
}

fn row(suite: &str, exchange: &Exchange, verdict: &Verdict) -> String {
    let (word, why) = match verdict {
        Verdict::Kept => ("kept   ", String::new()),
        Verdict::Broken(why) => ("BROKEN ", format!("\n        {why}")),
        Verdict::Skipped(why) => ("skipped", format!(" ({why})")),
    };
    format!("{word} | {suite} | {} | {}{why}", exchange.name, exchange.source)
}

//! The README's first command, run as a newcomer runs it, and once more against the emulator's own program; and the other examples.

use std::{
    ffi::OsString,
    path::Path,
    process::{Command, Output},
};

use xtask::{
    Failure,
    emulator::{Program, build},
    workspace::{Workspace, cargo},
};

const THIS_IS: &str = "This is the emulator: no real machine is touched.";
const LIFTED: &str = "UnrestrictCodeExecution ended: Succeeded";

/// The other examples, and a line that each says where it did what it shows.
const OTHERS: [(&str, &str); 12] = [
    ("isolate-and-wait", "done: Isolate of"),
    ("act-on-many", "done: 38 scans succeeded and 2 did not"),
    ("cancel", "done: too late for the other"),
    ("resume-after-a-crash", "done: action"),
    ("many-tenants", "done: isolated in 2 of 3 tenants"),
    ("collect-package", "saved: "),
    ("metrics-opentelemetry", "defender.client.action.duration histogram s"),
    ("lift-restrictions", "lifted: 2 of 2 found, of 3 named"),
    ("run-script", "  logons.ps1 -Days 3"),
    (
        "swap-transport",
        "with the emulator in process: an action of an offline machine times out after three days, at once",
    ),
    ("yesterdays-actions", "a page of 50 actions"),
    ("playbook", "done: 20 machines, 11 left out"),
];

/// Runs the examples, the first in each of its ways, and checks what they say and how they end.
pub(crate) fn run() -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    by_itself(&root)?;
    println!("by itself: lifted");
    for (name, line) in OTHERS {
        other(&root, name, line)?;
        println!("{name}: did what it shows");
    }
    let program = Program::start(&build(&root)?, "example", ["--port", "0"])?;
    beside_the_program(&root, &program)?;
    println!("against the emulator's program: lifted");
    with_a_wrong_secret(&root, &program)?;
    println!("with a wrong secret: one readable error");
    Ok(())
}

/// The first example, with none of the variables that it reads.
fn example(root: &Path) -> Command {
    named(root, "remove-app-restriction")
}

fn named(root: &Path, name: &str) -> Command {
    let mut command = cargo(root);
    command.args(["run", "--quiet", "--example", name]);
    let read = |name: &OsString| ["DEFENDER_", "AZURE_"].iter().any(|group| name.to_string_lossy().starts_with(group));
    for (name, _) in std::env::vars_os().filter(|(name, _)| read(name)) {
        command.env_remove(name);
    }
    command
}

fn other(root: &Path, name: &str, line: &str) -> Result<(), Failure> {
    let said = succeeded(&mut named(root, name))?;
    let lines: Vec<_> = said.lines().collect();
    let says_what_it_is = lines.first() == Some(&THIS_IS) && lines.last() == Some(&THIS_IS);
    let does_it = lines.iter().any(|said| said.starts_with(line));
    check(says_what_it_is && does_it, &format!("{name} must say what it is, and `{line}`"), &said)
}

fn by_itself(root: &Path) -> Result<(), Failure> {
    // Many machines have the variables of the Azure SDKs, which alone lead nowhere.
    let azure = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", "s")];
    let said = succeeded(example(root).envs(azure))?;
    let lines: Vec<_> = said.lines().collect();
    let ends_well = lines.first() == Some(&THIS_IS) && lines.last() == Some(&THIS_IS) && lines.contains(&LIFTED);
    check(ends_well, "by itself it must say what it is, and that the action succeeded", &said)
}

/// The first example, pointed to the program.
fn pointed(root: &Path, program: &Program, secret: &str) -> Result<Command, Failure> {
    let mut command = example(root);
    for (variable, pointer) in [
        ("AZURE_TENANT_ID", "/tenant_id"),
        ("AZURE_CLIENT_ID", "/client_id"),
        ("DEFENDER_MACHINE_ID", "/machine_ids/0"),
        ("DEFENDER_BASE_URL", "/base_url"),
        ("AZURE_AUTHORITY_HOST", "/authority"),
        ("DEFENDER_CA_FILE", "/ca_file"),
    ] {
        command.env(variable, program.text(pointer)?);
    }
    command.env("AZURE_CLIENT_SECRET", secret);
    Ok(command)
}

fn beside_the_program(root: &Path, program: &Program) -> Result<(), Failure> {
    let secret = program.text("/client_secret")?;
    let said = succeeded(&mut pointed(root, program, secret)?)?;
    let lifts_only = said.lines().last() == Some(LIFTED) && !said.contains("/restrictCodeExecution");
    check(lifts_only && !said.contains(secret), "against the program it must lift, and do nothing else", &said)
}

fn with_a_wrong_secret(root: &Path, program: &Program) -> Result<(), Failure> {
    let output = finished(&mut pointed(root, program, "a-wrong-secret")?)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let readable = said.lines().count() == 1 && said.contains("use the secret's value, not its id");
    let secret = said.contains("a-wrong-secret") || String::from_utf8_lossy(&output.stdout).contains("a-wrong-secret");
    check(!output.status.success() && readable && !secret, "a wrong secret must end in one readable error", &said)
}

fn check(holds: bool, what: &str, said: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::Check(format!("the example: {what}. It said:\n{said}"))) }
}

fn succeeded(command: &mut Command) -> Result<String, Failure> {
    let output = finished(command)?;
    if !output.status.success() {
        return Err(Failure::broken("the example failed", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn finished(command: &mut Command) -> Result<Output, Failure> {
    command.output().map_err(|error| Failure::broken("the example cannot be run", error))
}

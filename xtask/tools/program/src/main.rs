//! The program `defender` and the emulator's program, each a process, over networks of several kinds.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod proxy;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output, Stdio},
};

use lexopt::Parser;
use xtask::{
    Failure,
    callgrind::executables,
    emulator::{self, Program},
    workspace::{Workspace, cargo, output},
};

use proxy::Proxy;

const HELP: &str = "\
Runs the program `defender` against the emulator's program.

Usage: cargo xtask program

Each network: a run on one machine, which must succeed, and what must fail there.
  plain            HTTP/2, with the CA of the emulator by name
  private CA       fails if the CA is not named
  HTTP/1.1 only    a service that knows no HTTP/2
  government       the audience of a government cloud
  proxy            a proxy that requires a password; fails with a wrong one, without printing it

Options:
  -h, --help       this text
";

/// Audience of the government cloud GCC High.
const GOVERNMENT: &str = "https://api-gov.securitycenter.microsoft.us";
/// Name of a host that the proxy alone knows.
const HOST: &str = "defender.test";
/// Machine of every emulator.
const MACHINE: &str = "ws-eng-04.contoso.example";
const PASSWORD: &str = "canary-password";

fn main() -> ExitCode {
    xtask::program(HELP, |mut arguments: Parser| match arguments.next()? {
        Some(argument) => Err(argument.unexpected().into()),
        None => run(),
    })
}

fn run() -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    let emulator = emulator::build(&root)?;
    let mut build = cargo(&root);
    build.args(["build", "--quiet", "--package", "defender-cli", "--bin", "defender", "--message-format=json"]);
    let paths = executables(&output(&mut build)?);
    let defender = paths.get("defender").ok_or_else(|| Failure::Check("cargo built no defender".to_owned()))?;
    let programs = Programs { emulator, defender: defender.clone() };
    for (name, check) in [
        ("plain, private CA", plain as fn(&Programs) -> Result<(), Failure>),
        ("HTTP/1.1 only", http_1),
        ("government", government),
        ("proxy", proxied),
    ] {
        check(&programs)?;
        println!("ok  {name}");
    }
    Ok(())
}

struct Programs {
    emulator: PathBuf,
    defender: PathBuf,
}

/// Emulator, and the environment of its client.
struct Network<'p> {
    programs: &'p Programs,
    emulator: Program,
    home: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl<'p> Network<'p> {
    fn start(programs: &'p Programs, name: &str, arguments: &[&str]) -> Result<Self, Failure> {
        let emulator = Program::start(&programs.emulator, name, arguments)?;
        let home = std::env::temp_dir().join(format!("defender-program-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&home).map_err(|error| Failure::broken("a folder", error))?;
        let mut network = Self { programs, emulator, home, variables: Vec::new() };
        for (variable, pointer) in [
            ("AZURE_TENANT_ID", "/tenant_id"),
            ("DEFENDER_TENANT", "/tenant_id"),
            ("AZURE_CLIENT_ID", "/client_id"),
            ("AZURE_CLIENT_SECRET", "/client_secret"),
            ("AZURE_AUTHORITY_HOST", "/authority"),
            ("DEFENDER_BASE_URL", "/base_url"),
        ] {
            let value = network.emulator.text(pointer)?.to_owned();
            network.set(variable, value);
        }
        network.set("DEFENDER_CA_FILE", network.emulator.ca_file().display().to_string());
        Ok(network)
    }

    fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.variables.push((variable, value.into()));
    }

    fn defender(&self, arguments: &[&str]) -> Result<Output, Failure> {
        let mut command = Command::new(&self.programs.defender);
        command.args(arguments).stdin(Stdio::null()).env_clear().env("HOME", &self.home);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.output().map_err(|error| Failure::broken("defender", error))
    }

    /// Runs a command that must end with this code, and returns what it printed.
    fn ends_with(&self, code: i32, arguments: &[&str]) -> Result<String, Failure> {
        let ended = self.defender(arguments)?;
        let printed = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        if ended.status.code() != Some(code) {
            let line = arguments.join(" ");
            return Err(Failure::Check(format!(
                "`defender {line}` ended with {}, not {code}:\n{printed}",
                ended.status
            )));
        }
        Ok(printed)
    }

    /// Finds a machine and acts on it.
    fn works(&self) -> Result<(), Failure> {
        has(&self.ends_with(0, &["find", MACHINE, "-o", "csv"])?, MACHINE)?;
        has(
            &self.ends_with(0, &["collect", MACHINE, "--comment", "INC-1", "--yes", "-o", "csv"])?,
            ",succeeded,created,",
        )
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.home);
    }
}

fn has(printed: &str, text: &str) -> Result<(), Failure> {
    if printed.contains(text) { Ok(()) } else { Err(Failure::Check(format!("`{text}` was not printed:\n{printed}"))) }
}

fn plain(programs: &Programs) -> Result<(), Failure> {
    let mut network = Network::start(programs, "plain", &QUICK)?;
    network.works()?;
    network.set("DEFENDER_CA_FILE", "");
    has(&network.ends_with(4, &["find", MACHINE])?, "certificate")
}

fn http_1(programs: &Programs) -> Result<(), Failure> {
    Network::start(programs, "http1", &[&QUICK[..], &["--http", "1.1"]].concat())?.works()
}

fn government(programs: &Programs) -> Result<(), Failure> {
    let mut network = Network::start(programs, "gov", &[&QUICK[..], &["--audience", GOVERNMENT]].concat())?;
    network.set("DEFENDER_CLOUD", "gcc-high");
    has(&network.ends_with(0, &["preflight"])?, &format!("for {GOVERNMENT}."))?;
    network.works()
}

fn proxied(programs: &Programs) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::broken("the proxy", error);
    let certified = rcgen::generate_simple_self_signed([HOST.to_owned()]).map_err(|error| failed(&error))?;
    let file = |name: &str, text: String| {
        let path = std::env::temp_dir().join(format!("defender-program-{}-{name}", std::process::id()));
        std::fs::write(&path, text).map(|()| path).map_err(|error| failed(&error))
    };
    let (chain, key) =
        (file("chain.pem", certified.cert.pem())?, file("key.pem", certified.signing_key.serialize_pem())?);
    let result = through_proxy(programs, (&chain, &key));
    for path in [chain, key] {
        let _removed = std::fs::remove_file(path);
    }
    result
}

fn through_proxy(programs: &Programs, (chain, key): (&Path, &Path)) -> Result<(), Failure> {
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    let mut network = Network::start(programs, "proxy", &[&QUICK[..], &["--cert", &chain, "--key", &key]].concat())?;
    let port = network.emulator.text("/base_url")?.rsplit(':').next().unwrap_or_default().to_owned();
    let proxy = Proxy::start("analyst", PASSWORD).map_err(|error| Failure::broken("the proxy", error))?;
    network.set("DEFENDER_CA_FILE", chain);
    network.set("DEFENDER_BASE_URL", format!("https://{HOST}:{port}"));
    network.set("AZURE_AUTHORITY_HOST", format!("https://{HOST}:{port}"));
    network.set("HTTPS_PROXY", format!("http://analyst:{PASSWORD}@{}", proxy.address()));
    network.works()?;
    if proxy.tunnels() == 0 {
        return Err(Failure::Check("nothing went through the proxy".to_owned()));
    }
    network.set("HTTPS_PROXY", format!("http://analyst:{PASSWORD}-wrong@{}", proxy.address()));
    let printed = network.ends_with(4, &["find", MACHINE])?;
    has(&printed, "proxy")?;
    if printed.contains(PASSWORD) {
        Err(Failure::Check("the password of the proxy was printed".to_owned()))
    } else {
        Ok(())
    }
}

/// Arguments of an emulator whose actions end at once.
const QUICK: [&str; 4] = ["--pending-for", "0", "--running-for", "0"];

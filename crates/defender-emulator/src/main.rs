//! The emulator as a program: it prints where it listens, and serves until it is told to stop.

use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use defender_emulator::Emulator;
use lexopt::{Arg, Parser, ValueExt};
use serde_json::json;

const HELP: &str = "\
Microsoft Defender for Endpoint on loopback, for tests.

Usage: defender-emulator --ca-file PATH [--port PORT]

Options:
      --ca-file PATH  Where to write the certificate (PEM) of the CA that clients must trust
      --port PORT     The port on 127.0.0.1; 0, the default, is any that is free
  -h, --help          Print this help

Once it listens, it prints one line of JSON with its address and its credentials.
It serves until SIGINT or SIGTERM, and then ends with 0.
";

/// What the command line asks for.
enum Command {
    Help,
    Serve { port: u16, ca_file: PathBuf },
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = match command(Parser::from_env()) {
        Ok(command) => command,
        Err(error) => return failed(&format!("{error}\nTry --help."), 2),
    };
    let result = match command {
        Command::Help => print(HELP),
        Command::Serve { port, ca_file } => serve(port, &ca_file).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failed(&message, 1),
    }
}

fn command(mut arguments: Parser) -> Result<Command, lexopt::Error> {
    let (mut port, mut ca_file) = (0, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("port") => port = arguments.value()?.parse()?,
            Arg::Long("ca-file") => ca_file = Some(PathBuf::from(arguments.value()?)),
            other => return Err(other.unexpected()),
        }
    }
    let ca_file = ca_file.ok_or("missing option '--ca-file': without the certificate nobody can connect")?;
    Ok(Command::Serve { port, ca_file })
}

async fn serve(port: u16, ca_file: &Path) -> Result<(), String> {
    // Before the line is printed: whoever has read it may send a signal at once.
    let told_to_stop = signals().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let emulator = Emulator::builder().port(port).start().await.map_err(|error| with_source(&error))?;
    std::fs::write(ca_file, emulator.ca_pem())
        .map_err(|error| format!("cannot write the CA certificate to {}: {error}", ca_file.display()))?;
    let line = json!({
        "base_url": emulator.base_url(),
        "authority": emulator.authority(),
        "audience": emulator.audience(),
        "tenant_id": emulator.tenant_id(),
        "client_id": emulator.client_id(),
        "client_secret": emulator.client_secret(),
        "machine_ids": emulator.machine_ids(),
        "ca_file": ca_file.display().to_string(),
    });
    print(&format!("{line}\n"))?;
    told_to_stop.await;
    Ok(())
}

/// Completes at the first SIGINT or SIGTERM that comes from now on.
#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes at Ctrl-C.
#[cfg(windows)]
fn signals() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| format!("cannot print: {error}"))
}

fn failed(message: &dyn fmt::Display, code: u8) -> ExitCode {
    // Where even this cannot be printed, the code has to do.
    let _printed = writeln!(io::stderr(), "defender-emulator: {message}");
    ExitCode::from(code)
}

fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

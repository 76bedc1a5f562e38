//! The emulator as a program: it prints its addresses, and serves until a signal stops it.

mod cli;

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use lexopt::Parser;
use serde_json::json;

use cli::{Command, HELP, Serve, command};

#[tokio::main]
async fn main() -> ExitCode {
    let command = match command(Parser::from_env()) {
        Ok(command) => command,
        Err(error) => return failed(&format!("{error}\nTry --help."), 2),
    };
    let result = match command {
        Command::Help => print(HELP),
        Command::Version => print(concat!("defender-emulator ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Serve(how) => serve(*how).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failed(&message, 1),
    }
}

async fn serve(how: Serve) -> Result<(), String> {
    // Before the line is printed: its reader may send a signal at once.
    let told_to_stop = signals().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let emulator = how.builder()?.start().await.map_err(|error| with_source(&error))?;
    let Serve { ca_file, certificate, stop_with_stdin, .. } = how;
    // A certificate that was given is not written over itself.
    let is_there = certificate.is_some_and(|(chain, _)| chain == ca_file);
    let written = if is_there { Ok(()) } else { std::fs::write(&ca_file, emulator.ca_pem()) };
    written.map_err(|error| format!("cannot write the CA certificate to {}: {error}", ca_file.display()))?;
    let line = json!({
        "base_url": emulator.base_url(),
        "authority": emulator.authority(),
        "audience": emulator.audience(),
        "tenant_id": emulator.tenant_id(),
        "client_id": emulator.client_id(),
        "application_name": emulator.application_name(),
        "client_secret": emulator.client_secret(),
        "imds_endpoint": emulator.imds_endpoint(),
        "identity_endpoint": emulator.identity_endpoint(),
        "identity_header": emulator.identity_header(),
        "machine_ids": emulator.machine_ids(),
        "ca_file": ca_file.display().to_string(),
    });
    print(&format!("{line}\n"))?;
    if stop_with_stdin {
        tokio::select! {
            () = told_to_stop => {}
            () = end_of_stdin() => {}
        }
    } else {
        told_to_stop.await;
    }
    Ok(())
}

/// Completes when standard input has ended, or cannot be read.
async fn end_of_stdin() {
    let (ended, told) = tokio::sync::oneshot::channel();
    // A thread of its own: a read of standard input cannot be called off, and a runtime would wait for it when it ends.
    std::thread::spawn(move || {
        let _read = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _heard = ended.send(());
    });
    let _ended = told.await;
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

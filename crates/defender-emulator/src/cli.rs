//! The command line of the program.

mod help;
mod responses;
mod sign_in;
mod values;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use defender_emulator::{
    AlpnProtocols, Emulator, EmulatorBuilder, FastClock, InOperator, Investigations, JsonStyle, Quotas, RetryAfterForm,
    State,
};
use lexopt::{Arg, Parser, ValueExt};

pub(crate) use self::help::HELP;
use self::responses::{RESPONSES, respond_with};
use self::sign_in::{SIGN_IN, signed_in};
use self::values::{choice, one_of, seconds};

/// A parsed command line.
pub(crate) enum Command {
    Help,
    Version,
    Serve(Box<Serve>),
}

/// The settings of a server.
pub(crate) struct Serve {
    pub(crate) builder: EmulatorBuilder,
    pub(crate) ca_file: PathBuf,
    /// The files with the server's certificate and its key, if they are not made at start.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) state: Option<PathBuf>,
    pub(crate) log: Option<PathBuf>,
    /// Stops when standard input ends.
    pub(crate) stop_with_stdin: bool,
}

impl Serve {
    /// The emulator's settings, with the content of the files; an error where a file cannot be used.
    pub(crate) fn builder(&self) -> Result<EmulatorBuilder, String> {
        let mut builder = self.builder.clone();
        if let Some(file) = &self.state {
            builder = builder.state(State::from_file(file).map_err(|error| error.to_string())?);
        }
        if let Some((chain, key)) = &self.certificate {
            builder = builder.certificate(text(chain)?, text(key)?);
        }
        match &self.log {
            Some(file) => log(builder, file),
            None => Ok(builder),
        }
    }
}

pub(crate) fn command(mut arguments: Parser) -> Result<Command, lexopt::Error> {
    let (mut builder, mut ca_file) = (Emulator::builder().control_over_http(), None);
    let (mut state, mut log, mut stop_with_stdin, mut certificate) = (None, None, false, (None, None));
    let mut style = JsonStyle::default();
    while let Some(argument) = arguments.next()? {
        builder = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("ca-file") => {
                ca_file = Some(PathBuf::from(arguments.value()?));
                builder
            }
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Long("state-dir") => {
                let dir = PathBuf::from(arguments.value()?);
                ca_file = ca_file.or_else(|| Some(dir.join("ca.pem")));
                builder.state_dir(&dir)
            }
            Arg::Long("cert") => {
                certificate.0 = Some(PathBuf::from(arguments.value()?));
                builder
            }
            Arg::Long("key") => {
                certificate.1 = Some(PathBuf::from(arguments.value()?));
                builder
            }
            Arg::Long("state") => {
                state = Some(PathBuf::from(arguments.value()?));
                builder
            }

            Arg::Long("log") => {
                log = Some(PathBuf::from(arguments.value()?));
                builder
            }
            Arg::Long(name) if SIGN_IN.contains(&name) => {
                let name = name.to_owned();
                signed_in(builder, &name, &mut arguments)?
            }
            Arg::Long("http") => builder.http(offer(&mut arguments)?),
            Arg::Long("stop-with-stdin") => {
                stop_with_stdin = true;
                builder
            }
            Arg::Long("clock-speed") => builder.clock(Arc::new(FastClock::new(arguments.value()?.parse_with(speed)?))),
            Arg::Long("manual-clock") => builder.clock_over_http(),
            Arg::Long("retry-after") => builder.retry_after(one_of(
                &mut arguments,
                &[
                    ("seconds", RetryAfterForm::Seconds),
                    ("date", RetryAfterForm::Date),
                    ("absent", RetryAfterForm::Absent),
                ],
            )?),
            Arg::Long("investigations") => builder.investigations(one_of(
                &mut arguments,
                &[("retired", Investigations::Retired), ("available", Investigations::Available)],
            )?),
            Arg::Long("in-operator") => builder.in_operator(one_of(
                &mut arguments,
                &[("refused", InOperator::Refused), ("understood", InOperator::Understood)],
            )?),
            Arg::Long("offline") => builder.offline(arguments.value()?.string()?),
            Arg::Long("port") => builder.port(arguments.value()?.parse()?),
            Arg::Long("pending-for") => builder.pending_for(seconds(&mut arguments)?),
            Arg::Long("running-for") => builder.running_for(seconds(&mut arguments)?),
            Arg::Long("machines") => builder.machines(arguments.value()?.parse()?),
            Arg::Long("duplicates") => builder.duplicates(choice(&mut arguments)?),
            Arg::Long("read-lag") => builder.read_lag(seconds(&mut arguments)?),
            Arg::Long("page-size") => builder.page_size(arguments.value()?.parse()?),
            Arg::Long("quotas") => {
                builder.quotas(one_of(&mut arguments, &[("enforced", Quotas::Enforced), ("off", Quotas::Off)])?)
            }
            Arg::Long(name) if RESPONSES.contains(&name) => {
                let name = name.to_owned();
                respond_with((builder, &mut style), &name, &mut arguments)?
            }
            Arg::Long("chaos") => {
                let (seed, rate) = arguments.value()?.parse_with(chaos)?;
                builder.chaotic(seed, rate)
            }
            other => return Err(other.unexpected()),
        };
    }
    let builder = builder.json_style(style);
    let certificate = match certificate {
        (None, None) => None,
        (Some(chain), Some(key)) => Some((chain, key)),
        _ => return Err("options '--cert' and '--key' go together".into()),
    };
    let ca_file = ca_file.or_else(|| certificate.as_ref().map(|(chain, _)| chain.clone()));
    let ca_file = ca_file.ok_or("missing option '--ca-file': clients need the certificate to connect")?;
    Ok(Command::Serve(Box::new(Serve { builder, ca_file, certificate, state, log, stop_with_stdin })))
}

fn offer(arguments: &mut Parser) -> Result<AlpnProtocols, lexopt::Error> {
    one_of(arguments, &[("both", AlpnProtocols::Both), ("1.1", AlpnProtocols::Http1), ("2", AlpnProtocols::Http2)])
}

fn speed(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|times| (1..=100_000).contains(times)).ok_or("expected a whole number from 1 to 100000")
}

fn text(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

fn log(builder: EmulatorBuilder, file: &Path) -> Result<EmulatorBuilder, String> {
    if file == Path::new("-") {
        return Ok(builder.log(std::io::stderr()));
    }
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
    let opened = opened.map_err(|error| format!("cannot write the log to {}: {error}", file.display()))?;
    Ok(builder.log(opened))
}

fn chaos(text: &str) -> Result<(u64, f64), &'static str> {
    let both = text.split_once(',').and_then(|(seed, rate)| Some((seed.parse().ok()?, rate.parse().ok()?)));
    both.filter(|(_, rate)| (0.0..=1.0).contains(rate))
        .ok_or("expected a seed and a rate between 0 and 1, such as 7,0.1")
}

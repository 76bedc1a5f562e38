//! What the program is told.

use std::{path::PathBuf, time::Duration};

use defender_emulator::{Deflate, Duplicates, Emulator, EmulatorBuilder, Nulls, Quotas, UpdateName};
use lexopt::{Arg, Parser, ValueExt};

pub(crate) const HELP: &str = "\
Microsoft Defender for Endpoint on loopback, for tests.

Usage: defender-emulator --ca-file PATH [--port PORT] [options]

Options:
      --ca-file PATH         Where to write the certificate (PEM) of the CA that clients must trust
      --port PORT            The port on 127.0.0.1; 0, the default, is any that is free
  -h, --help                 Print this help

How the service behaves:
      --pending-for SECONDS  How long an action is Pending; 1 by default, and it may have a fraction
      --running-for SECONDS  How long it is InProgress after that; 2 by default
      --offline MACHINE      This machine is not there, so that its actions wait; may be given for several
      --machines COUNT       How many machines there are; 3 by default, and 0 makes their list a 404
      --history ACTIONS      How many actions there are at the start that have ended; 0 by default
      --duplicates WHAT      A repeat while the first is active: refuse (the default), join, accept, or a number, which is
                             the seed of any of them
      --read-lag SECONDS     For how long a new action is not found yet; 0 by default
      --page-size ROWS       How many rows a page has; 10000 by default
      --quotas WHAT          enforced (the default) or off
      --without-role ROLE    Leave a role out of the tokens; may be given for several
      --deflate FORM         Compress answers unasked: off (the default), zlib or raw
      --nulls WHAT           Fields without a value: written (the default) or omitted
      --update-name WHAT     live (lastUpdateDateTimeUtc, the default) or documented (lastUpdateTimeUtc)
      --chaos SEED,RATE      Let something go wrong with so many in 1 of all requests, such as 7,0.1

Once it listens, it prints one line of JSON with its address and its credentials.
It serves until SIGINT or SIGTERM, and then ends with 0.
";

/// What the command line asks for.
pub(crate) enum Command {
    Help,
    Serve(Box<Serve>),
}

/// How to serve.
pub(crate) struct Serve {
    pub(crate) builder: EmulatorBuilder,
    pub(crate) ca_file: PathBuf,
    pub(crate) offline: Vec<String>,
}

pub(crate) fn command(mut arguments: Parser) -> Result<Command, lexopt::Error> {
    let (mut builder, mut ca_file, mut offline) = (Emulator::builder(), None, Vec::new());
    while let Some(argument) = arguments.next()? {
        builder = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("ca-file") => {
                ca_file = Some(PathBuf::from(arguments.value()?));
                builder
            }
            Arg::Long("offline") => {
                offline.push(arguments.value()?.string()?);
                builder
            }
            Arg::Long("port") => builder.port(arguments.value()?.parse()?),
            Arg::Long("pending-for") => builder.pending_for(seconds(&mut arguments)?),
            Arg::Long("running-for") => builder.running_for(seconds(&mut arguments)?),
            Arg::Long("machines") => builder.machines(arguments.value()?.parse()?),
            Arg::Long("history") => builder.history(arguments.value()?.parse()?),
            Arg::Long("duplicates") => builder.duplicates(arguments.value()?.parse_with(duplicates)?),
            Arg::Long("read-lag") => builder.read_lag(seconds(&mut arguments)?),
            Arg::Long("page-size") => builder.page_size(arguments.value()?.parse()?),
            Arg::Long("quotas") => {
                builder.quotas(word(&mut arguments, &[("enforced", Quotas::Enforced), ("off", Quotas::Off)])?)
            }
            Arg::Long("without-role") => builder.without_role(arguments.value()?.string()?),
            Arg::Long("deflate") => builder.deflate(word(
                &mut arguments,
                &[("off", Deflate::Off), ("zlib", Deflate::Zlib), ("raw", Deflate::Raw)],
            )?),
            Arg::Long("nulls") => {
                builder.nulls(word(&mut arguments, &[("written", Nulls::Written), ("omitted", Nulls::Omitted)])?)
            }
            Arg::Long("update-name") => builder.update_name(word(
                &mut arguments,
                &[("live", UpdateName::Live), ("documented", UpdateName::Documented)],
            )?),
            Arg::Long("chaos") => {
                let (seed, rate) = arguments.value()?.parse_with(chaos)?;
                builder.chaotic(seed, rate)
            }
            other => return Err(other.unexpected()),
        };
    }
    let ca_file = ca_file.ok_or("missing option '--ca-file': without the certificate nobody can connect")?;
    Ok(Command::Serve(Box::new(Serve { builder, ca_file, offline })))
}

fn seconds(arguments: &mut Parser) -> Result<Duration, lexopt::Error> {
    let wrong = "it is a number of seconds, such as 0.5";
    arguments.value()?.parse_with(|text| {
        let seconds: f64 = text.parse().map_err(|_| wrong)?;
        Duration::try_from_secs_f64(seconds).map_err(|_| wrong)
    })
}

fn duplicates(text: &str) -> Result<Duplicates, &'static str> {
    match text {
        "refuse" => Ok(Duplicates::Refuse),
        "join" => Ok(Duplicates::Join),
        "accept" => Ok(Duplicates::Accept),
        seed => seed.parse().map(Duplicates::Seeded).map_err(|_| "it is refuse, join, accept or a seed"),
    }
}

fn chaos(text: &str) -> Result<(u64, f64), &'static str> {
    let both = text.split_once(',').and_then(|(seed, rate)| Some((seed.parse().ok()?, rate.parse().ok()?)));
    both.filter(|(_, rate)| (0.0..=1.0).contains(rate)).ok_or("it is a seed and a rate between 0 and 1, such as 7,0.1")
}

fn word<T: Copy>(arguments: &mut Parser, words: &[(&str, T)]) -> Result<T, lexopt::Error> {
    arguments.value()?.parse_with(|text| {
        let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| format!("it is {}", known()))
    })
}

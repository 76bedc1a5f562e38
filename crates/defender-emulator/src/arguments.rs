//! What the program is told.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use defender_emulator::{
    CreatedStatus, Deflate, Duplicates, Emulator, EmulatorBuilder, FirstUpdate, Fractions, HttpOffer, InOperator,
    Investigations, Nulls, Quotas, RetryAfterForm, State, Targets, Transcripts, UpdateName,
};
use lexopt::{Arg, Parser, ValueExt};

pub(crate) const HELP: &str = "\
Microsoft Defender for Endpoint on loopback, for tests: its API, the Entra ID that signs in to it, and what its links lead to.
It is no product of Microsoft, and touches no real machine.

Usage: defender-emulator --ca-file PATH [options]

Options:
      --ca-file PATH          Where to write the certificate (PEM) of the CA that clients must trust
      --port PORT             The port on 127.0.0.1; 0, the default, is any that is free
      --address ADDRESS       127.0.0.1, the default, or localhost; any other is refused, since the emulator is for this
                              machine alone
      --state FILE            Begin with the machines, actions and library files of this JSON file
      --log FILE              Write a line of JSON for every request, without tokens and bodies; - is stderr
      --http VERSION          What the TLS handshake offers: both (the default), 1.1 or 2
      --stop-with-stdin       Stop when standard input ends, too, so as not to outlive whoever started it
      --clock-speed TIMES     Go so many times as fast as the machine's clock
      --manual-clock          Stand still at the time of the start; POST /emulator/clock turns the clock
  -h, --help                  Print this help
  -V, --version               Print the version

How the service behaves:
      --pending-for SECONDS   How long an action is Pending; 1 by default, and it may have a fraction
      --running-for SECONDS   How long it is InProgress after that; 2 by default
      --offline MACHINE       This machine is not there, so that its actions wait; may be given for several
      --machines COUNT        How many machines there are; 3 by default, and 0 makes their list a 404
      --history ACTIONS       How many actions there are at the start that have ended; 0 by default
      --duplicates WHAT       A repeat while the first is active: refuse (the default), join, accept, or a number, which is
                              the seed of any of them
      --read-lag SECONDS      For how long a new action is not found yet; 0 by default
      --page-size ROWS        How many rows a page has; 10000 by default
      --quotas WHAT           enforced (the default) or off
      --retry-after FORM      How a 429 says when to come again: seconds (the default), date or absent
      --without-role ROLE     Leave a role out of the tokens; may be given for several
      --token-lifetime SECONDS  How long a token is good for; 3599 by default
      --link-lifetime SECONDS   How long a download's link is good for; 1800 by default
      --investigations WHAT   startInvestigation: retired (the default) or available
      --in-operator WHAT      in, in a filter: refused (the default) or understood
      --chaos SEED,RATE       Let something go wrong with so many in 1 of all requests, such as 7,0.1

How its answers are written:
      --created-status WHAT   An action is created with: documented (the default; 200 for offboarding, else 201), 201 or 200
      --deflate FORM          Compress answers unasked: off (the default), zlib or raw
      --fractions WHAT        Digits of a second in dates: 7 (the default), or seeded:NUMBER for none to seven
      --first-update WHAT     The update time right after a POST: written (the default) or null
      --nulls WHAT            Fields without a value: written (the default) or omitted
      --targets FORM          The target of an error: guid (the default) or opaque
      --transcripts FORM      A script's transcript: plain (the default) or gzip
      --update-name WHAT      live (lastUpdateDateTimeUtc, the default) or documented (lastUpdateTimeUtc)

Once it listens, it prints one line of JSON: base_url, authority, audience, tenant_id, client_id, client_secret, machine_ids and
ca_file. It serves until SIGINT or SIGTERM.

From another program, at base_url, without a token:
      GET    /emulator/ledger?from=N    Every POST, PATCH and DELETE that came, and what it did
      POST   /emulator/faults           {\"fault\": \"ResetAfterEffect\", \"on\": \"Isolate\", \"times\": 1}
      DELETE /emulator/faults           No more faults but those by chance
      POST   /emulator/outcomes         {\"outcome\": \"Failed\", \"errorHResult\": -1, \"type\": \"Isolate\", \"times\": 1}
      GET    /emulator/machines/{id}    What the actions have made of a machine
      POST   /emulator/machines/{id}    {\"online\": false}
      GET    /emulator/clock            Its time
      POST   /emulator/clock            {\"advanceSeconds\": 259200}, with --manual-clock

Exit codes: 0 it was told to stop, 1 it could not start, 2 the command line was not understood.
";

/// What the command line asks for.
pub(crate) enum Command {
    Help,
    Version,
    Serve(Box<Serve>),
}

/// How to serve.
pub(crate) struct Serve {
    pub(crate) builder: EmulatorBuilder,
    pub(crate) ca_file: PathBuf,
    pub(crate) offline: Vec<String>,
    pub(crate) state: Option<PathBuf>,
    pub(crate) log: Option<PathBuf>,
    /// Whether the end of standard input is an order to stop.
    pub(crate) stop_with_stdin: bool,
}

impl Serve {
    /// The emulator's settings, with what the files say; or why a file cannot be used.
    pub(crate) fn builder(&self) -> Result<EmulatorBuilder, String> {
        let mut builder = self.builder.clone();
        if let Some(file) = &self.state {
            builder = builder.state(State::from_file(file).map_err(|error| error.to_string())?);
        }
        match &self.log {
            Some(file) => log(builder, file),
            None => Ok(builder),
        }
    }
}

pub(crate) fn command(mut arguments: Parser) -> Result<Command, lexopt::Error> {
    let (mut builder, mut ca_file, mut offline) = (Emulator::builder().told_over_http(), None, Vec::new());
    let (mut state, mut log, mut stop_with_stdin) = (None, None, false);
    while let Some(argument) = arguments.next()? {
        builder = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("ca-file") => {
                ca_file = Some(PathBuf::from(arguments.value()?));
                builder
            }
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Long("address") => {
                arguments.value()?.parse_with(loopback)?;
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
            Arg::Long("http") => builder.http(offer(&mut arguments)?),
            Arg::Long("stop-with-stdin") => {
                stop_with_stdin = true;
                builder
            }
            Arg::Long("clock-speed") => builder.clock_speed(arguments.value()?.parse_with(speed)?),
            Arg::Long("manual-clock") => builder.clock_turned_over_http(),
            Arg::Long("retry-after") => builder.retry_after(word(
                &mut arguments,
                &[
                    ("seconds", RetryAfterForm::Seconds),
                    ("date", RetryAfterForm::Date),
                    ("absent", RetryAfterForm::Absent),
                ],
            )?),
            Arg::Long("token-lifetime") => builder.token_lifetime(seconds(&mut arguments)?),
            Arg::Long("link-lifetime") => builder.link_lifetime(seconds(&mut arguments)?),
            Arg::Long("investigations") => builder.investigations(word(
                &mut arguments,
                &[("retired", Investigations::Retired), ("available", Investigations::Available)],
            )?),
            Arg::Long("in-operator") => builder.in_operator(word(
                &mut arguments,
                &[("refused", InOperator::Refused), ("understood", InOperator::Understood)],
            )?),
            Arg::Long("created-status") => builder.created_status(word(
                &mut arguments,
                &[
                    ("documented", CreatedStatus::Documented),
                    ("201", CreatedStatus::Created),
                    ("200", CreatedStatus::Ok),
                ],
            )?),
            Arg::Long("fractions") => builder.fractions(arguments.value()?.parse_with(fractions)?),
            Arg::Long("first-update") => builder
                .first_update(word(&mut arguments, &[("written", FirstUpdate::Written), ("null", FirstUpdate::Null)])?),
            Arg::Long("targets") => {
                builder.targets(word(&mut arguments, &[("guid", Targets::Guid), ("opaque", Targets::Opaque)])?)
            }
            Arg::Long("transcripts") => builder
                .transcripts(word(&mut arguments, &[("plain", Transcripts::Plain), ("gzip", Transcripts::Gzip)])?),
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
    Ok(Command::Serve(Box::new(Serve { builder, ca_file, offline, state, log, stop_with_stdin })))
}

fn offer(arguments: &mut Parser) -> Result<HttpOffer, lexopt::Error> {
    word(arguments, &[("both", HttpOffer::Both), ("1.1", HttpOffer::Http1), ("2", HttpOffer::Http2)])
}

fn speed(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|times| (1..=100_000).contains(times)).ok_or("it is a whole number from 1 to 100000")
}

fn seconds(arguments: &mut Parser) -> Result<Duration, lexopt::Error> {
    let wrong = "it is a number of seconds, such as 0.5";
    arguments.value()?.parse_with(|text| {
        let seconds: f64 = text.parse().map_err(|_| wrong)?;
        Duration::try_from_secs_f64(seconds).map_err(|_| wrong)
    })
}

/// The emulator is no service for others: it has one known secret, and believes whoever asks `/emulator`.
fn loopback(text: &str) -> Result<(), String> {
    match text {
        "127.0.0.1" | "localhost" => Ok(()),
        other => Err(format!("it listens on 127.0.0.1 alone, and not on {other}")),
    }
}

fn log(builder: EmulatorBuilder, file: &Path) -> Result<EmulatorBuilder, String> {
    if file == Path::new("-") {
        return Ok(builder.log(std::io::stderr()));
    }
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
    let opened = opened.map_err(|error| format!("cannot write the log to {}: {error}", file.display()))?;
    Ok(builder.log(opened))
}

fn fractions(text: &str) -> Result<Fractions, &'static str> {
    let wrong = "it is 7 or seeded:NUMBER";
    match text.strip_prefix("seeded:") {
        None if text == "7" => Ok(Fractions::Seven),
        None => Err(wrong),
        Some(seed) => seed.parse().map(Fractions::Seeded).map_err(|_| wrong),
    }
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

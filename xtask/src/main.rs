//! What the project does with itself: `cargo xtask <command>`.
//!
//! What was found goes to stdout, what is being done to stderr. The exit code is 0 where all is well, 1 where a check
//! failed, and 2 where the command was not understood.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod actions;
mod bench;
mod breaks;
mod campaign;
mod ci;
mod conformance;
mod example;
mod foreign;
mod judges;
mod tidy;
mod tools;
mod vectors;
mod workspace;

use std::{path::PathBuf, process::ExitCode};

use lexopt::Arg;

const HELP: &str = "\
What the project does with itself.

Usage: cargo xtask <command>

Commands:
  ci [--skip-tests]  everything that CI checks, in its order, up to the first failure
  tidy               the invariants of docs/architecture.md, from `cargo tree` and the source; all that are broken
  tools              installs the tools of the three checks below into target/tools, in pinned versions
  deny               dependencies, licenses and sources, by cargo-deny
  public-api         the public API against xtask/public-api, by cargo-public-api; WRITE_PUBLIC_API=1 writes that anew
  typos              spelling, by typos
  example            the README's first command, by itself and against the emulator's program, and the other examples
  actions            writes the table of actions into defender-model's README
  vectors DIR        decodes every JSON body in a folder and encodes it back, a row each
  conformance        every exchange of defender-emulator/conformance, sent by curl to the emulator's program
                     --base-url URL: to that address, with the token in DEFENDER_TOKEN; --machine ID: to that machine;
                     --ca-file PATH: trusting that CA
  breaks [NAME…]     breaks each promise on purpose, in a copy, and looks whether it is noticed; those whose names begin so
                     --check: only whether each patch still applies
                     --refresh: makes anew, against today's source, each patch that no longer applies, and shows it
  judges [--short]   Microsoft's sign-in libraries and other clients, installed from their registries, against the emulator's
                     program, with the clock at five places within the second; --short: those in Python, once
  walkthrough        the emulator's README for other languages, run as it stands there
  campaign --seeds FROM..TO [--tls] [--steps N] [--figures FILE]
                     the promises, judged over a chaotic emulator: 200 actions of a tenant for each seed, in process and by a clock
                     turned by hand; what it found, and sums, which are kept in FILE so that no seed is run twice
                     --tls: emulator and client in two processes that are killed at random, over real TLS;
                     --steps N: only the first N actions of each seed, told in full, to see one fail again
  foreign            5,000 actions, 64 at a time, against a misbehaving server that knows nothing of client or emulator; judged
                     --actions N, --at-once N, --seed S, --ids as-given|generated, --http1 (default) or --http2;
                     --speed N: how many times as fast as the machine's the time goes
  bench smoke        our wire beside a bare hyper client, and whether it keeps up
  bench pages        a page of 10,000 actions through the client, beside bare hyper and a bare struct
  bench wait         a thousand actions waited for together and one by one: calls, and whether the quota is kept
  bench emulator     the emulator beside a bare hyper server, and its pages of 100,000 actions

Options:
  -h, --help         this text

Exit codes: 0 all is well, 1 a check failed, 2 the command was not understood.
";

/// Why a command ends badly.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A check failed; what was found is on stdout already, and these words say it in short.
    Check(String),
    /// The command was not understood.
    Usage(String),
}

impl Failure {
    /// Something that had to work for the check did not.
    pub(crate) fn broken(what: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self::Check(format!("{what}: {error}"))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Help,
    Ci {
        tests: ci::Tests,
    },
    Tidy,
    Tools,
    Check(tools::Check),
    Example,
    Actions,
    Vectors {
        folder: PathBuf,
    },
    Conformance(conformance::Target),
    Breaks(breaks::Options),
    Walkthrough,
    Judges(judges::Form),
    Campaign(campaign::Options),
    /// What the campaign over TLS starts, for itself alone: it is in no help.
    CampaignWorker,
    Foreign(foreign::Options),
    BenchSmoke,
    BenchPages,
    BenchWait,
    BenchEmulator,
}

fn main() -> ExitCode {
    let outcome = parse(lexopt::Parser::from_env()).and_then(|command| match command {
        Command::Help => {
            print!("{HELP}");
            Ok(())
        }
        Command::Ci { tests } => ci::run(tests),
        Command::Tidy => tidy::run(),
        Command::Tools => tools::install(),
        Command::Check(check) => check.run(),
        Command::Example => example::run(),
        Command::Actions => actions::write(),
        Command::Vectors { folder } => vectors::run(&folder),
        Command::Conformance(target) => conformance::run(&target),
        Command::Breaks(options) => breaks::run(&options),
        Command::Walkthrough => conformance::walkthrough::run(),
        Command::Judges(form) => judges::run(form),
        Command::CampaignWorker => campaign::work(),
        Command::Campaign(options) => campaign::run(&options),
        Command::Foreign(options) => foreign::run(&options),
        Command::BenchSmoke => bench::smoke::run(),
        Command::BenchPages => bench::pages::run(),
        Command::BenchWait => bench::wait::run(),
        Command::BenchEmulator => bench::emulator::run(),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Check(what)) => {
            eprintln!("xtask: {what}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(what)) => {
            eprintln!("xtask: {what}; `cargo xtask --help` lists the commands");
            ExitCode::from(2)
        }
    }
}

fn parse(mut args: lexopt::Parser) -> Result<Command, Failure> {
    let mut words = Vec::new();
    let mut tests = ci::Tests::Run;
    let mut target = conformance::Target::default();
    let mut campaign = campaign::Said::default();
    let mut foreign = foreign::Options::default();
    let (mut check, mut refresh, mut form) = (false, false, judges::Form::Whole);
    let unread = |error: lexopt::Error| Failure::Usage(error.to_string());
    while let Some(arg) = args.next().map_err(unread)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long("skip-tests") => tests = ci::Tests::Skip,
            Arg::Long("check") => check = true,
            Arg::Long("refresh") => refresh = true,
            Arg::Long("short") => form = judges::Form::Short,
            Arg::Long(name @ ("base-url" | "machine" | "ca-file")) => {
                let place = match name {
                    "base-url" => &mut target.base_url,
                    "machine" => &mut target.machine,
                    _ => &mut target.ca_file,
                };
                *place = Some(args.value().map_err(unread)?.to_string_lossy().into_owned());
            }
            Arg::Long("tls") => campaign.tls = true,
            Arg::Long("figures") => campaign.figures = Some(args.value().map_err(unread)?.into()),
            Arg::Long(name @ ("seeds" | "steps")) => {
                let place = if name == "seeds" { &mut campaign.seeds } else { &mut campaign.steps };
                *place = Some(args.value().map_err(unread)?.to_string_lossy().into_owned());
            }
            Arg::Long(flag @ ("http1" | "http2")) => foreign.http2 = flag == "http2",
            Arg::Long(name) if foreign::Options::NAMES.contains(&name) => {
                let name = name.to_owned();
                let value = args.value().map_err(unread)?.to_string_lossy().into_owned();
                foreign.read(&name, &value)?;
            }
            Arg::Value(word) => words.push(word.to_string_lossy().into_owned()),
            other => return Err(unread(other.unexpected())),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (words.as_slice(), tests) {
        _ if (check || refresh) && words.first() != Some(&"breaks") => {
            Err(Failure::Usage("`--check` and `--refresh` are for `breaks` alone".to_owned()))
        }
        (["judges"], _) => Ok(Command::Judges(form)),
        _ if form == judges::Form::Short => Err(Failure::Usage("`--short` is for `judges` alone".to_owned())),
        (["ci"], tests) => Ok(Command::Ci { tests }),
        (_, ci::Tests::Skip) => Err(Failure::Usage("`--skip-tests` is for `ci` alone".to_owned())),
        (["conformance"], _) => Ok(Command::Conformance(target)),
        _ if target != conformance::Target::default() => {
            Err(Failure::Usage("`--base-url`, `--machine` and `--ca-file` are for `conformance` alone".to_owned()))
        }
        (["campaign"], _) => campaign.read().map(Command::Campaign),
        _ if campaign != campaign::Said::default() => {
            Err(Failure::Usage("`--seeds`, `--tls`, `--steps` and `--figures` are for `campaign` alone".to_owned()))
        }
        (["foreign"], _) => Ok(Command::Foreign(foreign)),
        _ if foreign != foreign::Options::default() => {
            Err(Failure::Usage("the options of `foreign` are for it alone".to_owned()))
        }
        (["breaks", names @ ..], _) => {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            Ok(Command::Breaks(breaks::Options { names, check, refresh }))
        }
        (["campaign-worker"], _) => Ok(Command::CampaignWorker),
        (["tidy"], _) => Ok(Command::Tidy),
        (["tools"], _) => Ok(Command::Tools),
        (["deny"], _) => Ok(Command::Check(tools::Check::Deny)),
        (["public-api"], _) => Ok(Command::Check(tools::Check::PublicApi)),
        (["typos"], _) => Ok(Command::Check(tools::Check::Typos)),
        (["example"], _) => Ok(Command::Example),
        (["actions"], _) => Ok(Command::Actions),
        (["vectors", folder], _) => Ok(Command::Vectors { folder: folder.into() }),
        (["walkthrough"], _) => Ok(Command::Walkthrough),
        (["bench", "smoke"], _) => Ok(Command::BenchSmoke),
        (["bench", "pages"], _) => Ok(Command::BenchPages),
        (["bench", "wait"], _) => Ok(Command::BenchWait),
        (["bench", "emulator"], _) => Ok(Command::BenchEmulator),
        ([], _) => Err(Failure::Usage("no command was given".to_owned())),
        (words, _) => Err(Failure::Usage(format!("there is no command `{}`", words.join(" ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, Failure> {
        parse(lexopt::Parser::from_iter(std::iter::once("xtask").chain(line.split_whitespace())))
    }

    #[test]
    fn each_command_is_understood() {
        assert_eq!(parsed("--help"), Ok(Command::Help));
        assert_eq!(parsed("ci"), Ok(Command::Ci { tests: ci::Tests::Run }));
        assert_eq!(parsed("ci --skip-tests"), Ok(Command::Ci { tests: ci::Tests::Skip }));
        assert_eq!(parsed("tidy"), Ok(Command::Tidy));
        assert_eq!(parsed("tools"), Ok(Command::Tools));
        assert_eq!(parsed("deny"), Ok(Command::Check(tools::Check::Deny)));
        assert_eq!(parsed("example"), Ok(Command::Example));
        assert_eq!(parsed("actions"), Ok(Command::Actions));
        assert_eq!(parsed("vectors a/b"), Ok(Command::Vectors { folder: "a/b".into() }));
        assert_eq!(parsed("conformance"), Ok(Command::Conformance(conformance::Target::default())));
        let target = conformance::Target { base_url: Some("https://x".to_owned()), ..conformance::Target::default() };
        assert_eq!(parsed("conformance --base-url https://x"), Ok(Command::Conformance(target)));
        assert_eq!(parsed("breaks"), Ok(Command::Breaks(breaks::Options::default())));
        let options = breaks::Options { names: vec!["10".to_owned()], check: true, refresh: false };
        assert_eq!(parsed("breaks --check 10"), Ok(Command::Breaks(options)));
        assert_eq!(parsed("walkthrough"), Ok(Command::Walkthrough));
        let options = campaign::Options { seeds: 0..100, tls: false, steps: None, figures: None };
        assert_eq!(parsed("campaign --seeds 0..100"), Ok(Command::Campaign(options.clone())));
        let options = campaign::Options { seeds: 7..8, tls: true, steps: Some(43), ..options };
        assert_eq!(parsed("campaign --tls --seeds=7..8 --steps 43"), Ok(Command::Campaign(options.clone())));
        let options = campaign::Options { steps: None, figures: Some("f.json".into()), ..options };
        assert_eq!(parsed("campaign --tls --seeds 7..8 --figures f.json"), Ok(Command::Campaign(options)));
        let options = foreign::Options { http2: true, actions: 9, ..foreign::Options::default() };
        assert_eq!(parsed("foreign --http2 --actions 9"), Ok(Command::Foreign(options)));
        assert_eq!(parsed("bench smoke"), Ok(Command::BenchSmoke));
        assert_eq!(parsed("bench pages"), Ok(Command::BenchPages));
        assert_eq!(parsed("bench wait"), Ok(Command::BenchWait));
        assert_eq!(parsed("bench emulator"), Ok(Command::BenchEmulator));
    }

    #[test]
    fn what_is_not_understood_is_no_command() {
        for line in [
            "",
            "tidyy",
            "bench",
            "bench smoke more",
            "tidy --skip-tests",
            "ci --fast",
            "tidy --machine x",
            "tidy --seeds 1..2",
            "tidy --tls",
            "tidy --actions 5",
            "foreign --ids none",
            "foreign --actions many",
            "campaign",
            "campaign --seeds",
            "campaign --seeds 5",
            "campaign --seeds 1..2 --machine x",
            "campaign 1..2",
            "tidy --check",
            "ci --check",
            "breaks --machine x",
            "tidy --refresh",
        ] {
            assert!(matches!(parsed(line), Err(Failure::Usage(_))), "{line}");
        }
    }

    #[test]
    fn the_help_names_each_command() {
        for command in [
            "ci [--skip-tests]",
            "tidy",
            "example",
            "actions",
            "vectors DIR",
            "breaks [NAME…]",
            "walkthrough",
            "campaign --seeds FROM..TO [--tls] [--steps N] [--figures FILE]",
            "foreign",
            "bench smoke",
            "bench pages",
            "bench wait",
            "bench emulator",
        ] {
            assert!(HELP.contains(&format!("\n  {command}")), "{command}");
        }
    }
}

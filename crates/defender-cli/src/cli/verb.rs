//! The verbs: one for each action of the registry, with its own options.

use clap::{Args, Subcommand, ValueEnum};
use defender_actions::model::{
    CollectInvestigationPackage, Isolate, IsolationType, LiveResponse, LiveResponseCommand, Offboard,
    RestrictCodeExecution, RunAntiVirusScan, ScanType, Sha1, StopAndQuarantineFile, Unisolate, UnrestrictCodeExecution,
};
use defender_fleet::FleetAction;

use super::selection::Selection;
use crate::failure::Failure;

/// Declares the examples of a verb: a dry run and the run.
macro_rules! examples {
    ($($name:ident: $verb:literal $arguments:literal;)+) => {
        $(const $name: &str = concat!(
            "Examples:\n  defender --tenant contoso ", $verb, " ", $arguments, " --dry-run\n  defender --tenant contoso ", $verb, " ",
            $arguments,
        );)+
    };
}

examples! {
    ISOLATE: "isolate" "--tag ransomware --type selective --comment 'INC-4712'";
    UNISOLATE: "unisolate" "--csv hosts.csv:name --comment 'INC-4712: cleaned' --wave 1,10,rest";
    RESTRICT: "restrict" "ws-fin-01 ws-fin-02 --comment 'INC-4711'";
    UNRESTRICT: "unrestrict" "--csv hosts.csv:name --comment 'INC-4711: cleaned' --wave 1,10,rest --halt-after 3";
    SCAN: "scan" "--filter \"riskScore eq 'High'\" --type full --comment 'weekly scan' --max 100";
    QUARANTINE: "quarantine" "ws-fin-01 --sha1 87662bc3d60e4200ceaf7aae249d1c343f4b83c9 --comment 'INC-4711'";
    COLLECT: "collect" "ws-fin-01 --comment 'INC-4711: evidence'";
    LIVE_RESPONSE: "live-response" "ws-fin-01 --run collect.ps1 --args '-Deep' --get 'C:\\temp\\out.zip' --comment 'INC-4711'";
    OFFBOARD: "offboard" "--ids-file retired.txt --exclude-tag keep --comment 'CHG-9: retired'";
}

/// Action with its targets and the options `R` of the command.
#[derive(Debug, Subcommand)]
pub(super) enum Verb<R: Args> {
    /// Isolates machines from the network, except from the service (portal: Isolate device)
    #[command(after_help = ISOLATE)]
    Isolate(Act<IsolateOptions, R>),
    /// Releases machines from isolation (portal: Release from isolation)
    #[command(after_help = UNISOLATE)]
    Unisolate(Act<NoOptions, R>),
    /// Restricts machines to run only code that Microsoft signed (portal: Restrict app execution)
    #[command(after_help = RESTRICT)]
    Restrict(Act<NoOptions, R>),
    /// Lifts the restriction of code execution (portal: Remove app restrictions)
    #[command(after_help = UNRESTRICT)]
    Unrestrict(Act<NoOptions, R>),
    /// Starts an antivirus scan
    #[command(after_help = SCAN)]
    Scan(Act<ScanOptions, R>),
    /// Stops the processes of a file and quarantines the file
    #[command(after_help = QUARANTINE)]
    Quarantine(Act<QuarantineOptions, R>),
    /// Collects an investigation package (see `download`)
    #[command(after_help = COLLECT)]
    Collect(Act<NoOptions, R>),
    /// Runs commands of live response: scripts and files of the library, files of the machine (see `download`)
    #[command(after_help = LIVE_RESPONSE)]
    LiveResponse(Act<LiveResponseOptions, R>),
    /// Removes machines from the service. No call of the API undoes this
    #[command(after_help = OFFBOARD)]
    Offboard(Act<NoOptions, R>),
}

/// Options of an action, its targets, and the options `R` of the command.
#[derive(Args, Debug)]
pub(super) struct Act<O: Args, R: Args> {
    #[command(flatten)]
    options: O,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    command: R,
}

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct NoOptions {}

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct IsolateOptions {
    /// Extent of the isolation
    #[arg(long = "type", value_enum, default_value_t, value_name = "TYPE")]
    isolation_type: Isolation,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Isolation {
    /// From the whole network, except the service
    #[default]
    Full,
    /// From the network, except the service, Teams, Outlook and Skype
    Selective,
    /// Contains a device that is not onboarded: the onboarded machines block it
    UnmanagedDevice,
}

impl From<Isolation> for IsolationType {
    fn from(isolation: Isolation) -> Self {
        match isolation {
            Isolation::Full => Self::Full,
            Isolation::Selective => Self::Selective,
            Isolation::UnmanagedDevice => Self::UnManagedDevice,
        }
    }
}

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct ScanOptions {
    /// Depth of the scan
    #[arg(long = "type", value_enum, default_value_t, value_name = "TYPE")]
    scan_type: Scan,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Scan {
    /// The locations where malware usually is
    #[default]
    Quick,
    /// The whole machine
    Full,
}

#[derive(Args, Clone, Debug)]
pub(super) struct QuarantineOptions {
    /// SHA-1 of the file: 40 hexadecimal digits
    #[arg(long, value_name = "HASH")]
    sha1: String,
}

#[derive(Args, Clone, Debug)]
pub(super) struct LiveResponseOptions {
    /// File of the library that is put onto the machine; may be repeated
    #[arg(long, value_name = "FILE")]
    put: Vec<String>,
    /// Script of the library that is run after all --put; may be repeated
    #[arg(long, value_name = "SCRIPT", required_unless_present_any = ["put", "get"])]
    run: Vec<String>,
    /// Arguments of the script: one --args for each --run, in their order. The process list and the records of the service show them
    #[arg(long, value_name = "TEXT", requires = "run", allow_hyphen_values = true)]
    args: Vec<String>,
    /// Path of a file on the machine that is fetched last; may be repeated
    #[arg(long, value_name = "PATH")]
    get: Vec<String>,
}

/// Verb of each action of the registry, with the `type` of the action.
pub(super) const VERBS: [(&str, &str); 9] = [
    ("isolate", "Isolate"),
    ("unisolate", "Unisolate"),
    ("restrict", "RestrictCodeExecution"),
    ("unrestrict", "UnrestrictCodeExecution"),
    ("scan", "RunAntiVirusScan"),
    ("quarantine", "StopAndQuarantineFile"),
    ("collect", "CollectInvestigationPackage"),
    ("live-response", "LiveResponse"),
    ("offboard", "Offboard"),
];

/// Action, targets and the options of the command.
pub(super) type Parts<R> = (FleetAction, Selection, R);

impl<R: Args> Verb<R> {
    /// Returns the parts of the command.
    ///
    /// # Errors
    ///
    /// The comment is blank, or an option of the action is invalid.
    pub(super) fn parts(self) -> Result<Parts<R>, Failure> {
        fn act<O: Args, R: Args, A: Into<FleetAction>>(
            act: Act<O, R>,
            action: impl FnOnce(String, O) -> Result<A, Failure>,
        ) -> Result<Parts<R>, Failure> {
            let Act { options, selection, command } = act;
            Ok((action(selection.comment.clone(), options)?.into(), selection, command))
        }
        match self {
            Self::Isolate(verb) => {
                act(verb, |comment, options| Ok(Isolate::new(comment, options.isolation_type.into())?))
            }
            Self::Unisolate(verb) => act(verb, |comment, _| Ok(Unisolate::new(comment)?)),
            Self::Restrict(verb) => act(verb, |comment, _| Ok(RestrictCodeExecution::new(comment)?)),
            Self::Unrestrict(verb) => act(verb, |comment, _| Ok(UnrestrictCodeExecution::new(comment)?)),
            Self::Scan(verb) => act(verb, |comment, options| {
                let depth = match options.scan_type {
                    Scan::Quick => ScanType::Quick,
                    Scan::Full => ScanType::Full,
                };
                Ok(RunAntiVirusScan::new(comment, depth)?)
            }),
            Self::Quarantine(verb) => act(verb, |comment, options| {
                let sha1: Sha1 = options
                    .sha1
                    .parse()
                    .map_err(|error| Failure::usage(format!("--sha1 {}: {error}", options.sha1)))?;
                Ok(StopAndQuarantineFile::new(comment, sha1)?)
            }),
            Self::Collect(verb) => act(verb, |comment, _| Ok(CollectInvestigationPackage::new(comment)?)),
            Self::LiveResponse(verb) => {
                act(verb, |comment, options| Ok(LiveResponse::new(comment, options.commands()?)?))
            }
            Self::Offboard(verb) => act(verb, |comment, _| Ok(Offboard::new(comment)?)),
        }
    }
}

impl LiveResponseOptions {
    /// Returns the commands in the order that the service requires.
    fn commands(self) -> Result<Vec<LiveResponseCommand>, Failure> {
        if !self.args.is_empty() && self.args.len() != self.run.len() {
            return Err(Failure::usage(format!(
                "{} --run and {} --args were given; give one --args for each --run, and --args '' for a script without arguments",
                self.run.len(),
                self.args.len()
            )));
        }
        let mut args = self.args.into_iter();
        let scripts = self.run.into_iter().map(|script| {
            let command = LiveResponseCommand::run_script(script);
            match args.next().filter(|args| !args.is_empty()) {
                Some(args) => command.args(args),
                None => command,
            }
        });
        let scripts: Vec<_> = scripts.collect();
        let put = self.put.into_iter().map(LiveResponseCommand::put_file);
        Ok(put.chain(scripts).chain(self.get.into_iter().map(LiveResponseCommand::get_file)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser;
    use defender_actions::model::ACTIONS;

    use super::*;

    #[derive(Args, Debug)]
    struct NoCommand {}

    #[derive(Debug, Parser)]
    struct Program {
        #[command(subcommand)]
        verb: Verb<NoCommand>,
    }

    fn action(arguments: &[&str]) -> Result<FleetAction, String> {
        let fixed = ["--name", "ws-1", "--comment", "INC-1"];
        let program = Program::try_parse_from(["defender"].iter().chain(arguments).chain(&fixed));
        let program = program.map_err(|error| error.to_string())?;
        program.verb.parts().map(|(action, ..)| action).map_err(|failure| failure.message)
    }

    /// Verb of each action of the registry, with the options that it requires.
    const LINES: [&[&str]; 9] = [
        &["isolate"],
        &["unisolate"],
        &["restrict"],
        &["unrestrict"],
        &["scan"],
        &["quarantine", "--sha1", "87662bc3d60e4200ceaf7aae249d1c343f4b83c9"],
        &["collect"],
        &["live-response", "--run", "collect.ps1"],
        &["offboard"],
    ];

    #[test]
    fn each_action_has_a_verb() {
        let verbs: Vec<_> = LINES.iter().map(|verb| action(verb).unwrap().action_type()).collect();
        let all: BTreeSet<_> = ACTIONS.iter().map(|action| action.action_type).collect();
        let cased = verbs.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(cased, all, "each action has a verb in `Verb`, in `VERBS` and in `LINES`");
        let names: BTreeSet<_> = LINES.iter().filter_map(|verb| verb.first()).map(ToString::to_string).collect();
        let of_lines: Vec<_> = LINES.iter().map(|line| (line[0], action(line).unwrap().action_type())).collect();
        assert_eq!(of_lines, VERBS);
        let defined = <Verb<NoCommand> as Subcommand>::augment_subcommands(clap::Command::new("x"));
        assert_eq!(defined.get_subcommands().map(|verb| verb.get_name().to_owned()).collect::<BTreeSet<_>>(), names);
    }

    #[test]
    fn options_reach_the_body() {
        for (arguments, body) in [
            (&["isolate", "--type", "selective"][..], r#"{"Comment":"INC-1","IsolationType":"Selective"}"#),
            (&["isolate"], r#"{"Comment":"INC-1","IsolationType":"Full"}"#),
            (&["scan", "--type=full"], r#"{"Comment":"INC-1","ScanType":"Full"}"#),
            (&["scan"], r#"{"Comment":"INC-1","ScanType":"Quick"}"#),
            (
                &["live-response", "--run", "a.ps1", "--args", "-x 1", "--put", "b.exe", "--get", "C:\\c"],
                r#"{"Commands":[{"params":[{"key":"FileName","value":"b.exe"}],"type":"PutFile"},{"params":[{"key":"ScriptName","value":"a.ps1"},{"key":"Args","value":"-x 1"}],"type":"RunScript"},{"params":[{"key":"Path","value":"C:\\c"}],"type":"GetFile"}],"Comment":"INC-1"}"#,
            ),
        ] {
            assert_eq!(action(arguments).unwrap().body().to_string(), body, "{arguments:?}");
        }
    }

    #[test]
    fn invalid_options_are_refused() {
        for (arguments, text) in [
            (&["quarantine", "--sha1", "abc"][..], "--sha1 abc: "),
            (&["quarantine"], "--sha1 <HASH>"),
            (&["live-response"], "required arguments"),
            (&["live-response", "--run", "a", "--run", "b", "--args", "x"], "2 --run and 1 --args"),
        ] {
            let message = action(arguments).unwrap_err();
            assert!(message.contains(text), "{message}");
        }
    }
}

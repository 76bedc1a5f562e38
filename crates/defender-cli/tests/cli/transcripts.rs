//! Transcripts: what each command prints without a terminal, and its exit code. `SNAPSHOTS=overwrite` writes them anew.

use std::path::Path;

use regex::Regex;
use snapbox::{Assert, Data, Redactions};

use crate::program::Home;

/// Steps of a transcript.
type Steps<'s> = &'s [(&'s str, &'s str)];

/// Compares the transcript of commands, each with its stdin, with the file of this name.
///
/// `RUN` in a command stands for the id of the first run.
pub(crate) fn transcript(name: &str, home: &Home, steps: Steps<'_>) {
    let (mut text, mut run) = (String::new(), None);
    for (line, stdin) in steps {
        let arguments = words(&line.replace("RUN", run.as_deref().unwrap_or("RUN")));
        let ran = home.run_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), stdin);
        run = run.or_else(|| {
            Some(ran.stderr.lines().find_map(|line| line.strip_prefix("Run "))?.split(' ').next()?.to_owned())
        });
        text = format!("{text}$ defender {line}\n");
        if !stdin.is_empty() {
            text.push_str(&prefixed("< ", stdin));
        }
        text.push_str(&prefixed("2> ", &ran.stderr));
        text.push_str(&prefixed("1> ", &ran.stdout));
        text = format!("{text}exit {}\n\n", ran.code());
    }
    let text = stable(&text).replace(home.folder().to_str().unwrap(), "[HOME]");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/transcripts").join(name).with_extension("txt");
    let assert = Assert::new().action_env("SNAPSHOTS").redact_with(redactions());
    assert.eq(text, Data::read_from(&path, None));
}

/// Sorts lines of events that follow each other, of which the order is not fixed.
fn stable(text: &str) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    for events in lines.chunk_by_mut(|one, other| one.contains(".example: ") && other.contains(".example: ")) {
        events.sort_by_key(|line| line.split_once(": ").map(|(_, event)| event));
    }
    lines.join("\n") + "\n"
}

fn prefixed(prefix: &str, text: &str) -> String {
    text.lines().map(|line| format!("{prefix}{line}").trim_end().to_owned() + "\n").collect()
}

/// Splits a line into words. A part in single quotes is one word.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        for (place, word) in part.split(' ').enumerate() {
            if place > 0 {
                words.push(String::new());
            }
            words.last_mut().unwrap().push_str(word);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Texts that differ from run to run.
fn redactions() -> Redactions {
    let mut redactions = Redactions::new();
    for (name, pattern) in [
        ("[TIME]", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}([.][0-9]+)?Z"),
        ("[UUID]", r"(?<redacted>[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"),
        ("[HASH]", r"(?-u:\b)[0-9a-f]{64}(?-u:\b)"),
        ("[PORT]", r"127[.]0[.]0[.]1:(?<redacted>[0-9]+)"),
        ("[RUN]", r"(?-u:\b)[0-9a-f]{12}(?-u:\b)"),
        ("[VERSION]", r"defender (?<redacted>[0-9]+[.][0-9]+[.][0-9]+)"),
    ] {
        redactions.insert(name, Regex::new(pattern).unwrap()).unwrap();
    }
    redactions
}

/// Commands without a service: no profile, no account.
#[test]
fn usage_errors() {
    transcript(
        "usage",
        &Home::new(),
        &[
            ("--version", ""),
            ("", ""),
            ("frobnicate", ""),
            ("find", ""),
            ("find ws-1", ""),
            ("--tenant contoso find ws-1", ""),
            ("--client-secret=canary find ws-1", ""),
            ("--store postgres://u:canary@db/x report", ""),
            ("isolate --name ws-1", ""),
            ("isolate --comment INC-1", ""),
            ("isolate --name ws-1 --comment INC-1 --wave 1,0", ""),
            ("--demo isolate --csv hosts.csv --comment INC-1", ""),
            ("--demo isolate --csv missing.csv:name --comment INC-1", ""),
            ("--demo isolate --name ws-fin-01.contoso.example --comment ' '", ""),
            ("report not/a/run", ""),
            ("report 000000000000", ""),
            ("apply missing.json", ""),
            ("--store mysql://db/x report", ""),
            ("tenants", ""),
            ("runs", ""),
            ("help halt", ""),
            ("--demo actions list --status done", ""),
            ("--demo actions list --type lift", ""),
            ("--tenants missing.toml tenants", ""),
        ],
    );
}

#[test]
fn help_of_each_command() {
    let lines: Vec<_> = [
        "",
        "find",
        "actions",
        "actions list",
        "actions show",
        "actions cancel",
        "actions wait",
        "isolate",
        "unisolate",
        "restrict",
        "unrestrict",
        "scan",
        "quarantine",
        "collect",
        "live-response",
        "offboard",
        "plan",
        "plan isolate",
        "apply",
        "resume",
        "halt",
        "retry",
        "report",
        "download",
        "revert",
        "state",
        "preflight",
        "tenants",
        "completions",
    ]
    .map(|command| format!("{command} --help"))
    .into();
    let steps: Vec<_> = lines.iter().map(|line| (line.trim(), "")).collect();
    transcript("help", &Home::new(), &steps);
}

#[test]
fn reading_commands() {
    transcript(
        "reading",
        &Home::new(),
        &[
            ("--demo tenants", ""),
            ("--demo tenants -o csv", ""),
            ("--demo find ws-fin-01.contoso.example", ""),
            ("--demo find --tag servers -o csv", ""),
            ("--demo find --tag nosuchtag", ""),
            ("--demo find ws-fin-99.contoso.example kiosk-01", ""),
            ("--demo find --id xyz", ""),
            ("--demo find --id 0000000000000000000000000000000000000000", ""),
            ("--demo find --filter 'healthStatus eq' -o jsonl", ""),
            ("--demo find --filter 'startswith(computerDnsName,'ws-fin')' --limit 2", ""),
            ("--demo preflight", ""),
            ("--demo preflight -o csv", ""),
            ("--demo actions list", ""),
            ("--demo actions list --type unrestrict --status SUCCEEDED", ""),
            ("--demo actions list --machine nosuch", ""),
            ("--demo report", ""),
            ("--demo actions list --since yesterday", ""),
            ("--demo actions show 00000000-0000-4000-8000-000000000000", ""),
            ("--demo actions wait 00000000-0000-4000-8000-000000000000", ""),
            ("--demo actions cancel 00000000-0000-4000-8000-000000000000 --comment x --yes", ""),
            ("--demo state", ""),
            ("--demo --tenant Demo find ws-fin-01.contoso.example", ""),
        ],
    );
}

#[test]
fn completions_of_each_shell() {
    let home = Home::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = home.run(&["completions", shell]);
        assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.contains("live-response") && ran.stdout.contains("preflight"), "{shell}");
    }
    assert_eq!(home.run(&["completions", "cmd.exe"]).code(), 1);
}

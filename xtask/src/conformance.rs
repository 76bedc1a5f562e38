//! Exchanges of HTTP, kept as data, sent by curl and not by our client, to the emulator or to another address.

mod curl;
mod exchange;
pub(crate) mod program;
mod shape;
pub(crate) mod walkthrough;

use std::{collections::BTreeMap, path::Path};

use exchange::{Exchange, Suite, Variables};
use program::Program;

use crate::{Failure, workspace::Workspace};

/// Where the exchanges are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// An address in the place of the emulator's; the token for it is in `DEFENDER_TOKEN`, since what is on a command
    /// line can be read by others.
    pub(crate) base_url: Option<String>,
    /// A machine there.
    pub(crate) machine: Option<String>,
    /// The certificate of its CA, if the system does not trust it.
    pub(crate) ca_file: Option<String>,
}

/// What came of an exchange.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Kept,
    Broken(String),
    /// It names something that is not known of the target.
    Skipped(String),
}

/// Sends every exchange, prints a row for each, and fails where one was not answered as it should be.
pub(crate) fn run(target: &Target) -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    curl::ensure()?;
    let executable = if target.base_url.is_none() { Some(program::build(&root)?) } else { None };
    let mut verdicts = Vec::new();
    for file in files(&root.join("crates/defender-emulator/conformance"))? {
        let suite = Suite::read(&file)?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (exchange, verdict) in suite_verdicts(executable.as_deref(), (&name, &suite), target)? {
            println!("{}", row(&name, &exchange, &verdict));
            verdicts.push(verdict);
        }
    }
    let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| wanted(verdict)).count();
    let broken = count(|verdict| matches!(verdict, Verdict::Broken(_)));
    let (kept, skipped) = (count(|verdict| *verdict == Verdict::Kept), verdicts.len());
    println!("{kept} of {} kept, {broken} broken, {} skipped", verdicts.len(), skipped - kept - broken);
    if broken == 0 { Ok(()) } else { Err(Failure::Check(format!("{broken} exchanges are not as they should be"))) }
}

fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>, Failure> {
    let broken = |error| Failure::broken(folder.display(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Each suite has an emulator of its own, so that one leaves nothing behind for the next.
fn suite_verdicts(
    executable: Option<&Path>,
    (name, suite): (&str, &Suite),
    target: &Target,
) -> Result<Vec<(Exchange, Verdict)>, Failure> {
    let program = executable.map(|executable| Program::start(executable, name, &suite.arguments)).transpose()?;
    let (mut variables, ca_file): (Variables, _) = if let Some(program) = &program {
        (program.variables()?, Some(program.ca_file()))
    } else {
        let given = [
            ("base", target.base_url.clone()),
            ("machine", target.machine.clone()),
            ("token", std::env::var("DEFENDER_TOKEN").ok()),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        (given.collect(), target.ca_file.clone())
    };
    let mut verdicts = Vec::new();
    for exchange in &suite.exchanges {
        let verdict = match exchange.filled(&variables) {
            Ok(filled) => curl::send(&filled, ca_file.as_deref())
                .map_or_else(Verdict::Broken, |answer| exchange.judge(&answer, &mut variables)),
            // Of our own program all is known, unless what should have told it is broken.
            Err(missing) if program.is_some() => Verdict::Broken(format!("{missing} is not known")),
            Err(missing) => Verdict::Skipped(format!("{{{missing}}} is not known")),
        };
        verdicts.push((exchange.clone(), verdict));
    }
    Ok(verdicts)
}

fn row(suite: &str, exchange: &Exchange, verdict: &Verdict) -> String {
    let (word, why) = match verdict {
        Verdict::Kept => ("kept   ", String::new()),
        Verdict::Broken(why) => ("BROKEN ", format!("\n        {why}")),
        Verdict::Skipped(why) => ("skipped", format!(" ({why})")),
    };
    format!("{word} | {suite} | {} | {}{why}", exchange.name, exchange.source)
}

/// The names in braces that a text has, put in.
fn fill(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((name, after)) = behind.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(variables.get(name).ok_or(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_an_unknown_one_is_told() {
        let variables = [("a".to_owned(), "1".to_owned())].into();
        assert_eq!(fill("x${a}y${a}", &variables), Ok("x1y1".to_owned()));
        assert_eq!(fill("x${b}", &variables), Err("b".to_owned()));
        assert_eq!(fill("{a} ${", &variables), Ok("{a} ${".to_owned()));
    }
}

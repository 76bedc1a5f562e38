//! `defender --demo` without a command: ten machines are restricted and released, by the commands that a person would type.

use clap::Parser;

use super::command::{Cli, dispatch};
use crate::{
    demo,
    failure::{Exit, Failure},
    output::{Output, talk},
    profile,
    session::Session,
};

/// Commands of the tour. `HOSTS` stands for the path of the file.
const STEPS: [(&str, &[&str]); 5] = [
    ("A malicious macro runs in the finance team. First look at its machines:", &["find", "--tag", "finance"]),
    (
        "Restrict the ten machines of a list to code that Microsoft signed: one machine first, then three, then the rest.",
        &[
            "restrict",
            "--csv",
            "HOSTS:name",
            "--comment",
            "INC-4711: malicious macro",
            "--wave",
            "1,3,rest",
            "--halt-after",
            "2",
            "--yes",
        ],
    ),
    ("Which machines are restricted now?", &["state"]),
    (
        "The machines are cleaned. Lift the restriction:",
        &[
            "unrestrict",
            "--csv",
            "HOSTS:name",
            "--comment",
            "INC-4711: cleaned and validated",
            "--wave",
            "1,rest",
            "--yes",
        ],
    ),
    ("And now?", &["state"]),
];

const END: &str = "
That was the tour. Without --yes, a command asks for the number of machines before it sends anything.
Each command with --demo begins anew: the demonstration keeps no run for `report` or `revert`. Go on with:
  defender --demo isolate --tag hr --comment 'INC-4712' --dry-run
  defender --help";

/// Runs the tour, up to the first command that does not succeed.
pub(super) async fn run(session: &Session, output: Output) -> Result<Exit, Failure> {
    let hosts = profile::demo_file("hosts.csv", demo::HOSTS)?;
    let hosts = hosts.display().to_string();
    for (heading, step) in STEPS {
        let step: Vec<_> = step.iter().map(|word| word.replace("HOSTS", &hosts)).collect();
        talk::heading(&format!("\n{heading}"));
        talk::say(&format!("$ defender --demo {}", shown(&step)));
        let words = ["defender", "--demo"].into_iter().map(str::to_owned).chain(step);
        let cli = Cli::try_parse_from(words).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let Some(command) = cli.command else { continue };
        let exit = Box::pin(dispatch(command, session, output)).await?;
        if exit != Exit::Success {
            return Ok(exit);
        }
    }
    talk::say(END);
    talk::say(demo::NOTICE);
    Ok(Exit::Success)
}

/// Returns the words as a person types them.
fn shown(words: &[String]) -> String {
    let quoted = |word: &String| if word.contains(' ') { format!("'{word}'") } else { word.clone() };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

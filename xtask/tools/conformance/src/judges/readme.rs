//! The first lines that the emulator's README gives to each language, run as they stand there.

use std::{path::Path, process::Command};

use xtask::{Failure, emulator::Program};

use super::court::{Court, Form, heard, only_trusting, told};
use crate::walkthrough::block;

const README: &str = "crates/defender-emulator/README.md";

/// Runs them, and says how many did not print what the README says.
pub(super) fn run(court: &Court, root: &Path, form: Form) -> Result<usize, Failure> {
    let readme = std::fs::read_to_string(root.join(README)).map_err(|error| Failure::broken(README, error))?;
    let lines = |language: &str| {
        let missing = || Failure::Check(format!("{README}: there are no lines of {language} with their text"));
        let behind = readme.split_once(&format!("\n```{language}\n")).map(|(_, behind)| behind).ok_or_else(missing)?;
        let script = block(&readme, language).ok_or_else(missing)?;
        Ok::<_, Failure>((script, block(behind, "text").ok_or_else(missing)?))
    };
    let folder = court.folder.join("readme");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::broken(folder.display(), error))?;
    let mut failed = 0;

    let (script, expected) = lines("python")?;
    if script.lines().count() > 20 {
        return Err(Failure::Check(format!("{README}: the lines of Python are more than 20")));
    }
    let mut path = court.executable.parent().unwrap_or(Path::new(".")).as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut python = Command::new(&court.python);
    python.args(["-c", script]).current_dir(&folder).env("PATH", path);
    only_trusting(&mut python, Path::new("ca.pem"));
    failed += judged("README, Python", &mut python, expected, court)?;

    if form == Form::Whole {
        let (script, expected) = lines("js")?;
        let program = Program::start(&court.executable, "readme", [""; 0])?;
        let mut node = Command::new("node");
        node.args(["--input-type=module", "--eval", script]).current_dir(&folder);
        only_trusting(&mut node, program.ca_file());
        node.env("EMULATOR", program.text("/base_url")?);
        failed += judged("README, Node", &mut node, expected, court)?;
    }
    Ok(failed)
}

fn judged(name: &str, command: &mut Command, expected: &str, court: &Court) -> Result<usize, Failure> {
    let (said, well) = heard(command, &court.folder)?;
    let kept = well && said == expected;
    let said = if kept { "ok prints what the README says" } else { said.as_str() };
    Ok(usize::from(!told(name, "any place", said, kept)))
}

//! Clients that others wrote, run against the emulator's program: Microsoft's sign-in libraries, and what other products send.
//!
//! They are installed from their registries, in the versions of `xtask/tools/conformance/judges`, into the target folder.

mod install;
mod readme;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use xtask::{
    Failure,
    emulator::{self, Program},
    workspace::{Workspace, within},
};

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Those in Python, once.
    Short,
    /// All, with the clock at five places within the second.
    Whole,
}

/// No judge takes longer: each waits for a device's code for five seconds, and for a place in the second for one a check.
const LONGEST: Duration = Duration::from_secs(120);

/// What every judge needs.
struct Court {
    /// The scripts, as they stand in the repository.
    scripts: PathBuf,
    /// Where the libraries and the keys are.
    folder: PathBuf,
    executable: PathBuf,
    python: PathBuf,
}

/// Runs the judges, prints a row for each check, and fails where one did not pass.
pub(crate) fn run(form: Form) -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    let executable = emulator::build(&root)?;
    let folder = executable.ancestors().nth(2).unwrap_or(Path::new(".")).join("judges");
    std::fs::create_dir_all(folder.join("keys")).map_err(|error| Failure::broken(folder.display(), error))?;
    let scripts = root.join("xtask/tools/conformance/judges");
    let python = install::python(&scripts, &folder)?;
    let court = Court { scripts, folder, executable, python };
    let (mut judges, places) = match form {
        Form::Short => (Vec::new(), vec!["0.5"]),
        Form::Whole => (vec!["msal_node.mjs", "azure_identity_node.mjs"], vec!["0.0", "0.2", "0.4", "0.6", "0.8"]),
    };
    if form == Form::Whole {
        install::node(&court.scripts, &court.folder)?;
    }
    judges.splice(0..0, ["wire.py", "mde_client.py", "msal_python.py", "azure_identity_python.py"]);
    let mut failed = readme::run(&court, &root, form)?;
    for place in places {
        for judge in &judges {
            failed += usize::from(!court.hear(judge, place)?);
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Check(format!("{failed} judges were not content"))) }
}

impl Court {
    /// Runs one judge against an emulator of its own, and says whether it was content.
    fn hear(&self, judge: &str, place: &str) -> Result<bool, Failure> {
        let program = Program::start(&self.executable, judge, [""; 0])?;
        let started = self.folder.join("started.json");
        std::fs::write(&started, program.line().to_string())
            .map_err(|error| Failure::broken(started.display(), error))?;
        let command = |interpreter: &Path, script: PathBuf| {
            let mut command = Command::new(interpreter);
            command.arg(script).env("JUDGE_STARTED", &started).env("JUDGE_KEYS", self.folder.join("keys"));
            command.env("JUDGE_PLACE", place);
            only_trusting(&mut command, program.ca_file());
            command
        };
        let mut command = if Path::new(judge).extension().is_some_and(|extension| extension == "mjs") {
            let mut prepare = command(&self.python, self.scripts.join("prepare.py"));
            let token = prepare.output().map_err(|error| Failure::broken("prepare.py", error))?;
            if !token.status.success() {
                return Ok(told("prepare.py", place, &String::from_utf8_lossy(&token.stderr), false));
            }
            let mut command = command(Path::new("node"), self.folder.join("node").join(judge));
            command.env("JUDGE_FEDERATED", String::from_utf8_lossy(&token.stdout).trim());
            command
        } else {
            command(&self.python, self.scripts.join(judge))
        };
        let (said, well) = heard(&mut command, &self.folder)?;
        Ok(told(judge, place, &said, well))
    }
}

/// Prints a row for each check that passed, and what was said if one did not.
fn told(judge: &str, place: &str, said: &str, well: bool) -> bool {
    for check in said.lines().filter_map(|line| line.strip_prefix("ok ")) {
        println!("kept    | {judge} at {place} | {check}");
    }
    if !well {
        println!("BROKEN  | {judge} at {place} | {said}");
    }
    well
}

/// Lets a command trust this CA and no other, and use no proxy, whatever the environment says.
fn only_trusting(command: &mut Command, ca_file: &Path) {
    for name in
        ["CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]
    {
        command.env_remove(name);
    }
    command.env("REQUESTS_CA_BUNDLE", ca_file).env("NODE_EXTRA_CA_CERTS", ca_file);
    command.env("NO_PROXY", "127.0.0.1,localhost").env("PYTHONDONTWRITEBYTECODE", "1");
}

/// What a command printed, and whether it ended well in its time.
fn heard(command: &mut Command, folder: &Path) -> Result<(String, bool), Failure> {
    let (status, said) = within(command, &folder.join("said.txt"), LONGEST)?;
    Ok((said, status.is_some_and(|status| status.success())))
}

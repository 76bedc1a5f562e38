//! A judge, run against an emulator of its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use xtask::{Failure, emulator::Program, workspace::within};

/// Extent of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Those in Python, once.
    Short,
    /// All, with the clock at five places within the second.
    Whole,
}

/// No judge takes longer: each waits for a device's code for five seconds, and for a place in the second for one a check.
const LONGEST: Duration = Duration::from_secs(120);

/// Environment of all judges.
pub(super) struct Court {
    /// The scripts, as they stand in the repository.
    pub(super) scripts: PathBuf,
    /// Folder of the libraries and the keys.
    pub(super) folder: PathBuf,
    pub(super) executable: PathBuf,
    pub(super) python: PathBuf,
}

impl Court {
    /// Runs one judge against an emulator of its own, and says whether it was content.
    pub(super) fn hear(&self, judge: &str, place: &str) -> Result<bool, Failure> {
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
pub(super) fn told(judge: &str, place: &str, said: &str, well: bool) -> bool {
    for check in said.lines().filter_map(|line| line.strip_prefix("ok ")) {
        println!("kept    | {judge} at {place} | {check}");
    }
    if !well {
        println!("BROKEN  | {judge} at {place} | {said}");
    }
    well
}

/// Lets a command trust this CA and no other, and use no proxy, whatever the environment says.
pub(super) fn only_trusting(command: &mut Command, ca_file: &Path) {
    for name in
        ["CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]
    {
        command.env_remove(name);
    }
    command.env("REQUESTS_CA_BUNDLE", ca_file).env("NODE_EXTRA_CA_CERTS", ca_file);
    command.env("NO_PROXY", "127.0.0.1,localhost").env("PYTHONDONTWRITEBYTECODE", "1");
}

/// Runs a command, and returns its output and whether it succeeded in time.
pub(super) fn heard(command: &mut Command, folder: &Path) -> Result<(String, bool), Failure> {
    let (status, said) = within(command, &folder.join("said.txt"), LONGEST)?;
    Ok((said, status.is_some_and(|status| status.success())))
}

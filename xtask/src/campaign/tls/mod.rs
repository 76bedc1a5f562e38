//! The campaign over real TLS: emulator and client in two processes, and the client is killed.
//!
//! For each seed a supervisor, which is this process, starts the emulator's program and a worker, which runs the real client over the
//! real wire and writes down what it is about to do, and what became of it. The worker is killed with SIGKILL: at random moments, and
//! where it stands still for that, an answer in its hands that is not written down. Another takes up what the journal tells. At the
//! end the emulator's ledger, its log and its records are asked for, and the judge compares.
//!
//! Both go by clocks of one speed, some hundred times that of the machine, since two processes cannot share a clock that is turned by
//! hand. So it is not the same each time: what was found is kept in `target/campaign/tls-SEED`, and a replay may take several.

mod gather;
mod journal;
mod order;
mod plan;
mod process;
mod service;
mod supervisor;
mod task;
mod teller;
mod wire;
mod worker;

use std::path::{Path, PathBuf};

pub(super) use worker::run as work;

use super::{
    figures::{Count, Figures},
    sweep::{Campaign, Ran},
};
use crate::{Failure, conformance, workspace::Workspace};

/// The worker's journal in the folder of a seed, the emulator's log, and what the workers said on stderr.
const JOURNAL: &str = "journal.jsonl";
const LOG: &str = "emulator.jsonl";
const WORDS: &str = "worker.txt";

/// The campaign over TLS.
#[derive(Debug)]
pub(super) struct Tls {
    emulator: PathBuf,
    root: PathBuf,
}

impl Tls {
    /// Builds the emulator's program.
    pub(super) fn new() -> Result<Self, Failure> {
        let root = Workspace::read()?.root;
        Ok(Self { emulator: conformance::program::build(&root)?, root })
    }

    fn folder(&self, seed: u64) -> PathBuf {
        self.root.join(format!("target/campaign/tls-{seed}"))
    }
}

impl Campaign for Tls {
    fn name(&self) -> &'static str {
        "b"
    }

    fn flags(&self) -> &'static str {
        " --tls"
    }

    fn steps(&self) -> u32 {
        plan::STEPS
    }

    fn workers(&self) -> usize {
        // Most of a seed's time it waits.
        2
    }

    fn repeats(&self) -> bool {
        false
    }

    fn run(&self, seed: u64, steps: u32) -> Ran {
        let folder = self.folder(seed);
        let ran = anew(&folder).and_then(|()| supervisor::run(&self.emulator, &folder, seed, steps));
        let mut ran = ran.unwrap_or_else(|failure| broken(&failure));
        if ran.findings.is_empty() {
            // Nothing is left of what went well, and where it cannot be removed that is no finding.
            let _gone = std::fs::remove_dir_all(&folder);
        } else {
            ran.findings
                .iter_mut()
                .for_each(|finding| finding.words.push_str(&evidence(&ran.story, finding.tag.as_deref())));
            eprintln!("campaign b: all of seed {seed} is in {}", folder.display());
        }
        ran
    }

    fn untaken(&self, _sum: &Figures) -> Vec<String> {
        Vec::new()
    }
}

/// An empty folder.
fn anew(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|error| Failure::broken(folder.display(), error))?;
    }
    std::fs::create_dir_all(folder).map_err(|error| Failure::broken(folder.display(), error))
}

fn broken(failure: &Failure) -> Ran {
    Ran::broken(Count::Hang, format!("it could not be run: {failure:?}"))
}

/// The journal's lines of a tag.
fn evidence(story: &[String], tag: Option<&str>) -> String {
    let Some(tag) = tag else { return String::new() };
    // `"s1"` is its tag, and `"s1.2"` the name of one of its POSTs.
    let forms = [format!("\"{tag}\""), format!("\"{tag}.")];
    let lines = story.iter().filter(|line| forms.iter().any(|form| line.contains(form.as_str())));
    lines.fold(String::new(), |all, line| all + "\n  journal: " + line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_told_with_the_lines_of_its_submission_and_of_no_other() {
        let story = ["{\"tag\":\"s1\"}", "{\"id\":\"s1.2\"}", "{\"tag\":\"s12\"}", "{\"id\":\"s12.1\"}"];
        let told = evidence(&story.map(str::to_owned), Some("s1"));
        assert_eq!(told, "\n  journal: {\"tag\":\"s1\"}\n  journal: {\"id\":\"s1.2\"}");
        assert_eq!(evidence(&story.map(str::to_owned), None), "");
    }

    #[test]
    fn what_could_not_be_run_is_no_success() {
        let ran = broken(&Failure::Check("no emulator".to_owned()));
        assert!(!ran.figures.against.is_clean() && ran.findings[0].words.contains("no emulator"));
    }
}

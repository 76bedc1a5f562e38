//! The campaign over real TLS: emulator and client in two processes, and the client is killed.
//!
//! For each seed a supervisor, which is this process, starts the emulator's program and a worker, which runs the real client over the
//! real transport and writes down what it is about to do, and the outcome. The worker is killed with SIGKILL: at random moments, and
//! where it stands still for that, a response in its hands that is not written down. Another takes up what the journal tells. At the
//! end the emulator's ledger, its log and its records are asked for, and the judge compares.
//!
//! Both go by clocks of one speed, some hundred times that of the machine, since two processes cannot share a clock that is turned by
//! hand. So it is not the same each time: the files of a seed that failed are kept in `target/campaign/tls-SEED-failed-N`, and a
//! replay may take several.

mod clocks;
mod gather;
mod journal;
mod notes;
mod plan;
mod process;
mod service;
mod stage;
mod supervisor;
mod wire;
mod worker;

use std::path::{Path, PathBuf};

pub(super) use self::process::WORKER;
pub(super) use self::worker::run as work;
use xtask::{Failure, workspace::Workspace};

use super::{
    figures::Count,
    plan::STEPS,
    sweep::{Campaign, Ran},
};

/// The campaign over TLS. Builds the emulator's program.
pub(super) fn campaign() -> Result<Campaign, Failure> {
    let root = Workspace::read()?.root;
    let emulator = xtask::emulator::build(&root)?;
    let run =
        Box::new(move |seed, steps| run(&emulator, &root.join(format!("target/campaign/tls-{seed}")), seed, steps));
    // Two workers, since most of a seed's time it waits.
    Ok(Campaign { name: "b", flags: " --tls", steps: STEPS, workers: 2, repeats: false, fills_hours: false, run })
}

fn run(emulator: &Path, folder: &Path, seed: u64, steps: u32) -> Ran {
    let ran = anew(folder).and_then(|()| supervisor::run(emulator, folder, seed, steps));
    let mut ran = ran.unwrap_or_else(|failure| broken(&failure));
    if ran.findings.is_empty() {
        // Nothing is left of what went well, and where it cannot be removed that is no finding.
        let _gone = std::fs::remove_dir_all(folder);
        return ran;
    }
    for finding in &mut ran.findings {
        finding.words.push_str(&evidence(&ran.story, finding.tag.as_deref()));
    }
    let kept = kept(folder, &ran).display().to_string();
    ran.findings.iter_mut().for_each(|finding| finding.words.extend(["\n  all files: ", &kept]));
    eprintln!("campaign b: seed {seed} fails; its journal and logs are kept in {kept}");
    ran
}

/// Moves the files of a seed that failed to where no later run touches them, with what was found and what the emulator received.
/// The seed need not fail again, so that nothing else is left.
fn kept(folder: &Path, ran: &Ran) -> PathBuf {
    let findings = ran.findings.iter().map(|finding| format!("{:?}: {}", finding.count, finding.words));
    let ledger = ran.ledger.iter().map(|entry| serde_json::to_string(entry).unwrap_or_default());
    let told = findings.chain(ledger).collect::<Vec<_>>().join("\n");
    let _written = std::fs::write(folder.join("findings.txt"), told);
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let free = (1..10_000)
        .map(|number: u32| folder.with_file_name(format!("{name}-failed-{number}")))
        .find(|path| !path.exists());
    match free {
        Some(free) if std::fs::rename(folder, &free).is_ok() => free,
        // Better where the next run may remove them than nowhere.
        _ => folder.to_owned(),
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
    use super::{journal::JOURNAL, *};

    #[test]
    fn finding_has_lines_of_its_submission() {
        let story = ["{\"tag\":\"s1\"}", "{\"id\":\"s1.2\"}", "{\"tag\":\"s12\"}", "{\"id\":\"s12.1\"}"];
        let told = evidence(&story.map(str::to_owned), Some("s1"));
        assert_eq!(told, "\n  journal: {\"tag\":\"s1\"}\n  journal: {\"id\":\"s1.2\"}");
        assert_eq!(evidence(&story.map(str::to_owned), None), "");
    }

    #[test]
    fn files_of_failing_seed_are_kept() {
        let folder = std::env::temp_dir().join(format!("campaign-kept-{}", std::process::id()));
        let ran = broken(&Failure::Check("it hung".to_owned()));
        let keep = || {
            anew(&folder).unwrap();
            std::fs::write(folder.join(JOURNAL), "a line").unwrap();
            kept(&folder, &ran)
        };
        let (first, second) = (keep(), keep());
        assert_ne!(first, second);
        for kept in [first, second] {
            assert_eq!(std::fs::read_to_string(kept.join(JOURNAL)).unwrap(), "a line");
            assert!(std::fs::read_to_string(kept.join("findings.txt")).unwrap().contains("it hung"));
            std::fs::remove_dir_all(kept).unwrap();
        }
        assert!(!folder.exists());
    }

    #[test]
    fn failed_start_is_no_success() {
        let ran = broken(&Failure::Check("no emulator".to_owned()));
        assert!(!ran.figures.against.is_clean() && ran.findings[0].words.contains("no emulator"));
    }
}

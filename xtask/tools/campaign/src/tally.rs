//! Seeds that were run already, with their sums, for each commit of the code, in a file.

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};
use xtask::Failure;

use super::figures::Figures;

/// The sums of the commit that is being run, and those of others, which stay as they are. The default has no file.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    path: Option<PathBuf>,
    commit: String,
    commits: BTreeMap<String, Sums>,
}

/// Seeds of one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sums {
    /// The seeds, as ranges without their ends.
    done: Vec<(u64, u64)>,
    sum: Figures,
    /// The seeds that failed, with the reasons.
    failed: BTreeMap<u64, Vec<String>>,
}

impl Tally {
    /// Reads the file, if there is one. What was run of code that no commit tells apart is forgotten.
    pub(crate) fn open(path: &Path, commit: &str) -> Result<Self, Failure> {
        let mut commits: BTreeMap<String, Sums> = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| Failure::broken(path.display(), error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(Failure::broken(path.display(), error)),
        };
        if commit.ends_with(CHANGED) {
            commits.remove(commit);
        }
        Ok(Self { path: Some(path.to_owned()), commit: commit.to_owned(), commits })
    }

    /// Those of `seeds` that have not been run.
    pub(crate) fn left(&self, seeds: Range<u64>) -> Vec<u64> {
        let done = self.commits.get(&self.commit).map(|sums| sums.done.as_slice()).unwrap_or_default();
        seeds.filter(|seed| !done.iter().any(|(from, to)| (*from..*to).contains(seed))).collect()
    }

    /// Adds a seed. It is kept once it is [saved](Self::save).
    pub(crate) fn note(&mut self, seed: u64, figures: &Figures, failed: Vec<String>) {
        let sums = self.commits.entry(self.commit.clone()).or_default();
        sums.sum += figures;
        if !failed.is_empty() {
            sums.failed.insert(seed, failed);
        }
        sums.done.push((seed, seed.saturating_add(1)));
        sums.done.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (from, to) in sums.done.drain(..) {
            match merged.last_mut() {
                Some((_, end)) if *end >= from => *end = to.max(*end),
                _ => merged.push((from, to)),
            }
        }
        sums.done = merged;
    }

    /// The sums of this commit.
    pub(crate) fn sum(&self) -> Figures {
        self.commits.get(&self.commit).map(|sums| sums.sum.clone()).unwrap_or_default()
    }

    /// The seeds of this commit that failed.
    pub(crate) fn failed(&self) -> Vec<u64> {
        self.commits.get(&self.commit).map(|sums| sums.failed.keys().copied().collect()).unwrap_or_default()
    }

    /// Writes the file as a whole: a process that is killed meanwhile leaves the old one.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let Some(path) = &self.path else { return Ok(()) };
        let broken = |error: io::Error| Failure::broken(path.display(), error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(broken)?;
        }
        let text = serde_json::to_vec_pretty(&self.commits).map_err(|error| Failure::broken(path.display(), error))?;
        let new = path.with_extension("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, path)).map_err(broken)
    }
}

/// Behind the commit of code that has been changed since.
const CHANGED: &str = "-changed";

/// The commit of the code in `root`. Of changed code, and where there is no git, nothing tells two versions apart.
pub(crate) fn commit(root: &Path) -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(root).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "HEAD"]), git(&["status", "--porcelain", "--untracked-files=all"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => commit,
        (commit, _) => format!("{}{CHANGED}", commit.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Figures {
        Figures { seeds: 1, actions: 200, ..Figures::default() }
    }

    /// A folder of the test's own, which goes when it ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("campaign-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _gone = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn seeds_are_not_run_again() {
        let folder = Folder::new("again");
        let path = folder.0.join("deep/a.json");
        let mut tally = Tally::open(&path, "abc").unwrap();
        for seed in [3, 1, 2, 7] {
            tally.note(seed, &one(), if seed == 7 { vec!["why".to_owned()] } else { Vec::new() });
        }
        tally.save().unwrap();
        let again = Tally::open(&path, "abc").unwrap();
        assert_eq!(again.left(0..10), [0, 4, 5, 6, 8, 9]);
        assert_eq!((again.sum().seeds, again.sum().actions, again.failed()), (4, 800, vec![7]));
        assert_eq!(again.commits["abc"].done, [(1, 4), (7, 8)]);
    }

    #[test]
    fn other_commit_begins_anew() {
        let folder = Folder::new("other");
        let path = folder.0.join("a.json");
        let mut tally = Tally::open(&path, "abc").unwrap();
        tally.note(1, &one(), Vec::new());
        tally.save().unwrap();
        let mut other = Tally::open(&path, "def").unwrap();
        assert_eq!(other.left(0..3), [0, 1, 2]);
        other.note(2, &one(), Vec::new());
        other.save().unwrap();
        assert_eq!(Tally::open(&path, "abc").unwrap().left(0..3), [0, 2]);
    }

    #[test]
    fn changed_code_was_never_run() {
        let folder = Folder::new("changed");
        let path = folder.0.join("a.json");
        let mut tally = Tally::open(&path, "abc-changed").unwrap();
        tally.note(1, &one(), Vec::new());
        tally.save().unwrap();
        assert_eq!(Tally::open(&path, "abc-changed").unwrap().left(0..3), [0, 1, 2]);
    }

    #[test]
    fn invalid_file_is_an_error_and_stays() {
        let folder = Folder::new("none");
        fs::create_dir_all(&folder.0).unwrap();
        let path = folder.0.join("a.json");
        fs::write(&path, "[]").unwrap();
        assert!(matches!(Tally::open(&path, "abc"), Err(Failure::Check(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "[]");
    }
}

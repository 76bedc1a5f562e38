//! Tests and campaigns that must notice that a promise is broken.

use std::{fmt, path::Path, process::ExitStatus};

use xtask::{Failure, workspace};

use super::copy::Copy;

/// A test or a campaign, and the words that show that it failed for the right reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Judge {
    pub(super) kind: Kind,
    pub(super) shows: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One test of a target of cargo's: `["-p", "defender-actions", …]` and the test's path.
    Test { target: Vec<String>, test: String },
    /// A campaign over these seeds: `0..200`.
    Campaign { seeds: String },
    /// One check of `cargo xtask postgres`.
    Postgres { check: String },
}

/// Exit status of a judge's program, and its output on stdout and stderr.
#[derive(Debug)]
pub(super) struct Ended {
    /// `None` where its time was over.
    pub(super) status: Option<ExitStatus>,
    pub(super) said: String,
}

/// Verdict of a judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It failed, for the right reason; a campaign after so many seeds.
    Caught { seeds: Option<u64> },
    /// It passed.
    Missed,
    /// It failed in another way.
    Otherwise(&'static str),
}

impl Kind {
    pub(super) fn test(line: &str) -> Result<Self, String> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        match words.as_slice() {
            [cargo, test, target @ .., name] if cargo == "cargo" && test == "test" && target.len() >= 3 => {
                Ok(Self::Test { target: target.to_vec(), test: name.clone() })
            }
            _ => Err(format!("`{line}` is not like `cargo test -p PACKAGE --test TARGET NAME`")),
        }
    }

    pub(super) fn campaign(line: &str) -> Result<Self, String> {
        let seeds = line.strip_prefix("--seeds ").filter(|seeds| range(seeds).is_some());
        seeds
            .map(|seeds| Self::Campaign { seeds: seeds.to_owned() })
            .ok_or_else(|| format!("`{line}` is not like `--seeds 0..200`"))
    }

    pub(super) fn postgres(line: &str) -> Result<Self, String> {
        let is_name = !line.is_empty() && line.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        is_name.then(|| Self::Postgres { check: line.to_owned() }).ok_or_else(|| format!("`{line}` is no check"))
    }
}

fn range(seeds: &str) -> Option<(u64, u64)> {
    let (from, to) = seeds.split_once("..")?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

impl Judge {
    /// As one would type it.
    pub(super) fn line(&self) -> String {
        match &self.kind {
            Kind::Test { target, test } => format!("cargo test {} {test}", target.join(" ")),
            Kind::Campaign { seeds } => format!("cargo xtask campaign --seeds {seeds}"),
            Kind::Postgres { check } => format!("cargo xtask postgres {check}"),
        }
    }

    /// Returns `true` if the file to which the path of the test leads has the test. Nothing is built.
    pub(super) fn is_there(&self, root: &Path) -> bool {
        let (target, test) = match &self.kind {
            Kind::Test { target, test } => (target, test),
            Kind::Campaign { .. } => return true,
            Kind::Postgres { check } => return has_check(root, check),
        };
        let after = |flag: &str| target.iter().skip_while(|word| *word != flag).nth(1);
        let package = after("-p").map(|package| root.join("crates").join(package));
        package.is_some_and(|package| workspace::has_test(&package, after("--test").map(String::as_str), test))
    }

    /// Looks whether it notices what is broken in the copy.
    pub(super) fn judge(&self, copy: &Copy, name: &str) -> Result<Judged, Failure> {
        let Some(program) = self.kind.build(copy)? else { return Ok(Judged::Otherwise("it does not compile")) };
        let file = match &self.kind {
            Kind::Test { test, .. } => format!("{name}.{}.txt", test.replace("::", ".")),
            Kind::Campaign { .. } => format!("{name}.campaign.txt"),
            Kind::Postgres { check } => format!("{name}.{check}.txt"),
        };
        let mut judged = Judged::Missed;
        // A campaign is run in stretches, since most of what is broken shows in the first few seeds.
        for stretch in self.kind.stretches() {
            judged = self.verdict(&program.run(copy, &file, &stretch)?);
            if matches!(judged, Judged::Caught { .. }) {
                break;
            }
        }
        Ok(judged)
    }

    fn verdict(&self, ended: &Ended) -> Judged {
        let Some(status) = ended.status else { return Judged::Otherwise("it took too long") };
        if status.success() {
            return Judged::Missed;
        }
        let (is_its_own, seeds) = match &self.kind {
            Kind::Test { test, .. } => (says(&ended.said, test, "FAILED"), None),
            // By its exit code it has found something, which no panic and no misuse has.
            Kind::Campaign { seeds } => (status.code() == Some(1), failed_after(&ended.said, seeds)),
            Kind::Postgres { check } => {
                (status.code() == Some(1) && ended.said.contains(&format!("\n{check}: ")), None)
            }
        };
        match (is_its_own, ended.said.contains(&self.shows)) {
            (true, true) => Judged::Caught { seeds },
            (true, false) => Judged::Otherwise("it does not show what it should"),
            (false, _) => Judged::Otherwise("it did not come to its verdict"),
        }
    }
}

impl Kind {
    /// Arguments of the program, run by run: the names of tests, or ranges of seeds.
    fn stretches(&self) -> Vec<Vec<String>> {
        let seeds = match self {
            Self::Campaign { seeds } => seeds,
            Self::Test { test, .. } => return vec![vec![test.clone()]],
            Self::Postgres { check } => return vec![vec![check.clone()]],
        };
        let (first, end) = range(seeds).unwrap_or_default();
        let mut at = first;
        let bounds = [10, 40, u64::MAX].map(|many| first.saturating_add(many).min(end));
        let stretches = bounds.into_iter().map(|bound| (std::mem::replace(&mut at, bound), bound));
        stretches.filter(|(from, to)| from < to).map(|(from, to)| vec![format!("{from}..{to}")]).collect()
    }

    /// The test that it is.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::Test { test, .. } => Some(test.as_str()),
            Self::Campaign { .. } | Self::Postgres { .. } => None,
        }
        .into_iter()
    }
}

/// Returns true if `cargo xtask postgres` has this check.
fn has_check(root: &Path, check: &str) -> bool {
    let function = format!("async fn {check}(");
    let mut folders = vec![root.join("xtask/tools/postgres/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(path).is_ok_and(|text| text.contains(&function)) {
                return true;
            }
        }
    }
    false
}

/// Returns true if the test harness printed this verdict on `test`.
pub(super) fn says(said: &str, test: &str, verdict: &str) -> bool {
    said.lines().any(|line| {
        let rest = line.strip_prefix("test ").and_then(|line| line.strip_prefix(test));
        rest.is_some_and(|rest| rest.starts_with(" ... ") && rest.trim_end().ends_with(verdict))
    })
}

/// After how many of `seeds` a campaign failed, by the commands with which it says to replay what failed.
fn failed_after(said: &str, seeds: &str) -> Option<u64> {
    let (first, _) = range(seeds)?;
    let mut words = said.split(|c: char| c.is_whitespace() || c == '`');
    let failed = std::iter::from_fn(|| words.by_ref().find(|word| *word == "--seeds").and_then(|_| words.next()))
        .filter_map(range)
        .filter(|(from, to)| to.checked_sub(*from) == Some(1));
    Some(failed.map(|(from, _)| from).min()?.saturating_sub(first).saturating_add(1))
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught { seeds: None } => f.write_str("caught"),
            Self::Caught { seeds: Some(1) } => f.write_str("caught by the first seed"),
            Self::Caught { seeds: Some(seeds) } => write!(f, "caught after {seeds} seeds"),
            Self::Missed => f.write_str("NOT CAUGHT"),
            Self::Otherwise(why) => write!(f, "NOT CAUGHT: {why}"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::process::Command;

    use super::*;

    pub(in super::super) fn ended(code: u8, said: &str) -> Ended {
        let status = Command::new("sh").arg("-c").arg(format!("exit {code}")).status().unwrap();
        Ended { status: Some(status), said: said.to_owned() }
    }

    pub(in super::super) fn test() -> Judge {
        let kind = Kind::test("cargo test -p a --all-features --test b c::d").unwrap();
        Judge { kind, shows: "sent twice".to_owned() }
    }

    #[test]
    fn test_must_fail_for_right_reason() {
        let failed = "test c::d ... FAILED\nthread 'c::d' panicked: sent twice\n";
        assert_eq!(test().verdict(&ended(101, failed)), Judged::Caught { seeds: None });
        assert_eq!(test().verdict(&ended(0, "test c::d ... ok\n")), Judged::Missed);
        let otherwise = |said: &str| matches!(test().verdict(&ended(101, said)), Judged::Otherwise(_));
        assert!(otherwise("test c::d ... FAILED\nthread 'c::d' panicked: no such file\n"));
        assert!(otherwise("test c::dd ... FAILED\nsent twice\n"));
        assert!(otherwise("error: could not compile `a`: sent twice\n"));
        let never = Ended { status: None, said: failed.to_owned() };
        assert!(matches!(test().verdict(&never), Judged::Otherwise(_)));
    }

    #[test]
    fn campaign_must_find_and_count_seeds() {
        let judge = Judge { kind: Kind::campaign("--seeds 10..200").unwrap(), shows: "sent twice".to_owned() };
        let said =
            "campaign: --seeds 10..200\nseed 17: sent twice\nreplay: `cargo xtask campaign --seeds 17..18 --steps 4`";
        assert_eq!(judge.verdict(&ended(1, said)), Judged::Caught { seeds: Some(8) });
        assert_eq!(judge.verdict(&ended(0, said)), Judged::Missed);
        assert!(matches!(judge.verdict(&ended(101, said)), Judged::Otherwise(_)));
        assert!(matches!(judge.verdict(&ended(1, "seed 17: wrong Ok")), Judged::Otherwise(_)));
    }

    #[test]
    fn campaign_stops_once_it_notices() {
        let stretches = |seeds: &str| Kind::campaign(&format!("--seeds {seeds}")).unwrap().stretches().concat();
        assert_eq!(stretches("0..200"), ["0..10", "10..40", "40..200"]);
        assert_eq!(stretches("5..20"), ["5..15", "15..20"]);
        assert_eq!(test().kind.stretches(), [["c::d"]]);
    }

    #[test]
    fn missing_test_is_found_without_building() {
        let root = workspace::Workspace::read().unwrap().root;
        let judge = |name: &str| Judge {
            kind: Kind::test(&format!("cargo test -p defender-model --lib {name}")).unwrap(),
            ..test()
        };
        assert!(judge("action::status::tests::time_out_is_one_of_four_ends").is_there(&root));
        assert!(!judge("action::status::tests::time_out_is_one_of_four").is_there(&root));
        // The path of a module that was moved: the function is elsewhere.
        assert!(!judge("action_status::tests::time_out_is_one_of_four_ends").is_there(&root));
        assert!(!judge("status::tests::time_out_is_one_of_four_ends").is_there(&root));
    }
}

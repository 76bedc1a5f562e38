//! Judges that are built together.

use std::collections::{BTreeMap, BTreeSet};

use xtask::Failure;

use super::{
    copy::Copy,
    judge::{Ended, Judge, Kind, says},
};

/// Judges that are built together: the tests of one target, or a campaign.
pub(super) struct Group<'j> {
    kind: &'j Kind,
    judges: Vec<&'j Judge>,
}

/// Each of `judges` in one of these, so that what is unbroken is built and run once.
pub(super) fn groups<'j>(judges: &BTreeSet<&'j Judge>) -> Vec<Group<'j>> {
    let mut groups: BTreeMap<(&[String], &str), Group<'_>> = BTreeMap::new();
    for judge in judges {
        let key = match &judge.kind {
            Kind::Test { target, .. } => (target.as_slice(), ""),
            Kind::Campaign { seeds } => (&[][..], seeds.as_str()),
            Kind::Postgres { check } => (&[][..], check.as_str()),
        };
        groups.entry(key).or_insert_with(|| Group { kind: &judge.kind, judges: Vec::new() }).judges.push(judge);
    }
    groups.into_values().collect()
}

impl<'j> Group<'j> {
    fn names(&self) -> Vec<&'j str> {
        let mut names: Vec<_> = self.judges.iter().flat_map(|judge| judge.kind.names()).collect();
        names.dedup();
        names
    }

    pub(super) fn line(&self) -> String {
        match self.kind {
            Kind::Test { target, .. } => format!("cargo test {} -- {}", target.join(" "), self.names().join(" ")),
            Kind::Campaign { seeds } => format!("cargo xtask campaign --seeds {seeds}"),
            Kind::Postgres { check } => format!("cargo xtask postgres {check}"),
        }
    }

    /// Sees that each of them passes on what is not broken, and shows nothing then of what it must show otherwise.
    pub(super) fn passes(&self, copy: &Copy) -> Result<(), Failure> {
        let unbroken = |why: &str| Failure::Check(format!("with nothing broken, `{}` {why}", self.line()));
        let Some(program) = self.kind.build(copy)? else { return Err(unbroken("does not compile")) };
        let which = match self.kind {
            Kind::Test { .. } => self.names().into_iter().map(str::to_owned).collect(),
            Kind::Campaign { seeds } => vec![seeds.clone()],
            Kind::Postgres { check } => vec![check.clone()],
        };
        let ended = program.run(copy, "unbroken.txt", &which)?;
        self.is_well(&ended).map_err(|why| unbroken(&format!("{why}:\n{}", ended.said)))
    }

    fn is_well(&self, ended: &Ended) -> Result<(), String> {
        if !ended.status.is_some_and(|status| status.success()) {
            return Err("fails".to_owned());
        }
        if let Some(test) = self.names().into_iter().find(|test| !says(&ended.said, test, "ok")) {
            return Err(format!("does not pass `{test}`"));
        }
        match self.judges.iter().find(|judge| ended.said.contains(&judge.shows)) {
            Some(judge) => Err(format!("shows `{}` too, which so tells nothing", judge.shows)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::judge::tests::{ended, test},
        *,
    };

    #[test]
    fn unbroken_target_runs_once() {
        let other = Judge { kind: Kind::test("cargo test -p a --all-features --test b e").unwrap(), ..test() };
        let again = Judge { shows: "other words".to_owned(), ..test() };
        let lib = Judge { kind: Kind::test("cargo test -p a --all-features --lib e").unwrap(), ..test() };
        let (first, campaign) = (test(), Judge { kind: Kind::campaign("--seeds 0..9").unwrap(), shows: String::new() });
        let lines: Vec<_> =
            groups(&[&first, &other, &again, &lib, &campaign].into_iter().collect()).iter().map(Group::line).collect();
        assert_eq!(
            lines,
            [
                "cargo xtask campaign --seeds 0..9",
                "cargo test -p a --all-features --lib -- e",
                "cargo test -p a --all-features --test b -- c::d e",
            ]
        );
    }

    #[test]
    fn unbroken_run_must_pass_without_findings() {
        let judge = test();
        let group = groups(&std::iter::once(&judge).collect()).pop().unwrap();
        assert_eq!(group.is_well(&ended(0, "test c::d ... ok\n")), Ok(()));
        assert!(group.is_well(&ended(0, "test e ... ok\n")).unwrap_err().contains("`c::d`"));
        assert!(group.is_well(&ended(0, "test c::d ... ok\nsent twice\n")).unwrap_err().contains("tells nothing"));
        assert_eq!(group.is_well(&ended(101, "test c::d ... ok\n")), Err("fails".to_owned()));
    }
}

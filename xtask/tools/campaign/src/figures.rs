//! What is counted of a run, and against it.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{Add, AddAssign},
};

use serde::{Deserialize, Serialize};

/// What is counted of one seed, or of many: figures are added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    /// How many tenants there were.
    pub(crate) seeds: u64,
    /// How many actions were asked for through the client.
    pub(crate) actions: u64,
    /// How many POSTs of actions and of their cancelling the service received.
    pub(crate) posts: u64,
    /// How many of those made an action or cancelled one.
    pub(crate) effects: u64,
    /// How many calls arrived, by operation.
    pub(crate) calls: BTreeMap<String, u64>,
    /// In how many tenants some window of an hour was full.
    #[serde(default)]
    pub(crate) full_hours: u64,
    /// Submissions that were sent a second time after a response was lost, as was asked for.
    #[serde(default)]
    pub(crate) resent: u64,
    /// Claims and waits on what the client could not tell from its own, which the docs say is not promised.
    #[serde(default)]
    pub(crate) unpromised: u64,
    pub(crate) ways: Ways,
    pub(crate) against: Against,
}

/// How often each of the hard ways was taken. A campaign that never takes one says nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ways {
    pub(crate) created: u64,
    pub(crate) joined: u64,
    pub(crate) recovered: u64,
    /// Of those, by another client or process than the one that had asked, with nothing but what that had written down.
    #[serde(default)]
    pub(crate) found_by_another: u64,
    /// Told that the outcome is unknown.
    pub(crate) unknown: u64,
    /// Futures that were dropped.
    pub(crate) dropped: u64,
    /// Clients that began again with what was written down, or processes that were killed.
    pub(crate) restarts: u64,
}

/// What must stay at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Against {
    /// A POST was received after another of its submission whose outcome the client could not know.
    pub(crate) sent_twice: u64,
    /// `Ok`, and it did not happen.
    pub(crate) wrong_ok: u64,
    /// It happened, and the caller was told neither that nor that it may have.
    pub(crate) lost_silently: u64,
    /// An action was taken for another's, or something was said that is not so.
    pub(crate) false_claim: u64,
    /// More calls arrived in a window than it may hold.
    pub(crate) quota_passed: u64,
    /// A secret stood in an event, an error, a value or a log.
    pub(crate) secrets: u64,
    pub(crate) panics: u64,
    /// Something waited for what would never come.
    pub(crate) hangs: u64,
}

/// One of the counts that must stay at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Count {
    SentTwice,
    WrongOk,
    LostSilently,
    FalseClaim,
    QuotaPassed,
    Secret,
    Panic,
    Hang,
}

impl Against {
    /// Each by its words.
    pub(crate) fn rows(&self) -> [(&'static str, u64); 8] {
        [
            ("sent twice", self.sent_twice),
            ("wrong Ok", self.wrong_ok),
            ("lost silently", self.lost_silently),
            ("false claim", self.false_claim),
            ("quota passed", self.quota_passed),
            ("secrets", self.secrets),
            ("panics", self.panics),
            ("hangs", self.hangs),
        ]
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.rows().iter().all(|(_, count)| *count == 0)
    }

    pub(crate) fn note(&mut self, count: Count) {
        let counted = match count {
            Count::SentTwice => &mut self.sent_twice,
            Count::WrongOk => &mut self.wrong_ok,
            Count::LostSilently => &mut self.lost_silently,
            Count::FalseClaim => &mut self.false_claim,
            Count::QuotaPassed => &mut self.quota_passed,
            Count::Secret => &mut self.secrets,
            Count::Panic => &mut self.panics,
            Count::Hang => &mut self.hangs,
        };
        *counted = counted.saturating_add(1);
    }
}

impl Ways {
    pub(crate) fn rows(&self) -> [(&'static str, u64); 7] {
        [
            ("created", self.created),
            ("joined", self.joined),
            ("recovered", self.recovered),
            ("recovered by another", self.found_by_another),
            ("outcome unknown", self.unknown),
            ("dropped", self.dropped),
            ("restarts", self.restarts),
        ]
    }

    /// Which were never taken.
    pub(crate) fn untaken(&self) -> Vec<&'static str> {
        self.rows().into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

impl AddAssign<&Self> for Figures {
    fn add_assign(&mut self, other: &Self) {
        let Self { seeds, actions, posts, effects, calls, full_hours, resent, unpromised, ways, against } = self;
        let sum = |into: &mut u64, more: u64| *into = into.saturating_add(more);
        sum(seeds, other.seeds);
        sum(actions, other.actions);
        sum(posts, other.posts);
        sum(effects, other.effects);
        sum(full_hours, other.full_hours);
        sum(resent, other.resent);
        sum(unpromised, other.unpromised);
        for (operation, count) in &other.calls {
            sum(calls.entry(operation.clone()).or_default(), *count);
        }
        sum(&mut ways.created, other.ways.created);
        sum(&mut ways.joined, other.ways.joined);
        sum(&mut ways.recovered, other.ways.recovered);
        sum(&mut ways.found_by_another, other.ways.found_by_another);
        sum(&mut ways.unknown, other.ways.unknown);
        sum(&mut ways.dropped, other.ways.dropped);
        sum(&mut ways.restarts, other.ways.restarts);
        sum(&mut against.sent_twice, other.against.sent_twice);
        sum(&mut against.wrong_ok, other.against.wrong_ok);
        sum(&mut against.lost_silently, other.against.lost_silently);
        sum(&mut against.false_claim, other.against.false_claim);
        sum(&mut against.quota_passed, other.against.quota_passed);
        sum(&mut against.secrets, other.against.secrets);
        sum(&mut against.panics, other.against.panics);
        sum(&mut against.hangs, other.against.hangs);
    }
}

impl Add<&Self> for Figures {
    type Output = Self;

    fn add(mut self, other: &Self) -> Self {
        self += other;
        self
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in [
            ("seeds", self.seeds),
            ("actions", self.actions),
            ("POSTs received", self.posts),
            ("effects", self.effects),
            ("tenants with a full hour", self.full_hours),
            ("sent again when lost", self.resent),
            ("not promised", self.unpromised),
        ] {
            writeln!(f, "{name:<28} {count:>12}")?;
        }
        for (name, count) in self.ways.rows() {
            writeln!(f, "{name:<28} {count:>12}")?;
        }
        for (operation, count) in &self.calls {
            writeln!(f, "{:<28} {count:>12}", format!("calls: {operation}"))?;
        }
        for (name, count) in self.against.rows() {
            writeln!(f, "{:<28} {count:>12}", format!("against: {name}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ones() -> Figures {
        let json = serde_json::json!({
            "seeds": 1, "actions": 1, "posts": 1, "effects": 1, "calls": {"Isolate": 1}, "full_hours": 1,
            "resent": 1, "unpromised": 1,
            "ways": {"created": 1, "joined": 1, "recovered": 1, "found_by_another": 1, "unknown": 1, "dropped": 1, "restarts": 1},
            "against": {
                "sent_twice": 1, "wrong_ok": 1, "lost_silently": 1, "false_claim": 1, "quota_passed": 1, "secrets": 1,
                "panics": 1, "hangs": 1,
            },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn every_figure_is_added() {
        let twice = serde_json::to_string(&(ones() + &ones())).unwrap();
        assert_eq!(twice, serde_json::to_string(&ones()).unwrap().replace('1', "2"));
        assert_eq!(Figures::default() + &ones(), ones());
    }

    #[test]
    fn every_count_against_a_run_is_noted_and_spoils_it() {
        let all = [
            Count::SentTwice,
            Count::WrongOk,
            Count::LostSilently,
            Count::FalseClaim,
            Count::QuotaPassed,
            Count::Secret,
            Count::Panic,
            Count::Hang,
        ];
        for count in all {
            let mut against = Against::default();
            assert!(against.is_clean());
            against.note(count);
            assert!(!against.is_clean(), "{count:?}");
        }
        let mut against = Against::default();
        for count in all {
            against.note(count);
        }
        assert_eq!(against, ones().against);
    }

    #[test]
    fn a_way_that_was_never_taken_is_named() {
        assert!(ones().ways.untaken().is_empty());
        assert_eq!(Ways { recovered: 0, ..ones().ways }.untaken(), ["recovered"]);
    }

    #[test]
    fn every_figure_is_printed() {
        let printed = ones().to_string();
        assert_eq!(printed.lines().count(), 7 + 7 + 1 + 8);
        assert!(printed.lines().all(|line| line.ends_with(" 1")), "{printed}");
    }
}

//! Counts of a run, and counts against it.

use std::{collections::BTreeMap, fmt, ops::AddAssign};

use serde::{Deserialize, Serialize};

/// Counts of one seed, or of many: figures are added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    /// Number of tenants.
    pub(crate) seeds: u64,
    /// Actions that were requested through the client.
    pub(crate) actions: u64,
    /// POSTs of actions and of their cancellations that the service received.
    pub(crate) posts: u64,
    /// POSTs of those that made an action or canceled one.
    pub(crate) effects: u64,
    /// Calls that arrived, by operation.
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

/// Declares a struct of counts, with the words for each and their sum.
macro_rules! counts {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $words:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$of])* pub(crate) $field: u64,)*
        }

        impl $name {
            /// Each count, by its words.
            pub(crate) fn rows(&self) -> Vec<(&'static str, u64)> {
                vec![$(($words, self.$field)),*]
            }
        }

        impl AddAssign<&Self> for $name {
            fn add_assign(&mut self, other: &Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }
        }
    };
}

counts! {
    /// Counts of the hard ways. A campaign that never takes one proves nothing about it.
    Ways {
        created: "created",
        joined: "joined",
        recovered: "recovered",
        /// Of those, by another client or process than the one that had asked, with nothing but what that had written down.
        found_by_another: "recovered by another",
        /// Told that the outcome is unknown.
        unknown: "outcome unknown",
        /// Futures that were dropped.
        dropped: "dropped",
        /// Clients that began again with what was written down, or processes that were killed.
        restarts: "restarts",
    }
}

counts! {
    /// Counts that must stay at zero.
    Against {
        /// A POST was received after another of its submission whose outcome the client could not know.
        sent_twice: "sent twice",
        /// `Ok`, and it did not happen.
        wrong_ok: "wrong Ok",
        /// It happened, and the caller was told neither that nor that it may have.
        lost_silently: "lost silently",
        /// An action was taken for another's, or something was said that is not so.
        false_claim: "false claim",
        /// More calls arrived in a window than it may hold.
        quota_passed: "quota passed",
        /// A secret stood in an event, an error, a value or a log.
        secrets: "secrets",
        panics: "panics",
        /// Something waited for what would never come.
        hangs: "hangs",
    }
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
    /// The ways that were never taken.
    pub(crate) fn untaken(&self) -> Vec<&'static str> {
        self.rows().into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

impl AddAssign<&Self> for Figures {
    fn add_assign(&mut self, other: &Self) {
        for (into, more) in [
            (&mut self.seeds, other.seeds),
            (&mut self.actions, other.actions),
            (&mut self.posts, other.posts),
            (&mut self.effects, other.effects),
            (&mut self.full_hours, other.full_hours),
            (&mut self.resent, other.resent),
            (&mut self.unpromised, other.unpromised),
        ] {
            *into = into.saturating_add(more);
        }
        for (operation, count) in &other.calls {
            let into = self.calls.entry(operation.clone()).or_default();
            *into = into.saturating_add(*count);
        }
        self.ways += &other.ways;
        self.against += &other.against;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            ("seeds", self.seeds),
            ("actions", self.actions),
            ("POSTs received", self.posts),
            ("effects", self.effects),
            ("tenants with a full hour", self.full_hours),
            ("sent again when lost", self.resent),
            ("not promised", self.unpromised),
        ];
        for (name, count) in counts.into_iter().chain(self.ways.rows()) {
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
        let mut twice = ones();
        twice += &ones();
        let written = |figures: &Figures| serde_json::to_string(figures).unwrap();
        assert_eq!(written(&twice), written(&ones()).replace('1', "2"));
    }

    #[test]
    fn every_count_spoils_a_run() {
        use Count::{FalseClaim, Hang, LostSilently, Panic, QuotaPassed, Secret, SentTwice, WrongOk};
        let mut all = Against::default();
        for count in [SentTwice, WrongOk, LostSilently, FalseClaim, QuotaPassed, Secret, Panic, Hang] {
            let mut against = Against::default();
            assert!(against.is_clean());
            against.note(count);
            assert!(!against.is_clean(), "{count:?}");
            all += &against;
        }
        assert_eq!(all, ones().against);
    }

    #[test]
    fn untaken_way_is_named() {
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

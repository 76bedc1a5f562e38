//! Draws of a seed for each of its steps. A step draws for itself, so that the first steps of a seed are the same
//! however many follow.

use std::time::Duration;

use super::{
    dice::Dice,
    tenant::{Tenant, Words},
};

/// Steps of a seed; each requests one action.
pub(crate) const STEPS: u32 = 200;

/// Processes of the application at a time.
pub(crate) const PROCESSES: usize = 2;

/// The actions that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Restrict,
    Unrestrict,
    Isolate,
    IsolateSelectively,
    Unisolate,
    ScanQuickly,
    ScanFully,
    Quarantine,
    Collect,
    Session,
    Offboard,
}

/// Fate of the future that sends the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Runs,
    Unpolled,
    /// It is dropped after so many polls, wherever it is then.
    DroppedAtPoll(u64),
    DroppedAfter(Duration),
}

/// Next use of the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Wait {
        at_most: Duration,
    },
    /// It is waited for with others, in one wait.
    WaitTogether,
    /// The wait is dropped, and begun again by id.
    WaitTwice {
        dropped_after: Duration,
    },
    Updates,
    CancelAfter(Duration),
    Link,
    Nothing,
}

/// Other events of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    Nothing,
    /// The process is killed so long after the step began, and a new one resumes from what was written down.
    Kill {
        after: Duration,
    },
    /// Another actor posts the same action, by hand.
    Rival {
        after: Duration,
        in_the_same_words: bool,
    },
    /// Another actor cancels what the step before this one asked for.
    Meddle {
        after: Duration,
    },
    List,
    Offline,
    Online,
    /// Everything that was left to be waited for together is.
    WaitForAll,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) number: u32,
    /// Time since the step before it.
    pub(crate) gap: Duration,
    pub(crate) process: usize,
    pub(crate) machine: usize,
    pub(crate) kind: Kind,
    /// Its comment; several steps have the same.
    pub(crate) comment: String,
    pub(crate) has_external_id: bool,
    pub(crate) resend_if_lost: bool,
    pub(crate) ordered: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) fate: Fate,
    /// Time from its loss, or from an unknown outcome, to the search by its intent, if there is one.
    pub(crate) recovers_after: Option<Duration>,
    pub(crate) then: Then,
    pub(crate) beside: Beside,
    /// For how long its intent is valid, if not for as long as its call may take.
    pub(crate) valid_for: Option<Duration>,
    /// Time from the writing of its intent to its sending.
    pub(crate) kept: Option<Duration>,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

impl Step {
    pub(crate) fn of(tenant: &Tenant, number: u32) -> Self {
        let mut dice = Dice::of(tenant.seed, u64::from(number) + 1);
        let step = Self {
            number,
            gap: dice.up_to(tenant.pause),
            process: dice.place(PROCESSES),
            machine: dice.place(tenant.machines),
            kind: kind(&mut dice),
            comment: if dice.percent(40) {
                Words::drawn(&mut dice).about(&format!("Case {number}"))
            } else {
                tenant.words.about(&format!("Wave {}", dice.below(2)))
            },
            has_external_id: dice.percent(30),
            resend_if_lost: dice.percent(10),
            ordered: dice.percent(5),
            timeout: dice.percent(15).then(|| SECOND + dice.up_to(MINUTE * 2)),
            fate: match dice.below(20) {
                0 => Fate::Unpolled,
                1 | 2 => Fate::DroppedAtPoll(1 + dice.below(12)),
                3 | 4 => Fate::DroppedAfter(dice.up_to(SECOND * 40)),
                _ => Fate::Runs,
            },
            recovers_after: dice.percent(70).then(|| {
                let most = dice.one([SECOND, MINUTE, MINUTE * 10, HOUR * 2]);
                dice.up_to(most)
            }),
            then: match dice.below(20) {
                0..=7 => Then::Wait { at_most: dice.one([MINUTE, MINUTE * 3, MINUTE * 10]) },
                8..=12 => Then::WaitTogether,
                13 => Then::WaitTwice { dropped_after: dice.up_to(MINUTE) },
                14 => Then::Updates,
                15 | 16 => Then::CancelAfter(dice.up_to(tenant.pending_for.min(MINUTE))),
                17 => Then::Link,
                _ => Then::Nothing,
            },
            beside: match dice.below(40) {
                0 | 1 => Beside::Kill { after: dice.up_to(SECOND * 20) },
                2..=4 => Beside::Rival { after: dice.up_to(SECOND * 6), in_the_same_words: dice.percent(60) },
                5 => Beside::Meddle { after: dice.up_to(SECOND * 6) },
                6 | 7 => Beside::List,
                8 => Beside::Offline,
                9 => Beside::Online,
                10..=14 => Beside::WaitForAll,
                _ => Beside::Nothing,
            },
            valid_for: dice.percent(8).then(|| dice.one([SECOND * 2, SECOND * 30, MINUTE * 10])),
            kept: dice.percent(5).then(|| dice.up_to(MINUTE)),
        };
        // What these bring home is all that there is to fetch, and its links have a quota of their own.
        let fetches = matches!(step.kind, Kind::Collect | Kind::Session) && dice.percent(40);
        let step = if fetches { Self { then: Then::Link, ..step } } else { step };
        let step = if number > 0 && dice.percent(30) { step.repeating(tenant, &mut dice) } else { step };
        if tenant.is_long { step.long() } else { step }
    }

    /// Mark of each of its POSTs.
    pub(crate) fn tag(&self) -> String {
        format!("s{}", self.number)
    }

    /// The same action as one of the last steps, while that may be under way: by the same process or the other.
    fn repeating(self, tenant: &Tenant, dice: &mut Dice) -> Self {
        let back = 1 + u32::try_from(dice.below(3)).unwrap_or(0);
        // As it was drawn before it was made to repeat another, which keeps this from going back to the first.
        let mut earlier = Dice::of(tenant.seed, u64::from(self.number.saturating_sub(back)) + 1);
        let _gap = earlier.up_to(tenant.pause);
        let process = earlier.place(PROCESSES);
        let machine = earlier.place(tenant.machines);
        let kind = kind(&mut earlier);
        let process = if dice.percent(50) { process } else { self.process };
        let comment = if dice.percent(60) { tenant.words.about("Wave 0") } else { self.comment };
        let gap = dice.up_to(self.gap);
        Self { gap, process, machine, kind, comment, ..self }
    }

    /// In a long tenant one client does all, and waits for each action until it has ended.
    fn long(self) -> Self {
        let then = Then::Wait { at_most: HOUR * 4 };
        let beside = if self.beside == Beside::List { Beside::List } else { Beside::Nothing };
        let kind = if self.kind == Kind::Session { Kind::Collect } else { self.kind };
        Self { process: 0, kind, fate: Fate::Runs, then, beside, ..self }
    }
}

fn kind(dice: &mut Dice) -> Kind {
    match dice.below(24) {
        0..=2 => Kind::Restrict,
        3..=6 => Kind::Unrestrict,
        7..=9 => Kind::Isolate,
        10 => Kind::IsolateSelectively,
        11..=13 => Kind::Unisolate,
        14 | 15 => Kind::ScanQuickly,
        16 => Kind::ScanFully,
        17 => Kind::Quarantine,
        18 | 19 => Kind::Collect,
        20..=22 => Kind::Session,
        _ => Kind::Offboard,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn steps(seed: u64) -> Vec<Step> {
        let tenant = Tenant::of(seed);
        (0..STEPS).map(|number| Step::of(&tenant, number)).collect()
    }

    #[test]
    fn a_step_is_the_same_each_time() {
        assert_eq!(steps(3), steps(3));
        assert_ne!(steps(3), steps(4));
    }

    #[test]
    fn ten_seeds_draw_every_variant() {
        let steps: Vec<_> = (0..10).flat_map(steps).collect();
        let kinds: BTreeSet<_> = steps.iter().map(|step| step.kind).collect();
        assert_eq!(kinds.len(), 11);
        let names = |name: fn(&Step) -> String| {
            let first = |text: String| text.split([' ', '(']).next().unwrap_or_default().to_owned();
            steps.iter().map(|step| first(name(step))).collect::<BTreeSet<_>>().len()
        };
        assert_eq!(names(|step| format!("{:?}", step.fate)), 4);
        assert_eq!(names(|step| format!("{:?}", step.then)), 7);
        assert_eq!(names(|step| format!("{:?}", step.beside)), 8);
        assert!(steps.iter().any(|step| step.valid_for < step.kept && step.valid_for.is_some()), "one that expires");
    }

    #[test]
    fn actions_meet() {
        let meets = |steps: &[Step]| {
            steps.windows(4).any(|few| {
                few.iter()
                    .take(3)
                    .any(|step| few.last().is_some_and(|last| (last.machine, last.kind) == (step.machine, step.kind)))
            })
        };
        assert!((0..10).all(|seed| meets(&steps(seed))));
    }
}

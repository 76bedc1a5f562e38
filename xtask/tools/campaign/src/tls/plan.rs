//! What a seed draws: how the service behaves, what is asked of it, and when the client is killed.
//!
//! Both processes draw it, and the same: it is all that they need to agree on.

use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::{
    evidence::{OWN_ID, Writing},
    tenant::Words,
};

/// How many machines a tenant has.
pub(super) const MACHINES: usize = 50;

/// How many actions a seed asks for.
pub(super) const STEPS: u32 = 200;

/// By how many times both clocks go faster than the machine's: at this speed the 30 s that a head may take are 200 ms, in which an
/// answer over TLS comes unless the machine is very busy. Where it does not, that is one fault more.
pub(super) const SPEED: u32 = 150;

/// A seed's own.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// How long each of the processes that are killed out of the blue may run, in the machine's time.
    pub(super) kills: Vec<Duration>,
}

/// One action, and what is done about it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) number: u32,
    pub(super) machine: usize,
    pub(super) verb: Verb,
    /// Which of the verb's particulars: an isolation that is full or selective, a scan that is quick or full.
    pub(super) particulars: bool,
    pub(super) comment: String,
    pub(super) external_id: Option<String>,
    pub(super) resend_if_lost: bool,
    pub(super) pause: Duration,
    /// After how long its future is dropped.
    pub(super) dropped: Option<Duration>,
    /// Where the process stands still until it is killed.
    pub(super) stand: Option<Stand>,
    pub(super) then: Then,
    /// Whether the actions of the machine are listed first.
    pub(super) lists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Restrict,
    Unrestrict,
    Isolate,
    Unisolate,
    Scan,
    Quarantine,
    Collect,
    Session,
    Offboard,
}

/// Where a process stands still until it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stand {
    /// The intent is written down, and nothing is sent.
    Written,
    /// The POST is on its way; it is killed a moment later, whatever has come by then.
    Departed,
    /// The POST is answered, and the answer is not written down.
    Answered,
}

/// What is done once the service has taken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Leave,
    Wait,
    Cancel,
    /// What it collected is fetched, too.
    Fetch,
}

const FORMS: [Words; 6] = [Words::Short, Words::Short, Words::Short, Words::Long, Words::Lines, Words::Signs];

/// Whether the client generates the external ids of actions that have none.
pub(super) fn generates_ids(seed: u64) -> bool {
    seed % 4 < 2
}

/// Whether a process that begins again looks for all that was written down at once.
pub(super) fn recovers_together(seed: u64) -> bool {
    seed.is_multiple_of(3)
}

impl Plan {
    /// The first `steps` of what `seed` draws.
    pub(super) fn of(seed: u64, steps: u32) -> Self {
        let mut dice = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xb);
        let kills = (0..dice.u32(2..5)).map(|_| Duration::from_millis(dice.u64(100..1_500))).collect();
        let mut drawn: Vec<Step> = Vec::new();
        for number in 0..steps {
            let step = Step::draw(number, &drawn, &mut dice);
            drawn.push(step);
        }
        Self { steps: drawn, kills }
    }
}

impl Step {
    fn draw(number: u32, before: &[Step], dice: &mut Rng) -> Self {
        let then = match dice.u32(0..10) {
            0 | 1 => Then::Leave,
            2 => Then::Cancel,
            3 | 4 => Then::Fetch,
            _ => Then::Wait,
        };
        let stand = match dice.u32(0..100) {
            0 => Some(Stand::Written),
            1 | 2 => Some(Stand::Departed),
            3 | 4 => Some(Stand::Answered),
            _ => None,
        };
        let seconds = |dice: &mut Rng, most: u64| Duration::from_millis(dice.u64(0..most.saturating_mul(1_000)));
        let words = dice.choice(&FORMS).copied().unwrap_or(Words::Short);
        let mut step = Self {
            number,
            machine: dice.usize(0..MACHINES),
            verb: Verb::draw(dice),
            particulars: dice.bool(),
            comment: words.about(&format!("Ticket {}", dice.u32(1_000..10_000))),
            external_id: dice.bool().then(|| format!("{OWN_ID}{number}")).filter(|_| dice.bool()),
            resend_if_lost: dice.u32(0..20) == 0,
            pause: seconds(dice, 5),
            dropped: (dice.u32(0..12) == 0).then(|| seconds(dice, 12)),
            stand,
            then,
            lists: dice.u32(0..4) == 0,
        };
        // As often as not in life, somebody asks for the same again: at once, a little later, or after a crash in between.
        let recent = before.len().min(6);
        if recent > 0 && dice.u32(0..3) == 0 {
            let like = before.len().saturating_sub(dice.usize(1..=recent));
            if let Some(like) = before.get(like) {
                (step.machine, step.verb) = (like.machine, like.verb);
                if dice.u32(0..3) > 0 {
                    (step.comment, step.particulars) = (like.comment.clone(), like.particulars);
                }
            }
        }
        step
    }

    /// What its POSTs are called.
    pub(super) fn tag(&self) -> String {
        format!("s{}", self.number)
    }

    /// What those of its cancelling are called.
    pub(super) fn cancel_tag(&self) -> String {
        format!("c{}", self.number)
    }
}

impl Verb {
    fn draw(dice: &mut Rng) -> Self {
        match dice.u32(0..50) {
            0 => Self::Offboard,
            1..=7 => Self::Restrict,
            8..=14 => Self::Unrestrict,
            15..=21 => Self::Isolate,
            22..=28 => Self::Unisolate,
            29..=35 => Self::Scan,
            36..=40 => Self::Quarantine,
            41..=46 => Self::Collect,
            _ => Self::Session,
        }
    }
}

/// How the service behaves under `seed`: what the emulator's program is told, and what the judge has to know of it.
pub(super) fn service(seed: u64) -> (Vec<String>, Writing) {
    let mut dice = Rng::with_seed(seed.wrapping_mul(0xd129_3d1b_8d2a_5a4f) ^ 0x5e);
    let one_of = |dice: &mut Rng, words: &[&str]| dice.choice(words).copied().unwrap_or_default().to_owned();
    let number = |dice: &mut Rng, from: u32, to: u32| dice.u32(from..to).to_string();
    let duplicates = match dice.u32(0..7) {
        0 => "refuse".to_owned(),
        1 => "join".to_owned(),
        2 => "accept".to_owned(),
        3 => "ended".to_owned(),
        _ => seed.to_string(),
    };
    let read_lag = dice.choice([0, 0, 3, 20, 60]).unwrap_or_default();
    let seeded = format!("seeded:{seed}");
    let (records, writing) = records(&mut dice, &seeded, read_lag);
    let told = [
        // Every other seed, so that ten of them have had five of each.
        ("--http", if seed.is_multiple_of(2) { "2" } else { "1.1" }.to_owned()),
        ("--clock-speed", SPEED.to_string()),
        ("--machines", MACHINES.to_string()),
        ("--duplicates", duplicates),
        ("--chaos", format!("{seed},{}", one_of(&mut dice, &["0.02", "0.05", "0.1", "0.15"]))),
        ("--pending-for", number(&mut dice, 1, 12)),
        ("--running-for", number(&mut dice, 2, 25)),
        ("--read-lag", read_lag.to_string()),
        ("--page-size", one_of(&mut dice, &["10000", "7"])),
        ("--token-lifetime", one_of(&mut dice, &["3599", "700"])),
        ("--retry-after", one_of(&mut dice, &["seconds", "date", "absent"])),
        ("--created-status", one_of(&mut dice, &["documented", "201", "200"])),
        ("--deflate", one_of(&mut dice, &["off", "zlib", "raw"])),
        ("--fractions", one_of(&mut dice, &["7", "seeded:5"])),
        ("--first-update", one_of(&mut dice, &["written", "null"])),
        ("--nulls", one_of(&mut dice, &["written", "omitted"])),
        ("--targets", one_of(&mut dice, &["guid", "opaque"])),
        ("--transcripts", one_of(&mut dice, &["plain", "gzip"])),
        ("--update-name", one_of(&mut dice, &["live", "documented"])),
    ];
    let told = told.into_iter().chain(records);
    (told.flat_map(|(option, value)| [option.to_owned(), value]).collect(), writing)
}

/// How the service writes its records and headers: as by default in half of the tenants, each choice by itself.
fn records(dice: &mut Rng, seeded: &str, read_lag: u64) -> ([(&'static str, String); 6], Writing) {
    let mut half = |usual: &'static str, others: &[&'static str]| -> String {
        let other = others.get(dice.usize(0..others.len().saturating_mul(2))).copied();
        let chosen = other.unwrap_or(usual);
        if chosen == "seeded" { seeded.to_owned() } else { chosen.to_owned() }
    };
    let requestor = half("display-name", &["app-id", "mail", "guest", "seeded"]);
    let particulars = half("after-pending", &["at-once", "after:40", "never", "seeded"]);
    let comments = half("blank", &["as-sent", "cut:16", "cut:80", "crlf", "entities", "null", "seeded"]);
    let external_ids = half("echoed", &["absent", "uuid", "word", "seeded"]);
    let rows = half(
        "readable",
        &[
            "readable",
            "readable",
            "readable",
            "null-machine",
            "null-type",
            "null-creation",
            "unknown-type",
            "unreadable",
            "seeded",
            "seeded",
            "seeded",
        ],
    );
    let date = half("clock", &["clock", "clock", "absent", "1970", "ahead:420", "behind:420", "seeded"]);
    let seconds = Duration::from_secs;
    let writing = Writing {
        read_lag: seconds(read_lag),
        clock_error: match date.as_str() {
            "clock" => Duration::ZERO,
            "ahead:420" | "behind:420" => seconds(420),
            _ => seconds(900),
        },
        states_at_once: particulars == "at-once",
        states_after: match particulars.as_str() {
            "after:40" => seconds(40),
            "at-once" | "after-pending" | "never" => Duration::ZERO,
            _ => seconds(120),
        },
        hides_rows: matches!(rows.as_str(), "null-creation" | "unknown-type" | "unreadable"),
    };
    let told = [
        ("--requestor", requestor),
        ("--particulars", particulars),
        ("--comments", comments),
        ("--external-ids", external_ids),
        ("--rows", rows),
        ("--date-header", date),
    ];
    (told, writing)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_shorter_run_asks_for_the_same_at_first() {
        let shown = |plan: &Plan, steps| format!("{:?}", &plan.steps[..steps]);
        let (whole, prefix) = (Plan::of(7, STEPS), Plan::of(7, 20));
        assert_eq!((whole.steps.len(), prefix.steps.len()), (200, 20));
        assert_eq!((shown(&whole, 20), &whole.kills), (shown(&prefix, 20), &prefix.kills));
        assert_ne!(shown(&whole, 20), shown(&Plan::of(8, 20), 20));
    }

    #[test]
    fn ten_seeds_come_to_every_kind_of_thing() {
        let steps: Vec<Step> = (0..10).flat_map(|seed| Plan::of(seed, STEPS).steps).collect();
        let seen = |what: &dyn Fn(&Step) -> String| steps.iter().map(what).collect::<BTreeSet<_>>().len();
        assert_eq!(seen(&|step| format!("{:?}", step.verb)), 9);
        assert_eq!(seen(&|step| format!("{:?}", step.stand)), 4);
        assert_eq!(seen(&|step| format!("{:?}", step.then)), 4);
        assert!(steps.iter().any(|step| step.resend_if_lost) && steps.iter().any(|step| step.dropped.is_some()));
        let twins = |step: &&Step| {
            let alike =
                |other: &Step| (other.machine, other.verb, &other.comment) == (step.machine, step.verb, &step.comment);
            steps.iter().any(|other| other.number < step.number && alike(other))
        };
        assert!(steps.iter().filter(twins).count() > 200);
        let services: BTreeSet<_> = (0..10).flat_map(|seed| service(seed).0).collect();
        for word in ["1.1", "2", "zlib", "documented", "7"] {
            assert!(services.contains(word), "{word}");
        }
        let services: BTreeSet<_> = (0..100).flat_map(|seed| service(seed).0).collect();
        for word in [
            "ended",
            "app-id",
            "mail",
            "guest",
            "at-once",
            "after:40",
            "never",
            "cut:16",
            "cut:80",
            "crlf",
            "entities",
            "null",
            "absent",
            "uuid",
            "word",
            "null-machine",
            "null-type",
            "null-creation",
            "unknown-type",
            "unreadable",
            "1970",
            "ahead:420",
            "behind:420",
            "seeded:7",
        ] {
            assert!(services.contains(word) || word == "seeded:7", "{word}");
        }
    }
}

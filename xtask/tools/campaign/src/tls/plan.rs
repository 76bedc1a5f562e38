//! Draws of a seed: behavior of the service, and times at which the client is killed. The steps are drawn as for the
//! campaign in process. Both processes draw the same, and need to agree on nothing else.

use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use xtask::Failure;

use crate::{
    dice::Dice,
    evidence::Writing,
    tenant::{MACHINES, Tenant},
};

/// By how many times both clocks go faster than the machine's: at this speed the 30 s that a head may take are 200 ms, in which an
/// response over TLS comes unless the machine is very busy. Where it does not, that is one fault more.
pub(super) const SPEED: u32 = 150;

/// Places at which a process stands still until it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stand {
    /// The intent is written down, and nothing is sent.
    Written,
    /// The POST is on its way; it is killed a moment later, whatever has come by then.
    Departed,
    /// The POST has a response, which is not written down.
    Answered,
}

/// The tenant for which the steps of a seed are drawn: none of them waits for long, since the clocks do not jump.
pub(super) fn tenant(seed: u64) -> Tenant {
    let mut tenant = Tenant::of(seed);
    tenant.is_long = false;
    tenant.machines = usize::try_from(MACHINES).unwrap_or(50);
    tenant.pause = Duration::from_secs(5);
    tenant
}

/// Lifetimes of the processes that are killed at random, in the machine's time.
pub(super) fn kills(seed: u64) -> Vec<Duration> {
    let mut dice = Dice::of(seed, u64::MAX - 2);
    (0..2 + dice.below(3)).map(|_| Duration::from_millis(100 + dice.below(1_400))).collect()
}

/// Place at which the process stands still in the submission with this tag, if any.
pub(super) fn stand(seed: u64, tag: &str) -> Option<Stand> {
    let number: u64 = tag.strip_prefix('s')?.parse().ok()?;
    match Dice::of(seed, number | 1 << 32).below(100) {
        0 => Some(Stand::Written),
        1 | 2 => Some(Stand::Departed),
        3 | 4 => Some(Stand::Answered),
        _ => None,
    }
}

/// Behavior of the service under `seed`: the options of the emulator's program.
pub(super) fn service(seed: u64) -> Vec<(&'static str, String)> {
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
    let records = records(&mut dice, &seeded);
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
    told.into_iter().chain(records).collect()
}

/// The same, for the judge.
pub(super) fn writing(seed: u64) -> Result<Writing, Failure> {
    let told = service(seed);
    let word = |option: &str| told.iter().find(|(name, _)| *name == option).map_or("", |(_, word)| word.as_str());
    let broken = |error: &dyn std::fmt::Display| Failure::broken("the service of the seed", error);
    let read_lag = Duration::from_secs(word("--read-lag").parse().map_err(|error| broken(&error))?);
    let particulars = word("--particulars").parse().map_err(|error| broken(&error))?;
    let rows = word("--rows").parse().map_err(|error| broken(&error))?;
    Ok(Writing::of(read_lag, particulars, rows, word("--date-header").parse().map_err(|error| broken(&error))?, 0))
}

/// Format of the service's records and headers: the default in half of the tenants, each choice by itself.
fn records(dice: &mut Rng, seeded: &str) -> [(&'static str, String); 6] {
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
    [
        ("--requestor", requestor),
        ("--particulars", particulars),
        ("--comments", comments),
        ("--external-ids", external_ids),
        ("--rows", rows),
        ("--date-header", date),
    ]
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, ops::Range};

    use super::*;
    use crate::plan::STEPS;

    #[test]
    fn ten_seeds_draw_every_stand() {
        let stands = |seed| (0..STEPS).filter_map(move |number| stand(seed, &format!("s{number}")));
        for wanted in [Stand::Written, Stand::Departed, Stand::Answered] {
            assert!((0..10).flat_map(stands).any(|stand| stand == wanted), "{wanted:?}");
        }
        assert_eq!(stand(0, "k7"), None, "a cancelling is not a submission");
        assert!((0..10).all(|seed| kills(seed).len() >= 2 && writing(seed).is_ok()));
        let words = |seeds: Range<u64>| seeds.flat_map(service).map(|(_, word)| word).collect::<BTreeSet<_>>();
        let services = words(0..10);
        for word in ["1.1", "2", "zlib", "documented", "7"] {
            assert!(services.contains(word), "{word}");
        }
        let services = words(0..100);
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
        ] {
            assert!(services.contains(word), "{word}");
        }
    }
}

//! Large random worlds, by seed.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::{
    check::check,
    judge::Finding,
    rules::Principal,
    service::{
        Comment, CommentForm, DateHeader, Duplicate, Echo, ExternalId, Kind, Machine, Missing, NEVER, Name, Request,
        SECOND, Scope, Service, TypeName,
    },
    shrink::smallest,
    world::{Ids, Network, Other, Submission, World},
};

/// Number of worlds of one run. Raise it by hand for a long run with `--release`.
const WORLDS: u64 = 20_000;

fn any<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

fn service(rng: &mut Rng) -> Service {
    let [right, late] = [DateHeader::Ahead(0), DateHeader::Ahead(60)];
    let dates = [right, DateHeader::None, DateHeader::Of1970, DateHeader::Ahead(-600), DateHeader::Ahead(600), late];
    let requestors = [Name::Display, Name::Display, Name::OwnGuid, Name::OtherGuid, Name::OwnMail, Name::OtherMail];
    let missing =
        [Missing::Creation, Missing::MachineAndType, Missing::KnownType, Missing::Decoding, Missing::Everything];
    let comments = [
        CommentForm::Exact,
        CommentForm::Blank,
        CommentForm::Blank,
        CommentForm::Entity,
        CommentForm::Null,
        CommentForm::CrLf,
        CommentForm::Cut,
        CommentForm::CutTooShort,
    ];
    let duplicates = [Duplicate::Create, Duplicate::Join, Duplicate::Refuse, Duplicate::Stale, Duplicate::Foreign];
    Service {
        date: any(rng, &dates),
        comment: any(rng, &comments),
        requestor: any(rng, &requestors),
        fill: any(rng, &[0, 20, 60, NEVER / SECOND]) * SECOND,
        echo: any(rng, &[Echo::Yes, Echo::Yes, Echo::No, Echo::Filled, Echo::Uuid]),
        lag: any(rng, &[0, 5, 30, 90, 120]) * SECOND,
        missing: if rng.bool() { Missing::Nothing } else { any(rng, &missing) },
        duplicate: any(rng, &duplicates),
    }
}

fn comment(rng: &mut Rng) -> Comment {
    any(rng, &[Comment::Short, Comment::Short, Comment::Long, Comment::Long, Comment::Other])
}

fn submission(rng: &mut Rng) -> Submission {
    let first = [Network::Received, Network::LostBefore, Network::LostAfter, Network::LostAfter, Network::Late];
    let second = [Network::Received, Network::LostBefore, Network::LostAfter];
    Submission {
        at: any(rng, &[0, 0, 1, 3, 8, 40, 100]) * SECOND,
        scope: any(rng, &[Scope::Full, Scope::Selective]),
        comment: comment(rng),
        ids: any(rng, &[Ids::None, Ids::Given, Ids::Generated]),
        resends: rng.u8(..10) < 7,
        network: [any(rng, &first), any(rng, &second)],
        lost_after: any(rng, &[1, 30]) * SECOND,
        delay: any(rng, &[20, 60, 140, 200, 400]) * SECOND,
        crashes: rng.u8(..100) < 15,
    }
}

fn other(rng: &mut Rng) -> Other {
    let is_alike = rng.u8(..10) < 8;
    let request = Request {
        machine: if is_alike || rng.bool() { Machine::Ours } else { Machine::Other },
        type_name: if is_alike || rng.bool() { TypeName::Ours } else { TypeName::Other },
        scope: any(rng, &[Scope::Full, Scope::Selective]),
        comment: comment(rng),
        external_id: any(rng, &[None, None, Some(ExternalId::Generated(9)), Some(ExternalId::Given)]),
    };
    let at = any(rng, &[-90_000, -3_000, -1_500, -905, -899, -500, -60, -8, -3, 0, 2, 30, 100, 130, 200]);
    Other { at: at * SECOND, request, lasts: any(rng, &[5, 200, 4_000]) * SECOND }
}

pub(super) fn world(seed: u64) -> World {
    let rng = &mut Rng::with_seed(seed);
    let many = |rng: &mut Rng, counts: &[usize]| any(rng, counts);
    let submissions = many(rng, &[1, 1, 2, 2, 3]);
    let others = many(rng, &[0, 0, 1, 1, 2, 3]);
    World {
        kind: any(rng, &[Kind::Scoped, Kind::Scoped, Kind::Scoped, Kind::Plain, Kind::NoRule]),
        service: service(rng),
        clock_ahead: any(rng, &[0, 600, -600, 1_200, -2_400, 3_600]) * SECOND,
        principal: any(rng, &[Principal::GuidAndMail, Principal::Guid, Principal::Unknown]),
        submissions: (0..submissions).map(|_| submission(rng)).collect(),
        others: (0..others).map(|_| other(rng)).collect(),
        reads: if rng.u8(..10) < 3 { vec![-any(rng, &[1, 4, 50]) * SECOND] } else { Vec::new() },
    }
}

/// Runs every fourth seed from `first`, and reports the smallest world of each fault.
fn check_quarter(first: u64) -> BTreeMap<Finding, usize> {
    let mut counts = BTreeMap::new();
    for seed in (first..WORLDS).step_by(4) {
        let world = world(seed);
        for finding in check(&world).1 {
            *counts.entry(finding).or_default() += 1;
            let small = || smallest(&world, |world| check(world).1.contains(&finding));
            assert!(!finding.is_fault(), "seed {seed}: {finding:?} in {:#?}", small());
        }
    }
    counts
}

#[test]
fn random_worlds_of_first_quarter() {
    let counts = check_quarter(0);
    assert!(counts.contains_key(&Finding::DocumentedLate), "{counts:?}");
}

#[test]
fn random_worlds_of_second_quarter() {
    check_quarter(1);
}

#[test]
fn random_worlds_of_third_quarter() {
    check_quarter(2);
}

#[test]
fn random_worlds_of_fourth_quarter() {
    check_quarter(3);
}

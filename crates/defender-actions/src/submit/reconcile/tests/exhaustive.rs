//! Every small world: one submission whose response is lost after its effect, or whose process ends.

use super::{
    check::check,
    course::Outcome,
    rules::Principal,
    service::{CommentForm, DateHeader, Echo, Missing, NEVER, Name, SECOND, Service},
    world::{Ids, Submission, World},
};

const SMALL_WORLDS: usize = 233_280;
const CLOCKS: [i64; 5] = [0, 600, -600, 1_200, 3_600];
const COMMENTS: [CommentForm; 3] = [CommentForm::Blank, CommentForm::Entity, CommentForm::Null];
const REQUESTORS: [Name; 3] = [Name::Display, Name::OtherGuid, Name::OwnGuid];
const FILLS: [i64; 2] = [0, NEVER];
const ECHOES: [Echo; 4] = [Echo::Yes, Echo::No, Echo::Filled, Echo::Uuid];
const LAGS: [i64; 3] = [0, 30 * SECOND, 120 * SECOND];
const MISSING: [Missing; 6] = [
    Missing::Nothing,
    Missing::Creation,
    Missing::MachineAndType,
    Missing::KnownType,
    Missing::Decoding,
    Missing::Everything,
];
const IDS: [Ids; 3] = [Ids::None, Ids::Given, Ids::Generated];

/// Runs the small worlds of one `Date`. Returns the number of recovered submissions.
fn check_small_worlds(date: DateHeader) -> usize {
    let (mut count, mut recovered) = (0, 0);
    let mut check_one = |service: Service, clock: i64, ids: Ids, crashes: bool| {
        let world = World {
            service,
            clock_ahead: clock * SECOND,
            principal: Principal::GuidAndMail,
            submissions: vec![Submission { ids, crashes, ..Submission::default() }],
            ..World::default()
        };
        let (history, findings) = check(&world);
        assert!(findings.is_empty(), "{findings:?} in {world:#?}");
        count += 1;
        recovered += usize::from(matches!(history.courses[0].deed.outcome, Some(Outcome::Recovered(_))));
    };
    for (comment, requestor) in pairs(&COMMENTS, &REQUESTORS) {
        for ((fill, echo), (lag, missing)) in pairs(&pairs(&FILLS, &ECHOES), &pairs(&LAGS, &MISSING)) {
            let service = Service { date, comment, requestor, fill, echo, lag, missing, ..Service::default() };
            for (clock, (ids, crashes)) in pairs(&CLOCKS, &pairs(&IDS, &[false, true])) {
                check_one(service, clock, ids, crashes);
            }
        }
    }
    assert_eq!(count, SMALL_WORLDS / 6);
    recovered
}

fn pairs<A: Copy, B: Copy>(left: &[A], right: &[B]) -> Vec<(A, B)> {
    left.iter().flat_map(|a| right.iter().map(|b| (*a, *b))).collect()
}

#[test]
fn small_worlds_with_right_date() {
    assert!(check_small_worlds(DateHeader::Ahead(0)) > 0);
}

#[test]
fn small_worlds_without_date() {
    assert!(check_small_worlds(DateHeader::None) > 0);
}

#[test]
fn small_worlds_with_date_of_1970() {
    assert!(check_small_worlds(DateHeader::Of1970) > 0);
}

#[test]
fn small_worlds_with_late_date() {
    check_small_worlds(DateHeader::Ahead(-600));
}

#[test]
fn small_worlds_with_early_date() {
    check_small_worlds(DateHeader::Ahead(600));
}

#[test]
fn small_worlds_one_minute_ahead() {
    check_small_worlds(DateHeader::Ahead(60));
}

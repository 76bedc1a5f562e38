//! Named worlds, and the outcome of each submission.

use super::{
    check::check,
    course::{Course, Outcome},
    real::differs_from_model,
    service::{
        Comment, CommentForm, DateHeader, Duplicate, Echo, ExternalId, Kind, Missing, NEVER, Name, Request, SECOND,
        Scope, Service,
    },
    world::{Ids, Network, Other, Submission, World},
};

const NEVER_ARRIVED: [Network; 2] = [Network::LostBefore, Network::Received];
const RECEIVED: [Network; 2] = [Network::Received, Network::Received];

fn usual() -> World {
    World { service: Service { lag: 30 * SECOND, fill: NEVER, ..Service::default() }, ..World::default() }
}

fn with(change: impl FnOnce(&mut World)) -> World {
    let mut world = usual();
    change(&mut world);
    world
}

fn submissions(submissions: &[Submission]) -> World {
    with(|world| world.submissions = submissions.to_vec())
}

fn own(change: impl FnOnce(&mut Submission)) -> Submission {
    let mut submission = Submission::default();
    change(&mut submission);
    submission
}

fn date(date: DateHeader, clock_ahead: i64) -> World {
    with(|world| (world.service.date, world.clock_ahead) = (date, clock_ahead * SECOND))
}

/// Action of the portal with another comment.
fn portal(at: i64) -> Other {
    Other { at: at * SECOND, ..Other::default() }
}

fn ended_portal(at: i64) -> Other {
    Other { lasts: 60 * SECOND, ..portal(at) }
}

fn after_portal(other: Other) -> World {
    with(|world| world.others = vec![other])
}

fn never_arrived_after(other: Other) -> World {
    let mut world = after_portal(other);
    world.submissions[0].network = NEVER_ARRIVED;
    world
}

/// Outcome as one word, with a star for a second request.
fn text(course: &Course) -> String {
    let outcome = match course.deed.outcome {
        Some(Outcome::Created(_)) => "Created",
        Some(Outcome::Joined(_)) => "Joined",
        Some(Outcome::Recovered(_)) => "Recovered",
        Some(Outcome::OtherRecord(_)) => "OtherRecord",
        Some(Outcome::Conflict(_)) => "Conflict",
        Some(Outcome::AlreadyInProgress(_)) => "AlreadyInProgress",
        Some(Outcome::RefusedAgain) => "RefusedAgain",
        Some(Outcome::MayBeOurs) => "MayBeOurs",
        Some(Outcome::NothingFound) => "NothingFound",
        None => "none",
    };
    let again = if course.deed.second_sent.is_some() { "*" } else { "" };
    let wait = if course.deed.wait_is_ok { "" } else { ", wait ends in OtherRecord" };
    format!("{outcome}{again}{wait}")
}

fn verify(cases: &[(&str, World, &str)]) {
    for (name, world, expected) in cases {
        let (history, findings) = check(world);
        let outcomes: Vec<_> = history.courses.iter().map(text).collect();
        assert_eq!(outcomes.join(" / "), *expected, "{name}");
        assert!(!findings.iter().any(|finding| finding.is_fault()), "{name}: {findings:?}");
        assert!(!differs_from_model(world), "the client in the world: {name}");
    }
}

#[test]
fn lost_response_by_clock() {
    verify(&[
        ("display name, scope null, blank, Date", usual(), "Recovered"),
        ("lag of 120 s", with(|world| world.service.lag = 120 * SECOND), "Recovered"),
        (
            "loss at once, lag of 90 s",
            with(|world| {
                world.service.lag = 90 * SECOND;
                world.submissions[0].lost_after = SECOND;
            }),
            "Recovered",
        ),
        ("no Date, clock right", date(DateHeader::None, 0), "Recovered"),
        ("no Date, clock 10 min ahead", date(DateHeader::None, 600), "Recovered"),
        ("no Date, clock 20 min ahead", date(DateHeader::None, 1_200), "MayBeOurs"),
        ("no Date, clock 40 min behind", date(DateHeader::None, -2_400), "MayBeOurs"),
        ("no Date, clock 1 h ahead", date(DateHeader::None, 3_600), "MayBeOurs"),
        ("Date 1 min ahead of creation", date(DateHeader::Ahead(60), 0), "MayBeOurs"),
        ("Date 10 min behind creation", date(DateHeader::Ahead(-600), 0), "MayBeOurs"),
        ("Date 10 min ahead of creation", date(DateHeader::Ahead(600), 0), "MayBeOurs"),
        ("Date of 1970, clock right", date(DateHeader::Of1970, 0), "Recovered"),
        ("Date, clock 1 h ahead", date(DateHeader::Ahead(0), 3_600), "Recovered"),
    ]);
}

#[test]
fn lost_response_by_record_form() {
    let requestor = |requestor| with(|world| world.service.requestor = requestor);
    let comment = |form| with(|world| world.service.comment = form);
    let long = |form| {
        with(|world| {
            world.service.comment = form;
            world.submissions[0].comment = Comment::Long;
        })
    };
    let missing = |missing| with(|world| world.service.missing = missing);
    let ids = |ids, echo| {
        with(|world| {
            world.submissions[0].ids = ids;
            world.service.echo = echo;
        })
    };
    let session = |ids| {
        with(|world| {
            world.kind = Kind::NoRule;
            world.submissions[0].ids = ids;
        })
    };
    let mut late_date = ids(Ids::Generated, Echo::Yes);
    late_date.service.date = DateHeader::Ahead(1_200);
    verify(&[
        ("own GUID", requestor(Name::OwnGuid), "Recovered"),
        ("other GUID", requestor(Name::OtherGuid), "MayBeOurs"),
        ("own address", requestor(Name::OwnMail), "Recovered"),
        ("other address", requestor(Name::OtherMail), "MayBeOurs"),
        ("entity in the comment", comment(CommentForm::Entity), "MayBeOurs"),
        ("comment null", comment(CommentForm::Null), "MayBeOurs"),
        ("comment with CRLF", long(CommentForm::CrLf), "Recovered"),
        ("comment cut", long(CommentForm::Cut), "MayBeOurs"),
        ("comment cut too short", long(CommentForm::CutTooShort), "MayBeOurs"),
        ("machine and type null", missing(Missing::MachineAndType), "Recovered"),
        ("creation null", missing(Missing::Creation), "MayBeOurs"),
        ("unknown type", missing(Missing::KnownType), "MayBeOurs"),
        ("row unreadable", missing(Missing::Decoding), "MayBeOurs"),
        ("row unreadable in all", missing(Missing::Everything), "MayBeOurs"),
        ("external id filled in", ids(Ids::None, Echo::Filled), "MayBeOurs"),
        ("UUID filled in", ids(Ids::None, Echo::Uuid), "MayBeOurs"),
        ("given id echoed", ids(Ids::Given, Echo::Yes), "Recovered"),
        ("given id not echoed", ids(Ids::Given, Echo::No), "Recovered"),
        ("given id replaced", ids(Ids::Given, Echo::Filled), "MayBeOurs"),
        ("generated id echoed", ids(Ids::Generated, Echo::Yes), "Recovered"),
        ("generated id not echoed", ids(Ids::Generated, Echo::No), "Recovered"),
        ("generated id replaced by a UUID", ids(Ids::Generated, Echo::Uuid), "MayBeOurs"),
        ("generated id, Date 20 min ahead of creation", late_date, "Recovered"),
        ("live response", session(Ids::None), "MayBeOurs"),
        ("live response with a generated id", session(Ids::Generated), "Recovered"),
    ]);
}

#[test]
fn lost_response_beside_portal() {
    let old_without_date = |reads: &[i64]| {
        let mut world = never_arrived_after(ended_portal(-7_200));
        world.service.date = DateHeader::None;
        world.reads = reads.to_vec();
        world
    };
    let mut without_date = after_portal(portal(-600));
    without_date.service.date = DateHeader::None;
    let of_other_client = Request { external_id: Some(ExternalId::Generated(9)), ..Other::default().request };
    let late =
        |delay: i64, second| submissions(&[own(|s| (s.network, s.delay) = ([Network::Late, second], delay * SECOND))]);
    let mut generated = after_portal(Other { request: of_other_client, ..portal(-2) });
    generated.submissions[0].ids = Ids::Generated;
    verify(&[
        ("8 s before", after_portal(portal(-8)), "Recovered"),
        ("1 min before", after_portal(portal(-60)), "Recovered"),
        ("10 min before", after_portal(portal(-600)), "Recovered"),
        ("1 min after", after_portal(portal(60)), "Recovered"),
        ("200 s after", after_portal(portal(200)), "Recovered"),
        ("10 min before, no Date", without_date, "Recovered"),
        ("of another client with generated ids", generated, "Recovered"),
        ("late, arrives before the second", late(140, Network::LostBefore), "Recovered*"),
        ("late, arrives after the second", late(170, Network::LostBefore), "Recovered*"),
        ("late, and the second lost, too", late(140, Network::LostAfter), "Recovered*"),
        ("never arrived", submissions(&[own(|s| s.network = NEVER_ARRIVED)]), "Created*"),
        ("never arrived, 20 min after", never_arrived_after(ended_portal(-1_200)), "Created*"),
        ("never arrived, 5 min after", never_arrived_after(ended_portal(-300)), "MayBeOurs"),
        ("never arrived, 2 h after, no Date", old_without_date(&[]), "MayBeOurs"),
        ("never arrived, 2 h after, no Date, seen", old_without_date(&[-10 * SECOND]), "Created*"),
    ]);
}

#[test]
fn concurrent_submissions_by_order() {
    let lost = Submission::default();
    let at = |seconds: i64| own(|s| s.at = seconds * SECOND);
    let received = own(|s| s.network = RECEIVED);
    let other_comment = own(|s| (s.at, s.comment) = (3 * SECOND, Comment::Other));
    let selective = own(|s| (s.at, s.scope) = (3 * SECOND, Scope::Selective));
    let crashed = |network| submissions(&[own(|s| (s.crashes, s.network) = (true, network))]);
    let mut late_visible = submissions(&[
        own(|s| (s.lost_after, s.resends) = (SECOND, false)),
        own(|s| {
            (s.at, s.comment, s.lost_after, s.resends) = (3 * SECOND, Comment::Other, SECOND, false);
            s.network = NEVER_ARRIVED;
        }),
    ]);
    late_visible.service.lag = 120 * SECOND;
    let joined_rivals = with(|world| {
        world.service.duplicate = Duplicate::Join;
        world.submissions = vec![received, Submission { network: RECEIVED, ..selective }];
    });
    let mut stated_rivals = joined_rivals.clone();
    stated_rivals.service.fill = 0;
    let mut filled_rivals = joined_rivals.clone();
    filled_rivals.service.fill = 60 * SECOND;
    verify(&[
        ("same comment, both lost", submissions(&[lost, at(3)]), "Recovered / Recovered"),
        ("same comment, first received", submissions(&[received, at(40)]), "Created / Recovered"),
        ("same comment, first received 3 s before", submissions(&[received, at(3)]), "Created / Recovered"),
        ("visible at the last list only, beside another that looks", late_visible, "Recovered / MayBeOurs"),
        ("other comments, both lost", submissions(&[lost, other_comment]), "Recovered / Recovered"),
        (
            "other comments, second received",
            submissions(&[lost, Submission { network: RECEIVED, ..other_comment }]),
            "Recovered / Created",
        ),
        ("other scopes, not stated, both lost", submissions(&[lost, selective]), "MayBeOurs / MayBeOurs"),
        ("other scope, response is the older, stated", stated_rivals, "Created / OtherRecord"),
        (
            "other scope, response is the older, stated later",
            filled_rivals,
            "Created / Joined, wait ends in OtherRecord",
        ),
        ("crash after the effect", crashed([Network::LostAfter; 2]), "Recovered"),
        ("crash before the arrival", crashed([Network::LostBefore; 2]), "NothingFound"),
    ]);
}

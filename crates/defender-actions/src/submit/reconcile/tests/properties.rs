//! Properties of the rules for random records and submissions.

use proptest::{prelude::*, sample::select};

use super::{
    implementation::Implementation,
    judge::broken_line,
    model::Model,
    rules::{Attempt, Decision, Ids, Principal, Refusal, Rules, Subject},
    service::{Comment, CommentForm, ExternalId, Kind, Machine, Ms, Name, Record, SECOND, Scope, TypeName},
};

const COMMENTS: [Comment; 3] = [Comment::Short, Comment::Other, Comment::Long];
const SCOPES: [Scope; 2] = [Scope::Full, Scope::Selective];
const IDS: [ExternalId; 5] =
    [ExternalId::Given, ExternalId::Generated(0), ExternalId::Generated(1), ExternalId::Filled, ExternalId::Uuid];
/// Half of the times are at an end of a window.
const TIMES: [Ms; 14] = [-87_306, -87_305, -4_000, -906, -905, -900, -60, -6, -5, 1, 120, 150, 156, 4_000];

fn id_set() -> impl Strategy<Value = Ids> {
    proptest::collection::vec(0..6_u8, 0..2).prop_map(Ids::of)
}

fn subject() -> impl Strategy<Value = Subject> {
    let ids = [None, Some(ExternalId::Given), Some(ExternalId::Generated(0))];
    let principals = [Principal::GuidAndMail, Principal::Guid, Principal::Unknown];
    let dates = [Some(0), Some(0), Some(600 * SECOND), Some(-600 * SECOND), Some(-100_000 * SECOND), None];
    let what = (select(&[Kind::Scoped, Kind::Plain, Kind::NoRule][..]), select(&SCOPES[..]), select(&COMMENTS[..]));
    let known = (select(ids.to_vec()), select(principals.to_vec()), select(dates.to_vec()));
    (what, known, id_set(), id_set(), any::<[bool; 2]>()).prop_map(|(what, known, seen, claimed, facts)| {
        let ((kind, scope, comment), (external_id, principal, date_ahead)) = (what, known);
        let [has_rival, is_recovery] = facts;
        Subject {
            kind,
            scope,
            comment: comment.text(),
            external_id,
            principal,
            first_attempt: 0,
            closes: 30 * SECOND,
            date_ahead,
            seen,
            claimed,
            has_rival,
            is_recovery,
        }
    })
}

/// Mostly the values of a complete record, so that some records are ours.
fn mostly<T: Clone + std::fmt::Debug + 'static>(usual: T, others: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop_oneof![3 => Just(usual), 1 => select(others.to_vec())]
}

fn record() -> impl Strategy<Value = Record> {
    let forms = [CommentForm::Exact, CommentForm::CrLf, CommentForm::Cut, CommentForm::CutTooShort, CommentForm::Null];
    let names = [Name::Display, Name::OtherGuid, Name::OwnMail, Name::OtherMail].map(Some);
    let kind = (
        mostly(Some(Machine::Ours), &[None, Some(Machine::Other), Some(Machine::Odd)]),
        mostly(Some(TypeName::Ours), &[None, Some(TypeName::Other), Some(TypeName::Unknown)]),
        mostly(Some(1), &TIMES.map(Some)),
    );
    let text = (select(&COMMENTS[..]), mostly(CommentForm::Blank, &forms), mostly(Some(Name::OwnGuid), &names));
    let rest = (
        mostly(Some(Scope::Full), &[None, Some(Scope::Selective)]),
        mostly(None, &IDS.map(Some)),
        mostly(None, &TIMES.map(Some)),
        mostly(true, &[false]),
    );
    (kind, text, rest).prop_map(|(kind, text, rest)| {
        let ((machine, type_name, created), (comment, form, requestor)) = (kind, text);
        let (scope, external_id, ended, readable) = rest;
        let seconds = |time: Option<Ms>| time.map(|time| time * SECOND);
        let whole = Record {
            id: 0,
            readable,
            machine,
            type_name,
            created: seconds(created),
            ended: seconds(ended),
            scope,
            comment: comment.echoed(form),
            requestor,
            external_id,
        };
        if readable {
            whole
        } else {
            Record { ended: None, scope: None, comment: None, requestor: None, external_id: None, ..whole }
        }
    })
}

fn rows() -> impl Strategy<Value = Vec<Record>> {
    proptest::collection::vec(record(), 0..5).prop_map(|mut rows| {
        rows.iter_mut().zip(0_u8..).for_each(|(row, id)| row.id = id);
        rows
    })
}

/// Returns whether a record of this machine and type is certainly not ours by the first rule.
fn is_certainly_not_ours(subject: &Subject, record: &Record) -> bool {
    let ours_is_generated = matches!(subject.external_id, Some(ExternalId::Generated(_)));
    let has_other_generated = matches!(record.external_id, Some(ExternalId::Generated(id)) if id != 0);
    let date_ahead = subject.date_ahead.filter(|ahead| ahead.abs() <= 86_400 * SECOND);
    let has_our_generated = ours_is_generated && record.external_id == subject.external_id;
    let is_old = |ahead: Ms| record.created.is_some_and(|created| created < ahead - 905 * SECOND);
    subject.seen.contains(record.id)
        || date_ahead.is_some_and(is_old) && !has_our_generated
        || ours_is_generated && has_other_generated
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn possible_record_blocks_second_request(subject in subject(), rows in rows()) {
        let is_of_this_kind = |row: &&Record| row.machine == Some(Machine::Ours) && row.type_name == Some(TypeName::Ours);
        let blocks = rows.iter().filter(is_of_this_kind).any(|row| !is_certainly_not_ours(&subject, row));
        if blocks {
            prop_assert_ne!(Implementation.decide(&subject, &rows), Decision::Nothing);
        }
    }

    #[test]
    fn recovered_implies_every_line(subject in subject(), rows in rows()) {
        if let Decision::Recovered(id) = Implementation.decide(&subject, &rows) {
            prop_assert_eq!(broken_line(&subject, &rows, id), None);
        }
    }

    #[test]
    fn model_and_implementation_agree(
        subject in subject(),
        rows in rows(),
        date in select(vec![None, Some(0), Some(100 * SECOND), Some(-1_000_000 * SECOND)]),
        attempt in select(vec![Attempt::First, Attempt::Second]),
        is_last in any::<bool>(),
    ) {
        prop_assert_eq!(Implementation.decide(&subject, &rows), Model.decide(&subject, &rows));
        let refusal = Refusal { at: 0, date, attempt, rows: &rows, is_last };
        prop_assert_eq!(Implementation.refused(&subject, refusal), Model.refused(&subject, refusal));
        for row in &rows {
            prop_assert_eq!(Implementation.may_be_ours(&subject, row), Model.may_be_ours(&subject, row), "{:?}", row);
        }
        for row in rows.iter().filter(|row| row.readable) {
            prop_assert_eq!(Implementation.accepted(&subject, row), Model.accepted(&subject, row), "{:?}", row);
            prop_assert_eq!(Implementation.wait_ends(&subject, row), Model.wait_ends(&subject, row), "{:?}", row);
        }
    }
}

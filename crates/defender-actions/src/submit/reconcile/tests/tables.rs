//! Every attribute with each result of its comparison, by both rules.

use super::{
    implementation::Implementation,
    model::Model,
    rules::{Decision, Ids, Principal, Rules, Subject},
    service::{Comment, CommentForm, ExternalId, Kind, Machine, Ms, Name, Record, SECOND, Scope, TypeName},
};

const MINUTE: Ms = 60 * SECOND;

pub(super) fn subject() -> Subject {
    Subject {
        kind: Kind::Scoped,
        scope: Scope::Full,
        comment: Comment::Short.text(),
        external_id: None,
        principal: Principal::GuidAndMail,
        first_attempt: 0,
        closes: 30 * SECOND,
        date_ahead: Some(0),
        seen: Ids::default(),
        claimed: Ids::default(),
        has_rival: false,
        is_recovery: false,
    }
}

/// Record of the subject's own action with every attribute but an external id.
pub(super) fn record() -> Record {
    Record {
        id: 1,
        readable: true,
        machine: Some(Machine::Ours),
        type_name: Some(TypeName::Ours),
        created: Some(SECOND),
        ended: None,
        scope: Some(Scope::Full),
        comment: Some(Comment::Short.text()),
        requestor: Some(Name::OwnGuid),
        external_id: None,
    }
}

/// Verdict of the rules about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    /// First rule: the record blocks a second request.
    blocks: bool,
    /// Second rule: the record is recovered if it is the only one.
    recovered: bool,
    /// Second rule: the record leaves no doubt about another one whose attributes are all the same.
    leaves_the_other: bool,
}

/// Ours, unless a second record is, too.
const OURS: Verdict = Verdict { blocks: true, recovered: true, leaves_the_other: false };
/// Certainly not ours.
const CLEARED: Verdict = Verdict { blocks: false, recovered: false, leaves_the_other: true };
/// The record blocks and states that it is not ours.
const DIFFERENT: Verdict = Verdict { blocks: true, recovered: false, leaves_the_other: true };
/// The record blocks and proves nothing.
const DOUBTFUL: Verdict = Verdict { blocks: true, recovered: false, leaves_the_other: false };

fn verdict(rules: &impl Rules, subject: &Subject, record: &Record) -> Verdict {
    let other = Record { id: 0, comment: Some(subject.comment), ..self::record() };
    Verdict {
        blocks: rules.may_be_ours(subject, record),
        recovered: rules.decide(subject, &[*record]) == Decision::Recovered(record.id),
        leaves_the_other: rules.decide(subject, &[other, *record]) == Decision::Recovered(other.id),
    }
}

/// Returns the verdict of both about a record.
fn verify(name: &str, subject: &Subject, record: &Record, expected: Verdict) {
    assert_eq!(verdict(&Model, subject, record), expected, "model: {name}");
    assert_eq!(verdict(&Implementation, subject, record), expected, "implementation: {name}");
}

fn verify_records(subject: &Subject, cases: &[(&str, Record, Verdict)]) {
    for (name, record, expected) in cases {
        verify(name, subject, record, *expected);
    }
}

#[test]
fn machine_and_type_by_rule() {
    let machine = |machine| Record { machine, ..record() };
    let type_name = |type_name| Record { type_name, ..record() };
    verify_records(
        &subject(),
        &[
            ("all the same", record(), OURS),
            ("other machine", machine(Some(Machine::Other)), CLEARED),
            ("machine not stated", machine(None), OURS),
            ("machine a value that is not an id", machine(Some(Machine::Odd)), DOUBTFUL),
            ("other type", type_name(Some(TypeName::Other)), CLEARED),
            ("type not stated", type_name(None), OURS),
            ("unknown type", type_name(Some(TypeName::Unknown)), DOUBTFUL),
        ],
    );
}

#[test]
fn comment_by_both_rules() {
    let long = Subject { comment: Comment::Long.text(), ..subject() };
    let form = |form| Record { comment: Comment::Short.echoed(form), ..record() };
    verify_records(
        &subject(),
        &[
            ("blanks", form(CommentForm::Blank), OURS),
            ("entity", form(CommentForm::Entity), DIFFERENT),
            ("not stated", form(CommentForm::Null), DOUBTFUL),
            ("other", Record { comment: Some(Comment::Other.text()), ..record() }, DIFFERENT),
            ("other letter case", Record { comment: Some("ransom & CO"), ..record() }, DIFFERENT),
        ],
    );
    let form = |form| Record { comment: Comment::Long.echoed(form), ..record() };
    let cases = [
        ("line ends", form(CommentForm::CrLf), OURS),
        ("cut", form(CommentForm::Cut), DOUBTFUL),
        ("cut too short to compare", form(CommentForm::CutTooShort), DIFFERENT),
    ];
    verify_records(&long, &cases);
}

#[test]
fn particulars_by_both_rules() {
    let scope = |scope| Record { scope, ..record() };
    let same = scope(Some(Scope::Full));
    let different = scope(Some(Scope::Selective));
    let cases = [("same", same, OURS), ("different", different, DIFFERENT), ("not stated", scope(None), OURS)];
    verify_records(&subject(), &cases);
    let rival = Subject { has_rival: true, ..subject() };
    let cases = [("same", same, OURS), ("different", different, DIFFERENT), ("not stated", scope(None), DOUBTFUL)];
    verify_records(&rival, &cases);
    let plain = Subject { kind: Kind::Plain, ..subject() };
    verify_records(&plain, &[("same", same, OURS), ("not stated", scope(None), OURS)]);
    let session = Subject { kind: Kind::NoRule, ..subject() };
    verify_records(&session, &[("same", same, DOUBTFUL), ("not stated", scope(None), DOUBTFUL)]);
}

#[test]
fn requestor_by_both_rules() {
    let requestor = |requestor| Record { requestor, ..record() };
    let cases = |other_guid, other_mail| {
        [
            ("own id", requestor(Some(Name::OwnGuid)), OURS),
            ("other id", requestor(Some(Name::OtherGuid)), other_guid),
            ("other address", requestor(Some(Name::OtherMail)), other_mail),
            ("display name", requestor(Some(Name::Display)), OURS),
            ("not stated", requestor(None), OURS),
        ]
    };
    let of = |principal| Subject { principal, ..subject() };
    verify_records(&of(Principal::GuidAndMail), &cases(DIFFERENT, DIFFERENT));
    verify_records(&of(Principal::Guid), &cases(DIFFERENT, OURS));
    verify_records(&of(Principal::Unknown), &cases(OURS, OURS));
    verify("own address", &subject(), &requestor(Some(Name::OwnMail)), OURS);
}

#[test]
fn external_id_by_both_rules() {
    let id = |external_id| Record { external_id, ..record() };
    let of = |external_id| Subject { external_id, ..subject() };
    let all = |subject: &Subject, given, generated, other_generated, foreign| {
        verify("not stated", subject, &id(None), OURS);
        verify("given", subject, &id(Some(ExternalId::Given)), given);
        verify("generated", subject, &id(Some(ExternalId::Generated(0))), generated);
        verify("other generated", subject, &id(Some(ExternalId::Generated(1))), other_generated);
        verify("filled in", subject, &id(Some(ExternalId::Filled)), foreign);
        verify("a UUID", subject, &id(Some(ExternalId::Uuid)), foreign);
    };
    all(&of(None), DOUBTFUL, DOUBTFUL, DOUBTFUL, DOUBTFUL);
    all(&of(Some(ExternalId::Given)), OURS, DOUBTFUL, DOUBTFUL, DOUBTFUL);
    all(&of(Some(ExternalId::Generated(0))), DOUBTFUL, OURS, CLEARED, DOUBTFUL);
}

#[test]
fn generated_id_outranks_three_attributes() {
    let subject = Subject { external_id: Some(ExternalId::Generated(0)), ..subject() };
    let record = Record { external_id: subject.external_id, ..record() };
    let other = Comment::Other.text();
    let blocked = Verdict { recovered: false, ..DIFFERENT };
    verify_records(
        &subject,
        &[
            ("comment different", Record { comment: Some(other), ..record }, OURS),
            ("comment not stated", Record { comment: None, ..record }, OURS),
            ("requestor different", Record { requestor: Some(Name::OtherGuid), ..record }, OURS),
            ("created after the window", Record { created: Some(60 * MINUTE), ..record }, OURS),
            ("created long before", Record { created: Some(-60 * MINUTE), ..record }, OURS),
            ("creation not stated", Record { created: None, ..record }, OURS),
            ("particulars not stated", Record { scope: None, ..record }, OURS),
            ("machine and type not stated", Record { machine: None, type_name: None, ..record }, OURS),
            ("machine different", Record { machine: Some(Machine::Other), ..record }, CLEARED),
            ("type different", Record { type_name: Some(TypeName::Other), ..record }, CLEARED),
            ("particulars different", Record { scope: Some(Scope::Selective), ..record }, blocked),
        ],
    );
    let session = Subject { kind: Kind::NoRule, ..subject };
    assert_eq!(verdict(&Implementation, &session, &record), OURS);
}

#[test]
fn creation_by_both_rules() {
    let created = |created| Record { created: Some(created), ..record() };
    let (skew, end, old) = (5 * SECOND, 150 * SECOND, 15 * MINUTE);
    for ahead in [0, 10 * MINUTE, -10 * MINUTE, 23 * 60 * MINUTE] {
        let subject =
            Subject { first_attempt: -ahead, closes: 30 * SECOND - ahead, date_ahead: Some(ahead), ..subject() };
        verify_records(
            &subject,
            &[
                ("at the opening", created(-skew), OURS),
                ("before the opening", created(-skew - 1), DIFFERENT),
                ("at the close", created(end + skew), OURS),
                ("after the close", created(end + skew + 1), DIFFERENT),
                ("15 minutes before", created(-skew - old), DIFFERENT),
                ("more than 15 minutes before", created(-skew - old - 1), CLEARED),
                ("not stated", Record { created: None, ..record() }, DOUBTFUL),
            ],
        );
    }
    for date_ahead in [None, Some(25 * 60 * MINUTE), Some(-25 * 60 * MINUTE)] {
        verify_records(
            &Subject { date_ahead, ..subject() },
            &[
                ("at the opening", created(-old), OURS),
                ("before the opening", created(-old - 1), DIFFERENT),
                ("at the close", created(end + old), OURS),
                ("after the close", created(end + old + 1), DIFFERENT),
                ("long before", created(-100 * old), DIFFERENT),
                ("not stated", Record { created: None, ..record() }, DOUBTFUL),
            ],
        );
    }
}

#[test]
fn seen_and_claimed_by_rule() {
    let ids = Ids::of([record().id]);
    verify("seen before the first attempt", &Subject { seen: ids, ..subject() }, &record(), CLEARED);
    verify("claimed by another submission", &Subject { claimed: ids, ..subject() }, &record(), DIFFERENT);
}

#[test]
fn unreadable_row_by_both_rules() {
    let row = Record { readable: false, scope: None, comment: None, requestor: None, ..record() };
    verify_records(
        &subject(),
        &[
            ("machine, type and creation the same", row, DOUBTFUL),
            ("nothing legible", Record { machine: None, type_name: None, created: None, ..row }, DOUBTFUL),
            ("machine different", Record { machine: Some(Machine::Other), ..row }, CLEARED),
            ("type different", Record { type_name: Some(TypeName::Other), ..row }, CLEARED),
            ("created before the window", Record { created: Some(-MINUTE), ..row }, DIFFERENT),
            ("created long before", Record { created: Some(-60 * MINUTE), ..row }, CLEARED),
        ],
    );
}

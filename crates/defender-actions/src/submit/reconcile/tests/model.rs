//! The rules of *Whose action is this?*, written from the design and sharing no code with the implementation.

use super::{
    rules::{Accepted, Attempt, Decision, Principal, Refusal, Refused, Rules, Subject},
    service::{ExternalId, Kind, Machine, Ms, Name, Record, SECOND, TypeName},
};

pub(super) const GRACE: Ms = 120 * SECOND;
const SKEW: Ms = 5 * SECOND;
const SKEW_WITHOUT_DATE: Ms = 15 * 60 * SECOND;
const TOO_OLD: Ms = 15 * 60 * SECOND;
const A_DAY: Ms = 24 * 3_600 * SECOND;
const DATE_IS_CREDIBLE_WITHIN: Ms = 24 * 3_600 * SECOND;
const LEAST_PREFIX: usize = 64;

/// Comparison of one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Same,
    Different,
    NotStated,
}

use Comparison::{Different, NotStated, Same};

fn compared(is_same: bool) -> Comparison {
    if is_same { Same } else { Different }
}

/// Comparison of a record with a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an attribute of its own")]
pub(super) struct Compared {
    /// Not stated: null, or a value that is not an id.
    pub(super) machine: Comparison,
    pub(super) machine_is_odd: bool,
    /// Not stated: null, or an unknown type.
    pub(super) type_name: Comparison,
    pub(super) word_is_unknown: bool,
    pub(super) external_id: Comparison,
    /// The record has our generated id.
    pub(super) has_our_generated_id: bool,
    /// Our id is generated, and the record has another id of that form.
    pub(super) has_other_generated_id: bool,
    pub(super) comment: Comparison,
    /// `None`: the type has no rule.
    pub(super) particulars: Option<Comparison>,
    pub(super) requestor: Comparison,
    pub(super) creation: Comparison,
    pub(super) is_too_old: bool,
    pub(super) was_seen: bool,
    pub(super) is_claimed: bool,
    pub(super) is_readable: bool,
}

pub(super) fn compare(subject: &Subject, record: &Record) -> Compared {
    let generated = matches!(subject.external_id, Some(ExternalId::Generated(_)));
    let is_ours = record.external_id.is_some() && record.external_id == subject.external_id;
    let clock = Clock::of(subject);
    Compared {
        machine: match record.machine {
            None | Some(Machine::Odd) => NotStated,
            Some(machine) => compared(machine == Machine::Ours),
        },
        machine_is_odd: record.machine == Some(Machine::Odd),
        type_name: match record.type_name {
            None | Some(TypeName::Unknown) => NotStated,
            Some(type_name) => compared(type_name == TypeName::Ours),
        },
        word_is_unknown: record.type_name == Some(TypeName::Unknown),
        external_id: record.external_id.map_or(NotStated, |_| compared(is_ours)),
        has_our_generated_id: generated && is_ours,
        has_other_generated_id: generated && matches!(record.external_id, Some(ExternalId::Generated(_))) && !is_ours,
        comment: comment(subject.comment, record.comment),
        particulars: match subject.kind {
            Kind::Scoped => Some(record.scope.map_or(NotStated, |scope| compared(scope == subject.scope))),
            Kind::Plain => Some(Same),
            Kind::NoRule => None,
        },
        requestor: requestor(subject.principal, record.requestor),
        creation: record.created.map_or(NotStated, |created| compared(clock.window(subject).contains(&created))),
        is_too_old: record.created.is_some_and(|created| {
            // The date of a recovery may be a day off, unless the comment is another's too.
            let may_be_off = subject.is_recovery && comment(subject.comment, record.comment) != Different;
            clock.clears_by_age(subject, created + if may_be_off { A_DAY } else { 0 })
        }),
        was_seen: subject.seen.contains(record.id),
        is_claimed: subject.claimed.contains(record.id),
        is_readable: record.readable,
    }
}

fn comment(ours: &str, stated: Option<&str>) -> Comparison {
    let fold = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned();
    let Some(stated) = stated.map(fold) else { return NotStated };
    let ours = fold(ours);
    if stated == ours {
        Same
    } else if ours.starts_with(&stated) && stated.chars().count() >= LEAST_PREFIX {
        NotStated
    } else {
        Different
    }
}

fn requestor(principal: Principal, stated: Option<Name>) -> Comparison {
    let (knows_guid, knows_mail) = match principal {
        Principal::GuidAndMail => (true, true),
        Principal::Guid => (true, false),
        Principal::Unknown => (false, false),
    };
    match stated {
        Some(Name::OwnGuid) if knows_guid => Same,
        Some(Name::OtherGuid) if knows_guid => Different,
        Some(Name::OwnMail) if knows_mail => Same,
        Some(Name::OtherMail) if knows_mail => Different,
        _ => NotStated,
    }
}

/// Clock by which records are compared.
struct Clock {
    ahead: Ms,
    date_is_known: bool,
}

impl Clock {
    fn of(subject: &Subject) -> Self {
        match subject.date_ahead {
            Some(ahead) if ahead.abs() <= DATE_IS_CREDIBLE_WITHIN => Self { ahead, date_is_known: true },
            _ => Self { ahead: 0, date_is_known: false },
        }
    }

    fn window(&self, subject: &Subject) -> std::ops::RangeInclusive<Ms> {
        let skew = if self.date_is_known { SKEW } else { SKEW_WITHOUT_DATE };
        subject.first_attempt + self.ahead - skew..=subject.closes + self.ahead + GRACE + skew
    }

    fn clears_by_age(&self, subject: &Subject, created: Ms) -> bool {
        self.date_is_known && created < subject.first_attempt + self.ahead - SKEW - TOO_OLD
    }
}

impl Compared {
    /// The first rule.
    pub(super) fn may_be_ours(&self) -> bool {
        self.machine != Different
            && self.type_name != Different
            && !self.was_seen
            && (!self.is_too_old || self.has_our_generated_id)
            && !self.has_other_generated_id
    }

    /// The second rule, by a generated id.
    fn is_ours_by_generated_id(&self) -> bool {
        self.has_our_generated_id
            && !self.was_seen
            && self.machine != Different
            && self.type_name != Different
            && self.particulars != Some(Different)
    }

    /// The second rule for one record of a filtered list, without a generated id.
    fn is_ours_by_attributes(&self, subject: &Subject) -> bool {
        let particulars = if subject.has_rival {
            self.particulars == Some(Same)
        } else {
            matches!(self.particulars, Some(Same | NotStated))
        };
        self.is_readable
            && self.may_be_ours()
            && self.machine != Different
            && !self.machine_is_odd
            && self.type_name != Different
            && !self.word_is_unknown
            && self.comment == Same
            && self.creation == Same
            && particulars
            && self.requestor != Different
            && self.external_id != Different
            && !self.is_claimed
    }

    /// Returns whether a record that may be ours leaves room for a second one.
    fn states_something_different(&self) -> bool {
        self.comment == Different
            || self.particulars == Some(Different)
            || self.requestor == Different
            || self.creation == Different
            || self.is_claimed
    }

    fn states_another_action(&self) -> bool {
        self.machine == Different || self.type_name == Different || self.particulars == Some(Different)
    }
}

/// The rules of the design.
#[derive(Debug)]
pub(super) struct Model;

impl Rules for Model {
    fn may_be_ours(&self, subject: &Subject, record: &Record) -> bool {
        compare(subject, record).may_be_ours()
    }

    fn decide(&self, subject: &Subject, rows: &[Record]) -> Decision {
        let compared: Vec<_> = rows.iter().map(|record| (record.id, compare(subject, record))).collect();
        if let Some((id, _)) = compared.iter().find(|(_, row)| row.is_ours_by_generated_id()) {
            return Decision::Recovered(*id);
        }
        let possible: Vec<_> = compared.iter().filter(|(_, row)| row.may_be_ours()).collect();
        let ours: Vec<_> = possible.iter().filter(|(_, row)| row.is_ours_by_attributes(subject)).collect();
        match ours.as_slice() {
            [(id, _)] if possible.iter().all(|(other, row)| other == id || row.states_something_different()) => {
                Decision::Recovered(*id)
            }
            _ if possible.is_empty() => Decision::Nothing,
            _ => Decision::MayBeOurs,
        }
    }

    fn accepted(&self, subject: &Subject, record: &Record) -> Accepted {
        let row = compare(subject, record);
        let is_stated =
            row.has_our_generated_id || row.comment == Same && row.creation == Same && row.requestor != Different;
        // Two runs of a type without a rule are different actions, and with one comment a wait could not tell them apart.
        let is_stranger = row.requestor == Different || row.external_id == Different || row.is_claimed || row.was_seen;
        let is_older_run = row.particulars.is_none() && row.comment == Same && (row.creation != Same || is_stranger);
        if row.states_another_action() {
            Accepted::OtherRecord
        } else if is_stated && row.external_id != Different && !row.is_claimed && !row.was_seen {
            Accepted::Created
        } else if record.ended.is_none() && !is_older_run {
            Accepted::Joined
        } else {
            Accepted::OtherRecord
        }
    }

    fn refused(&self, subject: &Subject, refusal: Refusal<'_>) -> Refused {
        let date = refusal.date.filter(|date| (date - refusal.at).abs() <= DATE_IS_CREDIBLE_WITHIN);
        let was_pending = |record: &&Record| match (record.ended, date) {
            (None, _) => true,
            (Some(ended), Some(date)) => ended > date,
            (Some(_), None) => false,
        };
        let mut rows: Vec<_> = refusal
            .rows
            .iter()
            .filter(|record| record.readable)
            .filter(was_pending)
            .map(|record| (record.created, record.id, compare(subject, record)))
            .filter(|(_, _, row)| row.machine != Different && !row.machine_is_odd)
            .filter(|(_, _, row)| row.type_name != Different && !row.word_is_unknown)
            .collect();
        rows.sort_by_key(|(created, id, _)| (*created, *id));
        rows.reverse();
        let is_same = |row: &Compared| match row.particulars {
            Some(Same) => true,
            Some(NotStated) => row.comment == Same || row.has_our_generated_id,
            Some(Different) => false,
            None => row.has_our_generated_id,
        };
        if let Some((_, id, _)) = rows.iter().find(|(_, _, row)| is_same(row)) {
            return Refused::Joined(*id);
        }
        let newest = rows.first().map(|(_, id, _)| *id);
        let other = rows.iter().find(|(_, _, row)| row.particulars == Some(Different));
        match (refusal.attempt, newest) {
            (_, None) if !refusal.is_last => Refused::Undecided,
            (Attempt::Second, _) => Refused::Unknown,
            (Attempt::First, _) => match other {
                Some((_, id, _)) => Refused::Conflict(*id),
                None => Refused::AlreadyInProgress(newest),
            },
        }
    }

    fn wait_ends(&self, subject: &Subject, record: &Record) -> bool {
        let row = compare(subject, record);
        let is_last = record.ended.is_some();
        let states_particulars = matches!(row.particulars, Some(Same | Different));
        row.states_another_action()
            || is_last && !states_particulars && row.comment != Same && !row.has_our_generated_id
    }
}

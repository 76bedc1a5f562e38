//! The judge of a world, which knows the real events.

use super::{
    course::{Deed, History, Outcome},
    model::{Comparison, GRACE, compare},
    rules::Subject,
    service::{By, DateHeader, Echo, Effect, ExternalId, Kind, Machine, Missing, Ms, Record, Reply, SECOND, TypeName},
    world::{Ids, Network, World},
};

/// Fault of a world, or a coincidence that the documentation excepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Finding {
    /// Second request of a submission whose first took effect.
    SecondRequest,
    /// `Ok` for an action that did not happen.
    WrongOk(&'static str),
    /// Error that reports no effect, though the action was accepted.
    WrongRefusal,
    /// Nothing was found, though the action was in the list.
    Overlooked,
    /// *Recovered*, though a line of the second rule does not hold.
    RecoveredAgainst(&'static str),
    /// Resend before a late first request took effect in a list.
    DocumentedLate,
    /// Two submissions of the same action with the same comment.
    NotPromisedSameRequest,
    /// Two submissions of different actions with the same comment, whose records do not state the difference.
    NotPromisedUnstated,
    /// Action of another process within the skew.
    NotPromisedWithinSkew,
}

impl Finding {
    pub(super) fn is_fault(self) -> bool {
        matches!(
            self,
            Self::SecondRequest | Self::WrongOk(_) | Self::WrongRefusal | Self::Overlooked | Self::RecoveredAgainst(_)
        )
    }
}

pub(super) fn judge(world: &World, history: &History) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, course) in history.courses.iter().enumerate() {
        findings.extend(judge_deed(world, &history.effects, number, &course.deed));
        if let Some(Outcome::Recovered(id)) = course.deed.outcome {
            findings.extend(broken_line(&course.subject, &course.rows, id).map(Finding::RecoveredAgainst));
        }
    }
    findings
}

/// Judges the course of a submission by the real events.
pub(super) fn judge_deed(world: &World, effects: &[Effect], number: usize, deed: &Deed) -> Vec<Finding> {
    let mut findings: Vec<_> = second_request(world, effects, number, deed).into_iter().collect();
    let is_accepted = deed.first_effect.is_some_and(|effect| matches!(effect, Reply::Accepted(_)));
    match deed.outcome {
        Some(Outcome::Conflict(_) | Outcome::AlreadyInProgress(_)) if is_accepted => {
            findings.push(Finding::WrongRefusal);
        }
        Some(Outcome::NothingFound) if is_overlooked(world, effects, number, deed) => {
            findings.push(Finding::Overlooked);
        }
        Some(outcome) if deed.wait_is_ok => {
            let effect = outcome.ok().map(|id| &effects[usize::from(id)]);
            findings.extend(effect.and_then(|effect| wrong_ok(world, number, deed, outcome, effect)));
        }
        _ => {}
    }
    findings
}

fn second_request(world: &World, effects: &[Effect], number: usize, deed: &Deed) -> Option<Finding> {
    let second = deed.second_sent?;
    let Some(Reply::Accepted(id)) = deed.first_effect else { return None };
    let effect = &effects[usize::from(id)];
    if effect.by != By::Submission(number) || effect.created > second {
        return None;
    }
    let is_late = world.submissions[number].network[0] == Network::Late && effect.visible > second;
    Some(if is_late { Finding::DocumentedLate } else { Finding::SecondRequest })
}

/// Returns whether the action of the first attempt was in the list at the end of the grace.
fn is_overlooked(world: &World, effects: &[Effect], number: usize, deed: &Deed) -> bool {
    let Some(Reply::Accepted(id)) = deed.first_effect else { return false };
    let effect = &effects[usize::from(id)];
    let is_own = effect.by == By::Submission(number);
    is_own && world.submissions[number].network[0] != Network::Late && effect.visible <= deed.first_sent + GRACE
}

fn wrong_ok(world: &World, number: usize, deed: &Deed, outcome: Outcome, effect: &Effect) -> Option<Finding> {
    let (plan, theirs) = (world.submissions[number], effect.request);
    let same_comment = theirs.comment == plan.comment;
    if theirs.machine != Machine::Ours || theirs.type_name != TypeName::Ours {
        let is_unstated = matches!(world.service.missing, Missing::MachineAndType | Missing::KnownType);
        return Some(if is_unstated && (same_comment || matches!(outcome, Outcome::Joined(_))) {
            Finding::NotPromisedUnstated
        } else {
            Finding::WrongOk("another machine or type")
        });
    }
    let is_own = effect.by == By::Submission(number);
    let same_scope = theirs.scope == plan.scope || world.kind != Kind::Scoped;
    if effect.ends <= deed.first_sent {
        return Some(if effect.ends >= deed.first_sent - tolerance(world) {
            Finding::NotPromisedWithinSkew
        } else {
            Finding::WrongOk("ended before the submission")
        });
    }
    if is_own {
        return None;
    }
    if world.kind == Kind::NoRule && matches!(outcome, Outcome::Joined(_)) {
        return Some(Finding::WrongOk("another live response"));
    }
    let never_stated = effect.created + world.service.fill >= effect.ends;
    if !same_scope {
        return Some(if same_comment && never_stated {
            Finding::NotPromisedUnstated
        } else {
            Finding::WrongOk("other particulars")
        });
    }
    if matches!(outcome, Outcome::Joined(_)) {
        return None;
    }
    let is_distinguished = world.service.echo == Echo::Yes
        && plan.ids == Ids::Generated
        && matches!(theirs.external_id, Some(ExternalId::Generated(_)));
    Some(if same_comment && !is_distinguished {
        Finding::NotPromisedSameRequest
    } else {
        Finding::WrongOk("the action of another")
    })
}

/// The skew, and the error of the clock that was taken for the service's.
fn tolerance(world: &World) -> Ms {
    let date = match world.service.date {
        DateHeader::Ahead(seconds) => Some(Ms::from(seconds) * SECOND),
        DateHeader::None | DateHeader::Of1970 => None,
    };
    match date {
        Some(ahead) => 5 * SECOND + ahead.abs(),
        None => 900 * SECOND + world.clock_ahead.abs(),
    }
}

/// Returns the first line of the second rule that does not hold.
pub(super) fn broken_line(subject: &Subject, rows: &[Record], id: u8) -> Option<&'static str> {
    use Comparison::{Different, NotStated, Same};
    let (Some(record), mut others) = (rows.iter().find(|row| row.id == id), rows.iter().filter(|row| row.id != id))
    else {
        return Some("it is in the list");
    };
    let row = compare(subject, record);
    let no_rule = subject.kind == Kind::NoRule;
    let generated = row.has_our_generated_id;
    let room = |other: &Record| {
        let other = compare(subject, other);
        let states_difference = other.comment == Different
            || other.particulars == Some(Different)
            || other.requestor == Different
            || other.creation == Different
            || other.is_claimed;
        other.may_be_ours() && !states_difference
    };
    let lines = [
        ("no other machine", row.machine != Different),
        ("machine equal or null", generated || !row.machine_is_odd),
        ("no other type", row.type_name != Different),
        ("no other particulars", row.particulars != Some(Different)),
        ("type equal or null", generated || !row.word_is_unknown),
        ("a rule for particulars", generated || !no_rule),
        ("not seen before the first attempt", !row.was_seen),
        ("not too old", generated || !row.is_too_old),
        ("comment the same", generated || row.comment == Same),
        ("creation inside the window", generated || row.creation == Same),
        ("no other requestor", generated || row.requestor != Different),
        ("no other external id", row.external_id == NotStated || row.external_id == Same),
        ("not claimed by another", generated || !row.is_claimed),
        ("particulars the same beside a rival", generated || !subject.has_rival || row.particulars == Some(Same)),
        ("nothing else could be it", generated || !others.any(room)),
    ];
    lines.iter().find(|(_, holds)| !holds).map(|(line, _)| *line)
}

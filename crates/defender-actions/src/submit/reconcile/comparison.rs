//! The comparison of a record with a submission, attribute by attribute.

use std::borrow::Cow;

use defender_model::{ActionType, MachineAction, MachineId, Match};

use super::{Names, Window};
use crate::submit::{
    external_id::is_generated_form, particulars::ParticularsRule, record_facts::created, submission::Submission,
};

/// Minimum length of a truncated comment. A shorter one neither confirms nor excludes a record.
const MIN_TRUNCATED_COMMENT: usize = 64;

/// Submission, with the client's knowledge about it and about the record that it is compared with.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(crate) struct ComparisonInput<'a> {
    pub(crate) submission: &'a Submission,
    pub(crate) rule: &'a dyn ParticularsRule,
    /// Names of the principal; empty if the token states none.
    pub(crate) names: &'a Names,
    pub(crate) window: &'a Window,
    /// The list of the record was filtered by machine and type, so that null counts as equal.
    pub(crate) filtered: bool,
    /// A response before the first attempt showed the record.
    pub(crate) seen_before: bool,
    /// Another submission of this client holds the record.
    pub(crate) claimed: bool,
    /// A submission of this client with the same comment and other particulars is in flight or unsettled.
    pub(crate) has_rival: bool,
    /// The submission is the recovery of an intent, whose date comes from a clock that may be wrong.
    pub(crate) is_recovery: bool,
}

/// Comparison of the external id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExternalIdMatch {
    /// Our generated id.
    Generated,
    /// The caller's id.
    Given,
    /// The record states no id.
    NotStated,
    /// Our id is generated, and the record has another id of the generated form.
    OtherGenerated,
    /// Another id, or an id although none was sent.
    Other,
}

/// Result of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(crate) struct Comparison {
    pub(crate) machine: Match,
    pub(crate) action_type: Match,
    pub(crate) external_id: ExternalIdMatch,
    pub(crate) comment: Match,
    /// `None`: the type has no rule.
    pub(crate) particulars: Option<Match>,
    pub(crate) requestor: Match,
    /// Same: the creation is inside the window.
    pub(crate) creation: Match,
    /// The record was created so long before the first attempt that it is certainly not ours.
    pub(crate) too_old: bool,
    pub(crate) seen_before: bool,
    pub(crate) claimed: bool,
    pub(crate) has_rival: bool,
    /// False for a row with only machine, type and creation.
    pub(crate) readable: bool,
}

impl Comparison {
    /// Returns whether the record has our generated id.
    pub(crate) fn has_our_generated_id(&self) -> bool {
        self.external_id == ExternalIdMatch::Generated
    }

    /// Compares a record.
    pub(crate) fn of(input: &ComparisonInput<'_>, record: &MachineAction) -> Self {
        let requestor = record.requestor.as_deref().map_or(Match::NotStated, |requestor| {
            if input.names.has(requestor) {
                Match::Same
            } else if input.names.exclude(requestor) {
                Match::Different
            } else {
                Match::NotStated
            }
        });
        let comment = compare_comments(input.submission.comment(), record.requestor_comment.as_deref());
        Self {
            external_id: external_id(input.submission, record),
            comment,
            too_old: is_too_old(input, record, comment),
            particulars: input.rule.particulars_of(record),
            requestor,
            readable: true,
            ..Self::of_unreadable(input, record)
        }
    }

    /// Compares a row with only machine, type and creation.
    pub(crate) fn of_unreadable(input: &ComparisonInput<'_>, record: &MachineAction) -> Self {
        let Window { opens, closes, .. } = *input.window;
        let created = created(record);
        Self {
            machine: machine(input.submission, record, input.filtered),
            action_type: action_type(input.submission, record, input.filtered),
            external_id: ExternalIdMatch::NotStated,
            comment: Match::NotStated,
            particulars: Some(Match::NotStated),
            requestor: Match::NotStated,
            creation: created.map_or(Match::NotStated, |created| of_bool((opens..=closes).contains(&created))),
            too_old: is_too_old(input, record, Match::NotStated),
            seen_before: input.seen_before,
            claimed: input.claimed,
            has_rival: input.has_rival,
            readable: false,
        }
    }
}

fn is_too_old(input: &ComparisonInput<'_>, record: &MachineAction, comment: Match) -> bool {
    let is_other = comment == Match::Different;
    created(record).is_some_and(|created| input.window.clears(created, input.is_recovery, is_other))
}

fn of_bool(same: bool) -> Match {
    if same { Match::Same } else { Match::Different }
}

fn machine(submission: &Submission, record: &MachineAction, filtered: bool) -> Match {
    match record.machine_id.as_ref().map(MachineId::as_str) {
        Some(machine) => of_bool(machine.eq_ignore_ascii_case(submission.machine_id().as_str())),
        None => if_filtered(filtered && !is_odd(record, "machineId")),
    }
}

/// Compares the types. An unknown type may be a new name of the service for the same type.
fn action_type(submission: &Submission, record: &MachineAction, filtered: bool) -> Match {
    let ours = ActionType::from(submission.action_type());
    match &record.action_type {
        stated if stated.as_str().is_empty() => if_filtered(filtered && !is_odd(record, "type")),
        stated if *stated == ours || stated.as_str().eq_ignore_ascii_case(submission.action_type()) => Match::Same,
        ActionType::Unknown(_) => Match::NotStated,
        _ => Match::Different,
    }
}

/// Returns whether a field has a value of another kind, such as an object. The value states something, although not a known id or
/// type.
fn is_odd(record: &MachineAction, field: &str) -> bool {
    record.extra.get(field).is_some_and(|value| !value.is_null())
}

fn if_filtered(filtered: bool) -> Match {
    if filtered { Match::Same } else { Match::NotStated }
}

fn external_id(submission: &Submission, record: &MachineAction) -> ExternalIdMatch {
    let stated = record.external_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let generated = submission.has_generated_id();
    let Some(stated) = stated else { return ExternalIdMatch::NotStated };
    match submission.external_id().map(str::trim) {
        Some(ours) if generated && ours.eq_ignore_ascii_case(stated) => ExternalIdMatch::Generated,
        Some(ours) if ours == stated => ExternalIdMatch::Given,
        Some(_) if generated && is_generated_form(stated) => ExternalIdMatch::OtherGenerated,
        _ => ExternalIdMatch::Other,
    }
}

/// Compares comments. The service has been seen to add blanks around them, to change line ends and to truncate them.
pub(crate) fn compare_comments(ours: Option<&str>, stated: Option<&str>) -> Match {
    let (ours, stated) = (ours.unwrap_or_default(), stated.unwrap_or_default());
    if ours == stated {
        return Match::Same; // Nearly always.
    }
    let (ours, stated) = (normalized(ours), normalized(stated));
    if ours == stated {
        Match::Same
    } else if stated.is_empty() || stated.chars().count() >= MIN_TRUNCATED_COMMENT && ours.starts_with(&*stated) {
        Match::NotStated
    } else {
        Match::Different
    }
}

/// Removes the blanks around a comment and converts line ends to one form.
///
/// Nearly every comment is one line, which is not copied: this saves 8 of the 96 allocations of a call.
fn normalized(comment: &str) -> Cow<'_, str> {
    let comment = comment.trim();
    if comment.contains('\r') { comment.replace("\r\n", "\n").replace('\r', "\n").into() } else { comment.into() }
}

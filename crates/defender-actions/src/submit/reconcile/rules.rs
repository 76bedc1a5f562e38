//! The two rules, and the decisions about lists, responses, refusals and waits that follow from them.

use defender_model::{MachineAction, Match};
use jiff::Timestamp;

use super::{Comparison, ExternalIdMatch};

/// *May it be ours?* Such a record blocks a second request. Our generated id outranks the creation, so a record with this id is never
/// too old.
pub(crate) fn may_be_ours(record: &Comparison) -> bool {
    record.machine != Match::Different
        && record.action_type != Match::Different
        && !record.seen_before
        && (!record.too_old || record.has_our_generated_id())
        && record.external_id != ExternalIdMatch::OtherGenerated
}

/// Result of a completely read list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The record with this index is ours.
    Ours(usize),
    /// A record may be ours, and no record is certainly ours.
    MayBeOurs,
    /// No record may be ours.
    Nothing,
}

/// *Is it ours?* Decides about a list by its records. Records that are certainly not ours may be omitted.
pub(crate) fn find(records: &[Comparison]) -> Finding {
    let candidates = || records.iter().enumerate().filter(|(_, record)| may_be_ours(record));
    if let Some((index, _)) = candidates().find(|(_, record)| is_ours_by_generated_id(record)) {
        return Finding::Ours(index);
    }
    let mut ours = None;
    let mut nothing = true;
    for (index, record) in candidates() {
        nothing = false;
        match (fits(record), ours) {
            (true, None) => ours = Some(index),
            (true, Some(_)) => return Finding::MayBeOurs,
            (false, _) if !states_something_different(record) => return Finding::MayBeOurs,
            (false, _) => {}
        }
    }
    match ours {
        Some(index) => Finding::Ours(index),
        None if nothing => Finding::Nothing,
        None => Finding::MayBeOurs,
    }
}

/// Returns whether the generated id proves that the record is ours. It outranks comment, requestor and creation, never machine, type or
/// particulars.
fn is_ours_by_generated_id(record: &Comparison) -> bool {
    record.external_id == ExternalIdMatch::Generated
        && record.machine != Match::Different
        && record.action_type != Match::Different
        && record.particulars != Some(Match::Different)
}

/// Returns whether every line of the rule for a record without our generated id holds.
fn fits(record: &Comparison) -> bool {
    let particulars_fit = match record.particulars {
        Some(Match::Same) => true,
        Some(Match::NotStated) => !record.has_rival,
        Some(Match::Different) | None => false,
    };
    record.readable
        && record.machine == Match::Same
        && record.action_type == Match::Same
        && record.comment == Match::Same
        && record.creation == Match::Same
        && particulars_fit
        && is_free(record)
}

/// Returns whether no fact assigns the record to another submission.
fn is_free(record: &Comparison) -> bool {
    record.requestor != Match::Different
        && !record.claimed
        && !record.seen_before
        && !matches!(record.external_id, ExternalIdMatch::Other | ExternalIdMatch::OtherGenerated)
}

fn states_something_different(record: &Comparison) -> bool {
    record.comment == Match::Different
        || record.particulars == Some(Match::Different)
        || record.requestor == Match::Different
        || record.creation == Match::Different
        || record.claimed
}

/// Decision about the record in a 2xx response to a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The action is new, and ours.
    Created,
    /// The action existed before and has not ended.
    Joined,
    /// The action is not the submission's: it has another machine, type or other particulars, it has ended, or it is an older run
    /// of a type without a rule.
    Another,
}

/// Judges the record of a 2xx response.
///
/// An older action with the same comment is another action if its type has no rule, such as live response: two runs of one script
/// are different actions, and a wait could not distinguish them.
pub(crate) fn accepted(record: &Comparison, has_ended: bool) -> Accepted {
    if states_another_action(record) {
        return Accepted::Another;
    }
    let by_id = is_ours_by_generated_id(record);
    let by_comment = record.comment == Match::Same && record.creation == Match::Same && is_free(record);
    if !record.seen_before && !record.claimed && (by_id || by_comment) {
        Accepted::Created
    } else if has_ended || is_older_run(record) {
        Accepted::Another
    } else {
        Accepted::Joined
    }
}

/// Returns whether the record belongs to an older action with our comment whose type has no rule.
fn is_older_run(record: &Comparison) -> bool {
    let is_older = record.creation != Match::Same || !is_free(record);
    record.particulars.is_none() && record.comment == Match::Same && is_older
}

/// Returns whether the record states another machine, another type or other particulars.
fn states_another_action(record: &Comparison) -> bool {
    record.machine == Match::Different
        || record.action_type == Match::Different
        || record.particulars == Some(Match::Different)
}

/// Returns whether the record of a wait belongs to another action than the submitted action. The last record must also prove that the
/// action is the same: by its particulars, its comment or our generated id.
pub(crate) fn is_another(record: &Comparison, has_ended: bool) -> bool {
    let proves_nothing = record.particulars != Some(Match::Same)
        && record.comment != Match::Same
        && record.external_id != ExternalIdMatch::Generated;
    states_another_action(record) || has_ended && proves_nothing
}

/// Returns whether a record was pending at the time of a refusal with this `Date`. A record without a status may have ended long ago,
/// and counts as not pending. The `Date` adds records that have ended since. It excludes no record, because its clock may differ from
/// the clock that dates the records.
pub(crate) fn was_pending(record: &MachineAction, date: Option<Timestamp>) -> bool {
    let states_a_status = !record.status.as_str().is_empty();
    let ended_since = |date| record.last_update_date_time_utc.is_some_and(|updated| updated > date);
    states_a_status && !record.status.is_terminal() || date.is_some_and(ended_since)
}

/// Decision about a refusal because an action is already in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The record with this index is the requested action.
    Joined(usize),
    /// The record with this index states other particulars, and no record is the requested action.
    Conflict(usize),
    /// The record with this index is in progress and may be the requested action.
    InProgress(usize),
    /// No pending record is visible.
    NotVisible,
}

/// Judges a refusal by the records that were pending at that time, the newest first. An action whose type has no rule, such as live
/// response, is joined by our generated id only: two runs with one comment are different actions.
pub(crate) fn refused(pending: &[Comparison]) -> Refusal {
    let is_same_kind = |record: &Comparison| record.machine == Match::Same && record.action_type == Match::Same;
    let is_requested = |record: &Comparison| {
        let has_our_id = record.external_id == ExternalIdMatch::Generated;
        match record.particulars {
            Some(Match::Same) => true,
            Some(Match::NotStated) => record.comment == Match::Same || has_our_id,
            None => has_our_id,
            Some(Match::Different) => false,
        }
    };
    let position = |is: &dyn Fn(&Comparison) -> bool| {
        pending.iter().position(|record| record.readable && is_same_kind(record) && is(record))
    };
    if let Some(index) = position(&is_requested) {
        Refusal::Joined(index)
    } else if let Some(index) = position(&|record| record.particulars == Some(Match::Different)) {
        Refusal::Conflict(index)
    } else if let Some(index) = position(&|_| true) {
        Refusal::InProgress(index)
    } else {
        Refusal::NotVisible
    }
}

//! One record beside one submission, attribute by attribute.

use defender_model::{Action, ActionType, MachineAction, MachineId, Match};

use super::{Names, Window};
use crate::{Intent, submit::external_id::is_generated_form};

/// A cut comment of fewer characters proves nothing either way.
const LEAST_OF_A_CUT_COMMENT: usize = 64;

/// Comparison of particulars by the rule of an action's type.
pub(crate) trait ParticularsRule: Send + Sync {
    /// See [`Action::particulars`].
    fn particulars_of(&self, existing: &MachineAction) -> Option<Match>;
}

impl<A: Action> ParticularsRule for A {
    fn particulars_of(&self, existing: &MachineAction) -> Option<Match> {
        self.particulars(existing)
    }
}

/// A submission, with what the client knows of it and of the record that it is compared with.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(crate) struct Asked<'a> {
    pub(crate) intent: &'a Intent,
    pub(crate) rule: &'a dyn ParticularsRule,
    /// Names of the principal; empty where the token does not tell.
    pub(crate) names: &'a Names,
    pub(crate) window: &'a Window,
    /// The record is of a list that was filtered by machine and type, so that null counts as equal.
    pub(crate) filtered: bool,
    /// A response received before the first attempt had shown the record.
    pub(crate) seen_before: bool,
    /// Another submission of this client holds the record.
    pub(crate) claimed: bool,
    /// A submission of this client with the same comment and other particulars is in flight or unsettled.
    pub(crate) has_rival: bool,
}

/// Comparison of the external id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExternalIdMatch {
    /// Our generated id.
    Generated,
    /// The id that the caller set.
    Given,
    /// None is stated.
    NotStated,
    /// Another id of the form of our generated ones, where ours is generated.
    OtherGenerated,
    /// Another id, or one where none was sent.
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
    /// Same: inside the window.
    pub(crate) creation: Match,
    /// Created so long before the first attempt that it is certainly not ours.
    pub(crate) too_old: bool,
    pub(crate) seen_before: bool,
    pub(crate) claimed: bool,
    pub(crate) has_rival: bool,
    /// False for a row of which only machine, type and creation could be read.
    pub(crate) readable: bool,
}

impl Comparison {
    /// Whether the record has our generated id.
    pub(crate) fn has_our_generated_id(&self) -> bool {
        self.external_id == ExternalIdMatch::Generated
    }

    /// Compares a record.
    pub(crate) fn of(asked: &Asked<'_>, record: &MachineAction) -> Self {
        let requestor = record.requestor.as_deref().map_or(Match::NotStated, |requestor| {
            if asked.names.has(requestor) {
                Match::Same
            } else if asked.names.exclude(requestor) {
                Match::Different
            } else {
                Match::NotStated
            }
        });
        Self {
            external_id: external_id(asked.intent, record),
            comment: compare_comments(asked.intent.comment(), record.requestor_comment.as_deref()),
            particulars: asked.rule.particulars_of(record),
            requestor,
            readable: true,
            ..Self::of_unreadable(asked, record)
        }
    }

    /// Compares a row of which only machine, type and creation could be read.
    pub(crate) fn of_unreadable(asked: &Asked<'_>, record: &MachineAction) -> Self {
        let Window { opens, closes, clears_before } = *asked.window;
        let created = record.creation_date_time_utc;
        Self {
            machine: machine(asked.intent, record, asked.filtered),
            action_type: action_type(asked.intent, record, asked.filtered),
            external_id: ExternalIdMatch::NotStated,
            comment: Match::NotStated,
            particulars: Some(Match::NotStated),
            requestor: Match::NotStated,
            creation: created.map_or(Match::NotStated, |created| of_bool((opens..=closes).contains(&created))),
            too_old: created.zip(clears_before).is_some_and(|(created, before)| created < before),
            seen_before: asked.seen_before,
            claimed: asked.claimed,
            has_rival: asked.has_rival,
            readable: false,
        }
    }
}

fn of_bool(same: bool) -> Match {
    if same { Match::Same } else { Match::Different }
}

fn machine(intent: &Intent, record: &MachineAction, filtered: bool) -> Match {
    match record.machine_id.as_ref().map(MachineId::as_str) {
        Some(machine) => of_bool(machine.eq_ignore_ascii_case(intent.machine_id.as_str())),
        None => if_filtered(filtered && !is_odd(record, "machineId")),
    }
}

/// A word that this library does not know can be the service's new one for the same type.
fn action_type(intent: &Intent, record: &MachineAction, filtered: bool) -> Match {
    let ours = ActionType::from(intent.action_type.as_str());
    match &record.action_type {
        stated if stated.as_str().is_empty() => if_filtered(filtered && !is_odd(record, "type")),
        stated if *stated == ours || stated.as_str().eq_ignore_ascii_case(&intent.action_type) => Match::Same,
        ActionType::Unknown(_) => Match::NotStated,
        _ => Match::Different,
    }
}

/// Whether a field holds a value that is no id and no word, such as an object. It states something, and not what is known.
fn is_odd(record: &MachineAction, field: &str) -> bool {
    record.extra.get(field).is_some_and(|value| !value.is_null())
}

fn if_filtered(filtered: bool) -> Match {
    if filtered { Match::Same } else { Match::NotStated }
}

fn external_id(intent: &Intent, record: &MachineAction) -> ExternalIdMatch {
    let stated = record.external_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let generated = intent.has_generated_id();
    match (intent.external_id().map(str::trim), stated) {
        (_, None) => ExternalIdMatch::NotStated,
        (Some(ours), Some(stated)) if generated && ours.eq_ignore_ascii_case(stated) => ExternalIdMatch::Generated,
        (Some(ours), Some(stated)) if ours == stated => ExternalIdMatch::Given,
        (Some(_), Some(stated)) if generated && is_generated_form(stated) => ExternalIdMatch::OtherGenerated,
        (_, Some(_)) => ExternalIdMatch::Other,
    }
}

/// Compares comments. The service is seen to put blanks around them, to change line ends and to cut them.
pub(crate) fn compare_comments(ours: Option<&str>, stated: Option<&str>) -> Match {
    let ours = folded(ours.unwrap_or_default());
    let stated = folded(stated.unwrap_or_default());
    if ours == stated {
        Match::Same
    } else if stated.is_empty() || stated.chars().count() >= LEAST_OF_A_CUT_COMMENT && ours.starts_with(stated.as_str())
    {
        Match::NotStated
    } else {
        Match::Different
    }
}

/// Without blanks around it, and with one form of line ends.
fn folded(comment: &str) -> String {
    comment.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

//! The guards of a plan: exclusions, suitability, and the state by the history.

use std::collections::BTreeMap;

use defender_actions::{
    SuitabilityIssue,
    model::{Machine, MachineId},
};

use super::{
    LeftOutReason,
    settings::{Settings, has_tag},
};
use crate::{FleetAction, reads::key, state::Folded};

/// Most devices that should be contained at a time, by the service's page.
/// Source: <https://learn.microsoft.com/en-us/defender-endpoint/respond-machine-alerts>.
pub(super) const CONTAINED: usize = 100;

/// Warnings of a machine, or the reason to leave it out.
type Judged = Result<Vec<String>, LeftOutReason>;

/// Guards of a plan, and what they noted about all machines.
#[derive(Debug)]
pub(super) struct Guards<'a> {
    settings: &'a Settings,
    action: &'a FleetAction,
    /// Number of machines that each excluded tag left out.
    excluded: Vec<usize>,
    /// Number of machines that each caution concerns.
    cautions: BTreeMap<&'static str, usize>,
}

impl<'a> Guards<'a> {
    pub(super) fn new(settings: &'a Settings, action: &'a FleetAction) -> Self {
        Self { settings, action, excluded: vec![0; settings.excluded_tags.len()], cautions: BTreeMap::new() }
    }

    /// Judges a machine by its record.
    pub(super) fn by_record(&mut self, machine: &Machine) -> Judged {
        let excluded_tags = self.settings.excluded_tags.iter().zip(&mut self.excluded);
        let by: Vec<_> = excluded_tags
            .filter(|(tag, _)| has_tag(machine, tag))
            .map(|(tag, count)| {
                *count += 1;
                format!("tag `{tag}`")
            })
            .collect();
        if !by.is_empty() {
            return Err(LeftOutReason::Excluded { by: by.join(", ") });
        }
        let (mut warnings, mut reasons) = (Vec::new(), Vec::new());
        let issues = SuitabilityIssue::of(&self.action.info(), self.action.isolation_type(), machine);
        for issue in issues {
            match issue {
                SuitabilityIssue::Caution(caution) => *self.cautions.entry(caution).or_default() += 1,
                SuitabilityIssue::Inactive if self.settings.even_if_inactive => warnings.push(issue.to_string()),
                issue => reasons.push(issue.to_string()),
            }
        }
        if !reasons.is_empty() {
            return Err(LeftOutReason::Unsuitable { reasons });
        }
        if machine.is_potential_duplication == Some(true) {
            warnings.push("the machine may have a second record".to_owned());
        }
        let of_tags = self.settings.tag_warnings.iter().filter(|(tag, _)| has_tag(machine, tag));
        warnings.extend(of_tags.map(|(_, warning)| warning.clone()));
        Ok(warnings)
    }

    /// Judges a machine by the history of its actions.
    pub(super) fn by_history(&self, id: &MachineId, folded: &Folded) -> Judged {
        let info = self.action.info();
        let pending = |action_type: &str| {
            folded.pending.iter().find(|pending| pending.action_type.as_str().eq_ignore_ascii_case(action_type))
        };
        if let Some(inverse) = info.inverse.and_then(pending) {
            return Err(LeftOutReason::InversePending { action_id: inverse.action_id.to_string() });
        }
        if let Some(message) = self.not_of_the_run(id, folded) {
            return Err(LeftOutReason::NotOurs { message });
        }
        let mut warnings = Vec::new();
        match self.state(folded) {
            State::Open => {}
            State::Odd(warning) => warnings.push(warning),
            State::Done(message) if self.settings.even_if_already_done => warnings.push(message),
            State::Done(message) => return Err(LeftOutReason::AlreadyDone { message }),
        }
        if let Some(same) = pending(info.action_type) {
            warnings.push(format!(
                "action {} of the same type is {}: the service may return that one or refuse a second one",
                same.action_id, same.status
            ));
        }
        Ok(warnings)
    }

    /// Returns why the state of a machine is not that of the run which is undone: somebody else changed it before the run or after it.
    fn not_of_the_run(&self, id: &MachineId, folded: &Folded) -> Option<String> {
        let ours = self.settings.reverts.as_ref()?.actions.get(&key(id))?;
        let (last, held) = match self.action {
            FleetAction::Isolate(_) => (&folded.last_isolating, None),
            FleetAction::Unisolate(_) => (&folded.last_isolating, folded.isolation.as_ref().map(ToString::to_string)),
            FleetAction::RestrictCodeExecution(_) => (&folded.last_restricting, None),
            FleetAction::UnrestrictCodeExecution(_) => {
                let held = folded.restriction.as_ref().map(|held| format!("restricted since {:.0}", held.since));
                (&folded.last_restricting, held)
            }
            _ => return None,
        };
        let last = last.as_ref()?;
        if !last.action_id.as_str().eq_ignore_ascii_case(ours.as_str()) {
            let state = held.map_or_else(|| "another action has changed it".to_owned(), |held| format!("it is {held}"));
            return Some(format!("{state}: action {} came after action {ours} of the run", last.action_id));
        }
        let before = last.before.as_ref()?;
        Some(format!("action {ours} of the run changed nothing: it was in the state already, by action {before}"))
    }

    fn state(&self, folded: &Folded) -> State {
        let undone = |is_held: bool, ended: &Option<String>, what: &str| match ended {
            _ if is_held => State::Open,
            Some(ended) => State::Done(ended.clone()),
            None => State::Odd(format!("the history shows no {what} of the machine")),
        };
        match self.action {
            FleetAction::Isolate(isolate) => match &folded.isolation {
                None => State::Open,
                Some(held) if held.isolation_type.as_ref().is_none_or(|held| *held == isolate.isolation_type) => {
                    State::Done(format!("it is {held}, by action {}", held.action_id))
                }
                Some(held) => State::Odd(format!("it is {held} already, by action {}", held.action_id)),
            },
            FleetAction::Unisolate(_) => undone(folded.isolation.is_some(), &folded.released, "isolation"),
            FleetAction::RestrictCodeExecution(_) => match &folded.restriction {
                None => State::Open,
                Some(held) => {
                    State::Done(format!("it is restricted since {:.0}, by action {}", held.since, held.action_id))
                }
            },
            FleetAction::UnrestrictCodeExecution(_) => {
                undone(folded.restriction.is_some(), &folded.unrestricted, "restriction")
            }
            _ => State::Open,
        }
    }

    /// Warnings about all machines.
    pub(super) fn warnings(&self) -> Vec<String> {
        let cautions = self.cautions.iter().map(|(caution, machines)| format!("{caution} ({})", counted(*machines)));
        let excluded_tags = self.settings.excluded_tags.iter().zip(&self.excluded);
        let unused = excluded_tags
            .filter(|(_, count)| **count == 0)
            .map(|(tag, _)| format!("the exclusion by tag `{tag}` concerns no target; check its spelling"));
        cautions.chain(unused).collect()
    }
}

/// State of a machine with regard to an action.
enum State {
    /// The action has something to do, as far as is known.
    Open,
    /// The same, with something that a person should know.
    Odd(String),
    /// The machine is in the state already.
    Done(String),
}

/// Number of machines in words.
pub(super) fn counted(machines: usize) -> String {
    if machines == 1 { "1 machine".to_owned() } else { format!("{machines} machines") }
}

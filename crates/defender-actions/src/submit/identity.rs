//! The identity of an action across its records.

use std::sync::Arc;

use defender_model::{ActionType, MachineAction, MachineId};
use jiff::Timestamp;

use super::reconcile::{Comparison, ComparisonInput, Names, Window, is_another};
use crate::{Error, ErrorKind, Intent, UnknownReason, submit::expected::Expected};

/// Facts that later records of an action must not contradict.
#[derive(Clone, Debug, Default)]
pub(crate) enum Identity {
    /// Only the id is known.
    #[default]
    Unknown,
    /// Action of a submission of this client.
    Submitted(Arc<Expected>),
    /// Machine and type that an earlier record stated.
    Recorded(Option<MachineId>, ActionType),
}

impl Identity {
    /// Returns the identity that a record of the action states.
    pub(crate) fn recorded(record: &MachineAction) -> Self {
        Self::Recorded(record.machine_id.clone(), record.action_type.clone())
    }

    /// Fails if `record` belongs to another action than the earlier records, and remembers its machine and type.
    pub(crate) fn check(&mut self, record: &MachineAction) -> Result<(), Error> {
        let is_another = match self {
            Self::Unknown => false,
            Self::Submitted(expected) => contradicts(expected, record),
            Self::Recorded(machine, action_type) => {
                let machine = machine.as_ref().zip(record.machine_id.as_ref());
                let are_known = is_known(action_type) && is_known(&record.action_type);
                machine.is_some_and(|(one, other)| !one.as_str().eq_ignore_ascii_case(other.as_str()))
                    || are_known && *action_type != record.action_type
            }
        };
        if is_another {
            let intent = match self {
                Self::Submitted(expected) => Some(Intent::clone(expected.submission.intent())),
                Self::Unknown | Self::Recorded(..) => None,
            };
            let error = Error::new(ErrorKind::OutcomeUnknown).context(format!("action {}", record.id));
            let error = error.unknown_of(intent, vec![record.clone()], UnknownReason::OtherRecord);
            return Err(error.with_action(Some(record.clone())));
        }
        self.remember(record);
        Ok(())
    }

    fn remember(&mut self, record: &MachineAction) {
        match self {
            Self::Unknown => *self = Self::recorded(record),
            Self::Submitted(_) => {}
            Self::Recorded(machine, action_type) => {
                if machine.is_none() {
                    machine.clone_from(&record.machine_id);
                }
                if !is_known(action_type) {
                    action_type.clone_from(&record.action_type);
                }
            }
        }
    }
}

fn is_known(action_type: &ActionType) -> bool {
    !matches!(action_type, ActionType::Unknown(_))
}

fn contradicts(expected: &Expected, record: &MachineAction) -> bool {
    let window = Window::on_own_clock(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    let input = ComparisonInput {
        submission: &expected.submission,
        rule: &expected.rule,
        names: &Names::default(),
        window: &window,
        filtered: false,
        seen_before: false,
        claimed: false,
        has_rival: false,
        is_recovery: false,
    };
    is_another(&Comparison::of(&input, record), record.status.is_terminal())
}

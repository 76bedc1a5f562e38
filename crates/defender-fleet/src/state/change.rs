//! Changes of the state of machines, one for each action.

use defender_actions::model::{ActionId, ActionStatus, ActionType, IsolationType, MachineAction};
use jiff::Timestamp;

/// Types of the actions that change the state of a machine.
pub(crate) const CHANGING: [ActionType; 4] = [
    ActionType::Isolate,
    ActionType::Unisolate,
    ActionType::RestrictCodeExecution,
    ActionType::UnrestrictCodeExecution,
];

/// Start of 2015. The service did not exist then, so that an earlier date, such as the year 1 of an unset date, states nothing.
const BEFORE_THE_SERVICE: Timestamp = Timestamp::constant(1_420_070_400, 0);

/// Returns a date of a record, if it states one.
pub(crate) fn stated(date: Option<Timestamp>) -> Option<Timestamp> {
    date.filter(|date| *date >= BEFORE_THE_SERVICE)
}

/// One action, as far as it concerns the state of its machine.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) action_id: ActionId,
    pub(crate) action_type: ActionType,
    pub(crate) status: ActionStatus,
    /// Type of an isolation, if the record states it.
    pub(crate) scope: Option<IsolationType>,
    pub(crate) created: Option<Timestamp>,
    /// Time of the last change of the record, which is the end of an action that has ended.
    pub(crate) updated: Option<Timestamp>,
}

impl Change {
    pub(crate) fn of(action: &MachineAction) -> Self {
        let scope = action.scope.as_deref().map(str::trim).filter(|scope| !scope.is_empty());
        Self {
            action_id: action.id.clone(),
            action_type: action.action_type.clone(),
            status: action.status.clone(),
            scope: scope.filter(|_| action.action_type == ActionType::Isolate).map(IsolationType::from),
            created: stated(action.creation_date_time_utc),
            updated: stated(action.last_update_date_time_utc),
        }
    }

    /// Returns whether this record of an action is newer than another one of the same action.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        let progress = |change: &Self| (change.status.is_terminal(), change.updated);
        progress(self) > progress(other)
    }

    /// Time at which the action took effect.
    pub(crate) fn ended(&self) -> Timestamp {
        self.updated.or(self.created).unwrap_or(Timestamp::MIN)
    }
}

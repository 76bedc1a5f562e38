//! The properties of machine actions in a `$filter`.

use jiff::Timestamp;

use crate::{ActionId, ActionStatus, ActionType, MachineAction, MachineId, Property};

/// Properties to filter by, from <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection>.
///
/// ```
/// use defender_model::{ActionType, MachineAction};
///
/// let scans = MachineAction::REQUESTOR.eq("Analyst@contoso.com").and(MachineAction::ACTION_TYPE.eq(ActionType::RunAntiVirusScan));
/// assert_eq!(scans.to_string(), "requestor eq 'Analyst@contoso.com' and type eq 'RunAntiVirusScan'");
/// ```
impl MachineAction {
    /// Id of the action. No page shows a comparison of it; it is written in quotes, as the machine's id is.
    pub const ID: Property<Self, ActionId> = Property::named("id");
    /// Status of the action.
    pub const STATUS: Property<Self, ActionStatus> = Property::named("status");
    /// Id of the machine.
    pub const MACHINE_ID: Property<Self, MachineId> = Property::named("machineId");
    /// Type of the action.
    pub const ACTION_TYPE: Property<Self, ActionType> = Property::named("type");
    /// Requestor of the action: a user's name, or the id of an application.
    pub const REQUESTOR: Property<Self, String> = Property::named("requestor");
    /// Time of the request.
    pub const CREATION_DATE_TIME_UTC: Property<Self, Timestamp> = Property::named("creationDateTimeUtc");
}

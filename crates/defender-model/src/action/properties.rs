//! The properties of machine actions that the service filters by.

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
    /// Its id. No page shows how it is compared; it is written in quotes, as the machine's id is.
    pub const ID: Property<Self, ActionId> = Property::named("id");
    /// How far it is.
    pub const STATUS: Property<Self, ActionStatus> = Property::named("status");
    /// The machine that it is done on.
    pub const MACHINE_ID: Property<Self, MachineId> = Property::named("machineId");
    /// What kind of action it is.
    pub const ACTION_TYPE: Property<Self, ActionType> = Property::named("type");
    /// Who asked for it: a user's name, or the id of an application.
    pub const REQUESTOR: Property<Self, String> = Property::named("requestor");
    /// When it was asked for.
    pub const CREATION_DATE_TIME_UTC: Property<Self, Timestamp> = Property::named("creationDateTimeUtc");
}

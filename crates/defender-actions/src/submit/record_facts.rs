//! Facts of a record, as they are compared.

use std::borrow::Cow;

use defender_model::{ActionId, MachineAction};
use jiff::Timestamp;

/// Returns the id as it is compared: ids of the service are compared in any letter case.
pub(crate) fn lower_id(id: &ActionId) -> Cow<'_, str> {
    let id = id.as_str();
    // A fold that does not end early lets the compiler check many bytes at once.
    let is_lower = id.bytes().fold(true, |all, byte| all & !byte.is_ascii_uppercase());
    if is_lower { id.into() } else { id.to_ascii_lowercase().into() }
}

/// Start of 2015. The service did not exist then, so that an earlier date, such as the year 1 of an unset date, states nothing.
const BEFORE_THE_SERVICE: Timestamp = Timestamp::constant(1_420_070_400, 0);

/// Returns the creation of a record, if it states one.
pub(crate) fn created(record: &MachineAction) -> Option<Timestamp> {
    record.creation_date_time_utc.filter(|created| *created >= BEFORE_THE_SERVICE)
}

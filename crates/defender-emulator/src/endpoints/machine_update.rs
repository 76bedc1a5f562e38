//! Changing a machine's record: its tags and its value.

use http::HeaderMap;

use crate::{
    endpoints::machines,
    http::{
        body::{Fields, choice_of},
        problem::Problem,
        response::ApiResponse,
    },
    service::Service,
    store::{ledger::Effect, machines::Machine},
};

/// The most machines of one call: <https://learn.microsoft.com/defender-endpoint/api/add-or-remove-multiple-machine-tags>.
const BATCH: usize = 500;
/// <https://learn.microsoft.com/defender-endpoint/api/set-device-value>
const VALUES: &[&str] = &["Normal", "Low", "High"];

/// A tag that comes or goes.
struct Tag {
    value: String,
    add: bool,
}

impl Tag {
    fn read(fields: &mut Fields) -> Result<Self, Problem> {
        let value = fields.required("Value")?;
        Ok(Self { value, add: fields.required_word("Action", &["Add", "Remove"])? == "Add" })
    }

    fn apply(&self, machine: &mut Machine) {
        let has = machine.record.machine_tags.contains(&self.value);
        if self.add && !has {
            machine.record.machine_tags.push(self.value.clone());
        } else if !self.add {
            machine.record.machine_tags.retain(|tag| *tag != self.value);
        }
    }
}

/// Handles a POST of `/tags`: <https://learn.microsoft.com/defender-endpoint/api/add-or-remove-machine-tags>.
pub(crate) fn tag(service: &Service, id: &str, headers: &HeaderMap, body: &[u8]) -> Result<ApiResponse, Problem> {
    let tag = Tag::read(&mut Fields::read(headers, body, &["Value", "Action"])?)?;
    change(service, id, |machine| tag.apply(machine))
}

/// Handles a POST of one tag for many machines. That an unknown machine stops it, and before any change, is inferred.
pub(crate) fn tag_many(service: &Service, headers: &HeaderMap, body: &[u8]) -> Result<ApiResponse, Problem> {
    let mut fields = Fields::read(headers, body, &["Value", "Action", "MachineIds"])?;
    let tag = Tag::read(&mut fields)?;
    let ids = fields.texts("MachineIds")?.filter(|ids| !ids.is_empty());
    let ids = ids.ok_or_else(|| Problem::bad("MissingRequiredParameter", "MachineIds is required"))?;
    if ids.len() > BATCH {
        return Err(Problem::bad(
            "MaximumBatchSizeExceeded",
            format!("At most {BATCH} machines may be tagged at once"),
        ));
    }
    let mut world = service.world();
    let find =
        |id: &String| world.machines.find(id).map(|(place, _)| place).ok_or_else(|| Problem::no_such("Machine", id));
    let places = ids.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    for place in places {
        if let Some(machine) = world.machines.get_mut(place) {
            tag.apply(machine);
        }
    }
    let machines = ids.iter().filter_map(|id| world.machines.find(id)).map(|(_, machine)| machine);
    Ok(machines::some(service, &world, machines).with(Effect::Changed))
}

/// Handles a POST of `/setDeviceValue`: <https://learn.microsoft.com/defender-endpoint/api/set-device-value>.
pub(crate) fn value(service: &Service, id: &str, headers: &HeaderMap, body: &[u8]) -> Result<ApiResponse, Problem> {
    let value = Fields::read(headers, body, &["DeviceValue"])?.required_word("DeviceValue", VALUES)?;
    change(service, id, |machine| machine.record.device_value = Some(value.into()))
}

/// Handles a PATCH, whose names begin in lower case:
/// <https://learn.microsoft.com/defender-endpoint/api/update-machine-method>.
pub(crate) fn update(service: &Service, id: &str, headers: &HeaderMap, body: &[u8]) -> Result<ApiResponse, Problem> {
    let mut fields = Fields::read(headers, body, &["machineTags", "deviceValue"])?;
    let tags = fields.texts("machineTags")?;
    let value = fields.text("deviceValue")?.map(|value| choice_of("deviceValue", &value, VALUES)).transpose()?;
    change(service, id, |machine| {
        machine.record.machine_tags = tags.unwrap_or_else(|| std::mem::take(&mut machine.record.machine_tags));
        if let Some(value) = value {
            machine.record.device_value = Some(value.into());
        }
    })
}

fn change(service: &Service, id: &str, change: impl FnOnce(&mut Machine)) -> Result<ApiResponse, Problem> {
    let mut world = service.world();
    let place = world.machines.find(id).map(|(place, _)| place);
    let machine = place.and_then(|place| world.machines.get_mut(place));
    change(machine.ok_or_else(|| Problem::no_such("Machine", id))?);
    let (_, machine) = world.machines.find(id).ok_or_else(|| Problem::no_such("Machine", id))?;
    Ok(machines::entity(service, &world, machine).with(Effect::Changed))
}

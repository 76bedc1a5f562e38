//! Reading machines: one, a list, by address, by tag.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    http::{page::Page, problem::Problem, response::ApiResponse},
    odata::{Kind, Property, Query, Row, Val, pairs},
    service::{Service, World},
    store::{
        actions::Actions,
        machine_record::{Group, Text},
        machines::{Machine, MachineRow, MachineState},
    },
};

/// The properties of a list: <https://learn.microsoft.com/defender-endpoint/api/get-machines>.
const SCHEMA: &[Property] = &[
    Property { name: "computerDnsName", kind: Kind::Text },
    Property { name: "id", kind: Kind::Text },
    Property { name: "version", kind: Kind::Text },
    Property { name: "deviceValue", kind: Kind::Text },
    Property { name: "aadDeviceId", kind: Kind::Text },
    Property { name: "machineTags", kind: Kind::Texts },
    Property { name: "lastSeen", kind: Kind::Date },
    Property { name: "exposureLevel", kind: Kind::Text },
    Property { name: "onboardingStatus", kind: Kind::Text },
    Property { name: "lastIpAddress", kind: Kind::Text },
    Property { name: "healthStatus", kind: Kind::Text },
    Property { name: "osPlatform", kind: Kind::Text },
    Property { name: "riskScore", kind: Kind::Text },
    Property { name: "rbacGroupId", kind: Kind::Number },
];

fn text(text: &str) -> Val<'_> {
    Val::Text(Cow::Borrowed(text))
}

fn optional(value: Option<&Text>) -> Val<'_> {
    value.map_or(Val::Null, |value| text(value))
}

impl Row for MachineRow<'_> {
    fn value(&self, property: usize) -> Val<'_> {
        let record = &self.machine.record;
        match property {
            0 => record.computer_dns_name.as_deref().map_or(Val::Null, text),
            1 => text(&record.id),
            2 => optional(record.version.as_ref()),
            3 => optional(record.device_value.as_ref()),
            4 => record.aad_device_id.as_deref().map_or(Val::Null, text),
            5 => Val::Texts(&record.machine_tags),
            6 => Val::Date(self.machine.last_seen(self.elapsed)),
            7 => optional(record.exposure_level.as_ref()),
            8 => text(self.machine.onboarding(self.onboarded)),
            9 => optional(record.last_ip_address.as_ref()),
            10 => text(self.machine.health(self.elapsed)),
            11 => optional(record.os_platform.as_ref()),
            12 => optional(record.risk_score.as_ref()),
            _ => match &record.rbac_group_id {
                Group::Number(number) => Val::Number(*number),
                Group::Text(digits) => digits.parse().map_or(Val::Null, Val::Number),
                Group::None => Val::Null,
            },
        }
    }
}

impl<'a> MachineRow<'a> {
    fn new(machine: &'a Machine, actions: &Actions, elapsed: Duration) -> Self {
        Self { machine, onboarded: MachineState::of(machine, actions).onboarded, elapsed, context: None }
    }
}

/// Handles a GET of the list, or of how many there are.
pub(crate) fn list(service: &Service, argument: &str, query: &str) -> Result<ApiResponse, Problem> {
    let query = Query::read(query, SCHEMA, service.settings.in_operator)?;
    let world = service.world();
    if world.machines.all().is_empty() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "NotFound", "No recent machines were found"));
    }
    let elapsed = service.clock.elapsed();
    let rows = world.machines.all().iter().map(|machine| MachineRow::new(machine, &world.actions, elapsed));
    if argument == "$count" {
        let rows = rows.filter(|row| query.filter.as_ref().is_none_or(|filter| filter.holds(row)));
        return Ok(ApiResponse::number(rows.count()));
    }
    let page = Page::of(&query, rows, service.settings.page_size, !query.order.is_empty());
    Ok(page.respond(&query, &service.base_url, ("machines", "Machines"), MachineRow::clone))
}

/// Handles a GET of one, by its id or its name.
pub(crate) fn one(service: &Service, id: &str) -> Result<ApiResponse, Problem> {
    let world = service.world();
    let machine = world.machines.find_by_id_or_name(id).ok_or_else(|| Problem::no_such("Machine", id))?;
    Ok(entity(service, &world, machine))
}

/// One machine, with the context that captures have.
pub(crate) fn entity(service: &Service, world: &World, machine: &Machine) -> ApiResponse {
    let context = format!("{}/api/$metadata#Machines/$entity", service.base_url);
    let row = MachineRow::new(machine, &world.actions, service.clock.elapsed());
    ApiResponse::entity(StatusCode::OK, &MachineRow { context: Some(context), ..row })
}

/// These machines, as a list.
pub(crate) fn some<'a>(service: &Service, world: &World, machines: impl Iterator<Item = &'a Machine>) -> ApiResponse {
    let elapsed = service.clock.elapsed();
    let rows: Vec<_> = machines.map(|machine| MachineRow::new(machine, &world.actions, elapsed)).collect();
    let context = format!("{}/api/$metadata#Machines", service.base_url);
    ApiResponse::sized(StatusCode::OK, &List { context, value: &rows }, rows.len())
}

#[derive(Serialize)]
struct List<'a> {
    #[serde(rename = "@odata.context")]
    context: String,
    value: &'a [MachineRow<'a>],
}

/// Handles `findbyip(ip='..',timestamp=..)`: the machines that had the address within a quarter of an hour of the time, which must be
/// within the last 30 days.
///
/// Source: <https://learn.microsoft.com/defender-endpoint/api/find-machines-by-ip>. The codes are inferred.
pub(crate) fn by_ip(service: &Service, arguments: &str) -> Result<ApiResponse, Problem> {
    const AROUND: Duration = Duration::from_secs(15 * 60);
    const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);
    let wrong = || Problem::bad("InvalidInput", "The arguments are ip='{address}',timestamp={time}");
    let (ip, time) = arguments.split_once(",timestamp=").ok_or_else(wrong)?;
    let ip = ip.strip_prefix("ip='").and_then(|ip| ip.strip_suffix('\'')).ok_or_else(wrong)?;
    ip.parse::<IpAddr>().map_err(|_| Problem::bad("InvalidIpAddress", format!("{ip} is not an IP address")))?;
    let time: Timestamp = time.parse().map_err(|_| wrong())?;
    let now = service.clock.now();
    if now.duration_since(time).unsigned_abs() > MONTH {
        return Err(Problem::bad("InvalidInput", "The timestamp must be within the last 30 days"));
    }
    let (from, until) = (time.saturating_sub(AROUND), time.saturating_add(AROUND));
    let (Ok(from), Ok(until)) = (from, until) else { return Err(wrong()) };
    let world = service.world();
    let elapsed = service.clock.elapsed();
    let had = |machine: &&Machine| {
        machine.record.last_ip_address.as_deref() == Some(ip)
            && machine.first_seen() <= until
            && machine.last_seen(elapsed) >= from
    };
    Ok(some(service, &world, world.machines.all().iter().filter(had)))
}

/// Handles `findbytag?tag=..&useStartsWithFilter=..`:
/// <https://learn.microsoft.com/defender-endpoint/api/find-machines-by-tag>.
pub(crate) fn by_tag(service: &Service, query: &str) -> Result<ApiResponse, Problem> {
    let (mut tag, mut starts_with) = (None, false);
    for (name, value) in pairs(query) {
        match name.to_ascii_lowercase().as_str() {
            "tag" => tag = Some(value),
            "usestartswithfilter" => {
                let value = value.to_ascii_lowercase();
                let wrong = |_| Problem::bad("InvalidInput", "useStartsWithFilter is true or false");
                starts_with = value.parse().map_err(wrong)?;
            }
            _ => {}
        }
    }
    let tag = tag.filter(|tag| !tag.is_empty());
    let tag = tag.ok_or_else(|| Problem::bad("MissingRequiredParameter", "tag is required"))?;
    let world = service.world();
    let has = |machine: &&Machine| {
        machine.record.machine_tags.iter().any(|own| if starts_with { own.starts_with(&tag) } else { *own == tag })
    };
    Ok(some(service, &world, world.machines.all().iter().filter(has)))
}

//! Reading machines: one, a list, by address, by tag.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    actions::Actions,
    answer::Answer,
    collection::Page,
    machine::{GROUP, Machine, MachineState},
    odata::{Kind, Property, Query, Row, Val, pairs},
    problem::Problem,
    service::{Service, World},
};

/// What a list may be asked for: <https://learn.microsoft.com/defender-endpoint/api/get-machines>.
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

/// A machine at a moment.
struct At<'a> {
    machine: &'a Machine,
    onboarded: bool,
    elapsed: Duration,
}

impl<'a> At<'a> {
    fn new(machine: &'a Machine, actions: &Actions, elapsed: Duration) -> Self {
        Self { machine, onboarded: MachineState::of(machine, actions, elapsed).onboarded, elapsed }
    }

    fn to_json(&self) -> Value {
        self.machine.row(self.onboarded, self.elapsed)
    }
}

impl Row for At<'_> {
    fn value(&self, property: usize) -> Val<'_> {
        let machine = self.machine;
        let text = match property {
            0 => &*machine.computer_dns_name,
            1 => &*machine.id,
            2 => machine.version,
            3 => &*machine.device_value,
            4 => return machine.aad_device_id.as_deref().map_or(Val::Null, |id| Val::Text(Cow::Borrowed(id))),
            5 => return Val::Texts(&machine.tags),
            6 => return Val::Date(machine.last_seen(self.elapsed)),
            7 => machine.exposure_level,
            8 => Machine::onboarding(self.onboarded),
            9 => &*machine.last_ip_address,
            10 => machine.health(self.elapsed),
            11 => machine.os_platform,
            12 => machine.risk_score,
            _ => return Val::Number(GROUP),
        };
        Val::Text(Cow::Borrowed(text))
    }
}

/// Answers a GET of the list, or of how many there are.
pub(crate) fn list(service: &Service, argument: &str, query: &str) -> Result<Answer, Problem> {
    let query = Query::read(query, SCHEMA)?;
    let world = service.world();
    if world.machines.all().is_empty() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "NotFound", "No recent machines were found"));
    }
    let elapsed = service.clock.elapsed();
    let rows = world.machines.all().iter().map(|machine| At::new(machine, &world.actions, elapsed));
    if argument == "$count" {
        let rows = rows.filter(|row| query.filter.as_ref().is_none_or(|filter| filter.holds(row)));
        return Ok(Answer::number(rows.count()));
    }
    let page = Page::of(&query, rows, service.settings.page_size, !query.order.is_empty());
    Ok(page.answer(&query, &service.base_url, ("machines", "Machines"), At::to_json))
}

/// Answers a GET of one, by its id or its name.
pub(crate) fn one(service: &Service, id: &str) -> Result<Answer, Problem> {
    let world = service.world();
    let machine = world.machines.find_by_id_or_name(id).ok_or_else(|| Problem::no_such("Machine", id))?;
    Ok(entity(service, &world, machine))
}

/// One machine, with the context that captures have.
pub(crate) fn entity(service: &Service, world: &World, machine: &Machine) -> Answer {
    let mut body = json!({ "@odata.context": format!("{}/api/$metadata#Machines/$entity", service.base_url) });
    let row = At::new(machine, &world.actions, service.clock.elapsed()).to_json();
    if let (Some(body), Value::Object(row)) = (body.as_object_mut(), row) {
        body.extend(row);
    }
    Answer::entity(StatusCode::OK, &body)
}

/// These machines, as a list.
pub(crate) fn some<'a>(service: &Service, world: &World, machines: impl Iterator<Item = &'a Machine>) -> Answer {
    let elapsed = service.clock.elapsed();
    let rows: Vec<_> = machines.map(|machine| At::new(machine, &world.actions, elapsed).to_json()).collect();
    let context = format!("{}/api/$metadata#Machines", service.base_url);
    Answer::entity(StatusCode::OK, &json!({ "@odata.context": context, "value": rows }))
}

/// Answers `findbyip(ip='..',timestamp=..)`: who had the address within a quarter of an hour of the time, which must be
/// within the last 30 days.
///
/// Source: <https://learn.microsoft.com/defender-endpoint/api/find-machines-by-ip>. The codes are inferred.
pub(crate) fn by_ip(service: &Service, arguments: &str) -> Result<Answer, Problem> {
    const AROUND: Duration = Duration::from_secs(15 * 60);
    const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);
    let wrong = || Problem::bad("InvalidInput", "The arguments are ip='{address}',timestamp={time}");
    let (ip, time) = arguments.split_once(",timestamp=").ok_or_else(wrong)?;
    let ip = ip.strip_prefix("ip='").and_then(|ip| ip.strip_suffix('\'')).ok_or_else(wrong)?;
    ip.parse::<IpAddr>().map_err(|_| Problem::bad("InvalidIpAddress", format!("{ip} is no IP address")))?;
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
        machine.last_ip_address == ip && machine.first_seen <= until && machine.last_seen(elapsed) >= from
    };
    Ok(some(service, &world, world.machines.all().iter().filter(had)))
}

/// Answers `findbytag?tag=..&useStartsWithFilter=..`:
/// <https://learn.microsoft.com/defender-endpoint/api/find-machines-by-tag>.
pub(crate) fn by_tag(service: &Service, query: &str) -> Result<Answer, Problem> {
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
        machine.tags.iter().any(|own| if starts_with { own.starts_with(&tag) } else { *own == tag })
    };
    Ok(some(service, &world, world.machines.all().iter().filter(has)))
}

//! The machines.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{actions::Actions, identity::MACHINES, spelling::date};

/// How often a machine reports in full, which is when `lastSeen` moves:
/// <https://learn.microsoft.com/defender-endpoint/api/machine>.
const REPORT: Duration = Duration::from_secs(24 * 3_600);

/// One machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) id: Arc<str>,
    pub(crate) computer_dns_name: Arc<str>,
    pub(crate) os_platform: &'static str,
    pub(crate) version: &'static str,
    os_build: Option<i64>,
    pub(crate) last_ip_address: String,
    mac_address: Option<&'static str>,
    pub(crate) aad_device_id: Option<String>,
    pub(crate) risk_score: &'static str,
    pub(crate) exposure_level: &'static str,
    pub(crate) tags: Vec<String>,
    pub(crate) device_value: String,
    pub(crate) first_seen: Timestamp,
    /// Since when it has not been there.
    pub(crate) offline_since: Option<Duration>,
}

/// The group of every machine. Its id is a number on the wire, and a string in the page's table.
pub(crate) const GROUP: i64 = 140;

/// All machines. None is ever taken out, so that its place is a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machines {
    all: Vec<Machine>,
    by_id: HashMap<Arc<str>, usize>,
}

/// What has been done to a machine by its actions, so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineState {
    /// Whether only what Microsoft signed may run on it.
    pub restricted: bool,
    /// How it is isolated: `Full`, `Selective` or `UnManagedDevice`; `None` where it is not.
    pub isolation: Option<String>,
    /// Whether it still reports to the service.
    pub onboarded: bool,
    /// Whether it is there, so that its actions begin.
    pub online: bool,
}

impl Machines {
    /// The machines that every emulator has, and `more`.
    pub(crate) fn new(more: u32, now: Timestamp) -> Self {
        let mut machines = Self::default();
        for (number, (id, name)) in MACHINES.into_iter().enumerate() {
            machines.add(number, id, name, now);
        }
        for number in 0..more {
            // Forty digits, as usual, and each another.
            let id = format!("{:08x}{number:08x}{:024x}", 0x00de_fe0d_u32, u64::from(number).wrapping_mul(0x9e37_79b9));
            let number = usize::try_from(number).unwrap_or(usize::MAX).saturating_add(MACHINES.len());
            machines.add(number, &id, &format!("pc-{number:05}.contoso.example"), now);
        }
        machines
    }

    fn add(&mut self, number: usize, id: &str, name: &str, now: Timestamp) {
        let is_windows = number % 3 != 2;
        let last = number % 250 + 4;
        let machine = Machine {
            id: Arc::from(id),
            computer_dns_name: Arc::from(name),
            os_platform: if is_windows { "Windows10" } else { "RedHatEnterpriseLinux" },
            version: if is_windows { "22H2" } else { "9.5" },
            os_build: is_windows.then_some(19_045),
            last_ip_address: format!("10.0.{}.{last}", number / 250),
            mac_address: is_windows.then_some("00155D0A0B0C"),
            aad_device_id: is_windows.then(|| format!("80fe8ff8-2624-418e-9591-{number:012x}")),
            risk_score: ["Low", "None", "High"].get(number % 3).copied().unwrap_or("None"),
            exposure_level: "Medium",
            tags: if number == 0 {
                vec!["Engineering".to_owned(), "Engineering floor 4".to_owned()]
            } else {
                Vec::new()
            },
            device_value: "Normal".to_owned(),
            first_seen: now,
            offline_since: None,
        };
        self.by_id.insert(Arc::clone(&machine.id), self.all.len());
        self.all.push(machine);
    }

    /// The machine of this id, and its place. A name is none: the actions' pages know ids alone.
    pub(crate) fn find(&self, id: &str) -> Option<(usize, &Machine)> {
        let place = *self.by_id.get(id)?;
        Some((place, self.all.get(place)?))
    }

    /// The machine of this id, or else the first of this name: <https://learn.microsoft.com/defender-endpoint/api/get-machine-by-id>
    /// takes both. Whether the name's letter case matters is not written there; here it does not.
    pub(crate) fn find_by_id_or_name(&self, text: &str) -> Option<&Machine> {
        let named = |machine: &&Machine| machine.computer_dns_name.eq_ignore_ascii_case(text);
        self.find(text).map(|(_, machine)| machine).or_else(|| self.all.iter().find(named))
    }

    pub(crate) fn all(&self) -> &[Machine] {
        &self.all
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut Machine> {
        self.all.get_mut(place)
    }
}

impl Machine {
    /// When it last reported in full: about once a day, for as long as it is there.
    pub(crate) fn last_seen(&self, elapsed: Duration) -> Timestamp {
        let there = self.offline_since.unwrap_or(elapsed);
        let reports = there.as_secs().checked_div(REPORT.as_secs()).unwrap_or(0);
        let since = Duration::from_secs(reports.saturating_mul(REPORT.as_secs()));
        self.first_seen.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    /// The value of `healthStatus`. After how long the service calls a machine inactive is seven days in its portal's
    /// documentation.
    pub(crate) fn health(&self, elapsed: Duration) -> &'static str {
        let gone = self.offline_since.is_some_and(|since| elapsed.saturating_sub(since) >= REPORT.saturating_mul(7));
        if gone { "Inactive" } else { "Active" }
    }

    /// The value of `onboardingStatus`; of a machine that has left, the word is inferred.
    pub(crate) fn onboarding(onboarded: bool) -> &'static str {
        if onboarded { "Onboarded" } else { "CanBeOnboarded" }
    }

    /// The fields of <https://learn.microsoft.com/defender-endpoint/api/machine>, and those that captures have besides.
    pub(crate) fn row(&self, onboarded: bool, elapsed: Duration) -> Value {
        json!({
            "id": *self.id,
            "mergedIntoMachineId": null,
            "isPotentialDuplication": false,
            "isExcluded": false,
            "exclusionReason": null,
            "computerDnsName": *self.computer_dns_name,
            "firstSeen": date(self.first_seen, 7),
            "lastSeen": date(self.last_seen(elapsed), 7),
            "osPlatform": self.os_platform,
            "osVersion": null,
            "osProcessor": "x64",
            "version": self.version,
            "lastIpAddress": self.last_ip_address,
            "lastExternalIpAddress": "203.0.113.7",
            "agentVersion": "10.8760.19045.4291",
            "osBuild": self.os_build,
            "healthStatus": self.health(elapsed),
            "deviceValue": self.device_value,
            "rbacGroupId": GROUP,
            "rbacGroupName": "The-A-Team",
            "riskScore": self.risk_score,
            "exposureLevel": self.exposure_level,
            "isAadJoined": true,
            "aadDeviceId": self.aad_device_id,
            "machineTags": self.tags,
            "onboardingStatus": Self::onboarding(onboarded),
            "osArchitecture": "64-bit",
            "managedBy": if self.aad_device_id.is_some() { "Intune" } else { "Unknown" },
            "managedByStatus": if self.aad_device_id.is_some() { "Success" } else { "Unknown" },
            "defenderAvStatus": "Updated",
            "vmMetadata": null,
            "ipAddresses": [
                {
                    "ipAddress": self.last_ip_address,
                    "macAddress": self.mac_address,
                    "type": "Ethernet",
                    "operationalStatus": "Up",
                },
                // An address may be empty, as captures show.
                { "ipAddress": "", "macAddress": null, "type": "SoftwareLoopback", "operationalStatus": "Down" },
            ],
        })
    }
}

impl MachineState {
    /// What the actions that succeeded have made of it.
    pub(crate) fn of(machine: &Machine, actions: &Actions, elapsed: Duration) -> Self {
        let last = |words: &[&str]| actions.last_success(&machine.id, words, elapsed);
        let restriction = last(&["RestrictCodeExecution", "UnrestrictCodeExecution"]);
        let isolation = last(&["Isolate", "Unisolate"]).filter(|action| action.kind.word == "Isolate");
        Self {
            restricted: restriction.is_some_and(|action| action.kind.word == "RestrictCodeExecution"),
            isolation: isolation.and_then(|action| action.scope).map(str::to_owned),
            onboarded: last(&["Offboard"]).is_none(),
            online: machine.offline_since.is_none(),
        }
    }
}

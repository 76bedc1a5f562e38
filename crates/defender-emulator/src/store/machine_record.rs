//! The record of a machine.

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::wire_format::json_style::Date;

/// The fields of <https://learn.microsoft.com/defender-endpoint/api/machine>, and those that captures have besides. What is
/// left out in a file is as it is of the first machine; null is null.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Record {
    #[serde(rename = "@odata.context")]
    _context: serde::de::IgnoredAny,
    /// Empty where it was left out.
    pub(crate) id: String,
    pub(crate) computer_dns_name: Option<String>,
    pub(crate) merged_into_machine_id: Option<String>,
    pub(crate) is_potential_duplication: bool,
    pub(crate) is_excluded: bool,
    pub(crate) exclusion_reason: Option<String>,
    #[serde(deserialize_with = "time")]
    pub(crate) first_seen: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub(crate) last_seen: Option<Timestamp>,
    pub(crate) os_platform: Option<Text>,
    pub(crate) os_version: Option<Text>,
    pub(crate) os_processor: Option<Text>,
    pub(crate) os_architecture: Option<Text>,
    pub(crate) os_build: Option<i64>,
    pub(crate) version: Option<Text>,
    pub(crate) agent_version: Option<Text>,
    pub(crate) last_ip_address: Option<Text>,
    pub(crate) last_external_ip_address: Option<Text>,
    /// If left out, it follows from the machine's presence.
    pub(crate) health_status: Option<Text>,
    /// If left out, it follows from offboarding.
    pub(crate) onboarding_status: Option<Text>,
    pub(crate) device_value: Option<Text>,
    pub(crate) risk_score: Option<Text>,
    pub(crate) exposure_level: Option<Text>,
    /// A number in responses, and a string in the page's table.
    pub(crate) rbac_group_id: Group,
    pub(crate) rbac_group_name: Option<Text>,
    pub(crate) is_aad_joined: Option<bool>,
    pub(crate) aad_device_id: Option<String>,
    pub(crate) machine_tags: Vec<String>,
    pub(crate) managed_by: Option<Text>,
    pub(crate) managed_by_status: Option<Text>,
    pub(crate) defender_av_status: Option<Text>,
    pub(crate) vm_metadata: Value,
    /// If left out, they are the last address alone.
    pub(crate) ip_addresses: Option<Vec<Address>>,
    /// Not the service's: whether the machine is not there, so that its actions wait.
    pub(crate) offline: bool,
}

/// A text, which is most often one of the program's own.
pub(crate) type Text = Cow<'static, str>;

/// The id of a machine's group.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(untagged)]
pub(crate) enum Group {
    Number(i64),
    Text(String),
    None,
}

/// One of a machine's addresses.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Address {
    #[serde(rename = "ipAddress")]
    ip: Option<String>,
    #[serde(rename = "macAddress")]
    mac: Option<String>,
    #[serde(rename = "type")]
    kind: Option<Text>,
    operational_status: Option<Text>,
}

impl Default for Record {
    fn default() -> Self {
        let text = |text: &'static str| Some(Cow::Borrowed(text));
        Self {
            _context: serde::de::IgnoredAny,
            id: String::new(),
            computer_dns_name: None,
            merged_into_machine_id: None,
            is_potential_duplication: false,
            is_excluded: false,
            exclusion_reason: None,
            first_seen: None,
            last_seen: None,
            os_platform: text("Windows10"),
            os_version: None,
            os_processor: text("x64"),
            os_architecture: text("64-bit"),
            os_build: Some(19_045),
            version: text("22H2"),
            agent_version: text("10.8760.19045.4291"),
            last_ip_address: text("10.0.0.4"),
            last_external_ip_address: text("203.0.113.7"),
            health_status: None,
            onboarding_status: None,
            device_value: text("Normal"),
            risk_score: text("Low"),
            exposure_level: text("Medium"),
            rbac_group_id: Group::Number(140),
            rbac_group_name: text("The-A-Team"),
            is_aad_joined: Some(true),
            aad_device_id: None,
            machine_tags: Vec::new(),
            managed_by: text("Intune"),
            managed_by_status: text("Success"),
            defender_av_status: text("Updated"),
            vm_metadata: Value::Null,
            ip_addresses: None,
            offline: false,
        }
    }
}

impl Record {
    /// The record of the machine of this number among those that are made up.
    pub(crate) fn numbered(number: usize, id: &str, name: &str) -> Self {
        let is_windows = number % 3 != 2;
        let text = |text: &'static str| Some(Cow::Borrowed(text));
        let address = format!("10.0.{}.{}", number / 250, number % 250 + 4);
        let record = Self {
            id: id.to_owned(),
            computer_dns_name: Some(name.to_owned()),
            risk_score: ["Low", "None", "High"].get(number % 3).copied().map(Cow::Borrowed),
            ip_addresses: Some(vec![
                Address {
                    ip: Some(address.clone()),
                    mac: is_windows.then(|| "00155D0A0B0C".to_owned()),
                    kind: text("Ethernet"),
                    operational_status: text("Up"),
                },
                // An address may be empty, as captures show.
                Address {
                    ip: Some(String::new()),
                    mac: None,
                    kind: text("SoftwareLoopback"),
                    operational_status: text("Down"),
                },
            ]),
            last_ip_address: Some(Cow::Owned(address)),
            ..Self::default()
        };
        if is_windows {
            let device = format!("80fe8ff8-2624-418e-9591-{number:012x}");
            return Self { aad_device_id: Some(device), ..record };
        }
        Self {
            os_platform: text("RedHatEnterpriseLinux"),
            version: text("9.5"),
            os_build: None,
            managed_by: text("Unknown"),
            managed_by_status: text("Unknown"),
            ..record
        }
    }

    /// Writes all fields, with those that follow from the clock.
    pub(crate) fn write<M: SerializeMap>(&self, map: &mut M, live: &Live<'_>) -> Result<(), M::Error> {
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("mergedIntoMachineId", &self.merged_into_machine_id)?;
        map.serialize_entry("isPotentialDuplication", &self.is_potential_duplication)?;
        map.serialize_entry("isExcluded", &self.is_excluded)?;
        map.serialize_entry("exclusionReason", &self.exclusion_reason)?;
        map.serialize_entry("computerDnsName", &self.computer_dns_name)?;
        map.serialize_entry("firstSeen", &live.first_seen.map(|time| Date(time, 7)))?;
        map.serialize_entry("lastSeen", &live.last_seen.map(|time| Date(time, 7)))?;
        map.serialize_entry("osPlatform", &self.os_platform)?;
        map.serialize_entry("osVersion", &self.os_version)?;
        map.serialize_entry("osProcessor", &self.os_processor)?;
        map.serialize_entry("version", &self.version)?;
        map.serialize_entry("lastIpAddress", &self.last_ip_address)?;
        map.serialize_entry("lastExternalIpAddress", &self.last_external_ip_address)?;
        map.serialize_entry("agentVersion", &self.agent_version)?;
        map.serialize_entry("osBuild", &self.os_build)?;
        map.serialize_entry("healthStatus", live.health)?;
        map.serialize_entry("deviceValue", &self.device_value)?;
        map.serialize_entry("rbacGroupId", &self.rbac_group_id)?;
        map.serialize_entry("rbacGroupName", &self.rbac_group_name)?;
        map.serialize_entry("riskScore", &self.risk_score)?;
        map.serialize_entry("exposureLevel", &self.exposure_level)?;
        map.serialize_entry("isAadJoined", &self.is_aad_joined)?;
        map.serialize_entry("aadDeviceId", &self.aad_device_id)?;
        map.serialize_entry("machineTags", &self.machine_tags)?;
        map.serialize_entry("onboardingStatus", live.onboarding)?;
        map.serialize_entry("osArchitecture", &self.os_architecture)?;
        map.serialize_entry("managedBy", &self.managed_by)?;
        map.serialize_entry("managedByStatus", &self.managed_by_status)?;
        map.serialize_entry("defenderAvStatus", &self.defender_av_status)?;
        map.serialize_entry("vmMetadata", &self.vm_metadata)?;
        map.serialize_entry("ipAddresses", &Addresses(self))
    }
}

/// The fields of a machine that follow from the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live<'a> {
    pub(crate) first_seen: Option<Timestamp>,
    pub(crate) last_seen: Option<Timestamp>,
    pub(crate) health: &'a str,
    pub(crate) onboarding: &'a str,
}

struct Addresses<'a>(&'a Record);

impl Serialize for Addresses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(addresses) = &self.0.ip_addresses {
            return addresses.serialize(serializer);
        }
        let last = self.0.last_ip_address.as_deref().map(|last| Address {
            ip: Some(last.to_owned()),
            mac: None,
            kind: Some(Cow::Borrowed("Ethernet")),
            operational_status: Some(Cow::Borrowed("Up")),
        });
        serializer.collect_seq(last)
    }
}

/// A date as the service writes it, or null.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let parsed = text.map(|text| text.parse().map_err(|_| serde::de::Error::custom(format!("{text} is not a date"))));
    parsed.transpose()
}

/// The interval of a machine's full reports, at which `lastSeen` moves:
/// <https://learn.microsoft.com/defender-endpoint/api/machine>.
pub(crate) const REPORT: Duration = Duration::from_secs(24 * 3_600);

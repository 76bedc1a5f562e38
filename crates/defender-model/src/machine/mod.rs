//! The record of one machine.

pub(crate) mod entra_device_id;
pub(crate) mod name;
pub(crate) mod properties;
pub(crate) mod state;
pub(crate) mod tags;
pub(crate) mod update;
pub(crate) mod value;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    DeviceValue, ExposureLevel, HealthStatus, MachineId, OnboardingStatus, RiskScore, wire::resource::resource,
};

resource! {
    /// The record of one machine.
    ///
    /// Its fields are those of its page (<https://learn.microsoft.com/en-us/defender-endpoint/api/machine>) and those that
    /// the service sends beside them. All but the id may be missing. What is not known here, or not of the shape that is
    /// known, is in [`extra`](Self::extra); encoding gives it back.
    ///
    /// ```
    /// use defender_model::{HealthStatus, Machine};
    ///
    /// let machine: Machine = serde_json::from_str(r#"{
    ///     "id": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
    ///     "computerDnsName": "ws-eng-04.contoso.com",
    ///     "healthStatus": "Active",
    ///     "machineTags": null,
    ///     "rbacGroupId": "140"
    /// }"#)?;
    /// assert_eq!(machine.health_status, Some(HealthStatus::Active));
    /// assert_eq!(machine.rbac_group_id, Some(140));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct Machine ("a machine") {
        [required]
        /// Its id: neither its name nor [`aad_device_id`](Self::aad_device_id).
        id: MachineId = "id" ,
        /// Its name, in whatever letter case; not always a DNS name, and not always its alone.
        computer_dns_name: Option<String> = "computerDnsName",
        /// When the service first saw it.
        first_seen: Option<Timestamp> = "firstSeen",
        /// When it last sent a full report, which it does about once a day; not the portal's *last seen*.
        last_seen: Option<Timestamp> = "lastSeen",
        /// Its system, such as `Windows11`.
        os_platform: Option<String> = "osPlatform",
        /// Null in every record seen so far. Not in the service's page.
        os_version: Option<String> = "osVersion",
        /// `x64` and the like. Deprecated by the service for [`os_architecture`](Self::os_architecture).
        os_processor: Option<String> = "osProcessor",
        /// `32-bit` or `64-bit`.
        os_architecture: Option<String> = "osArchitecture",
        /// The system's version, such as `22H2`.
        version: Option<String> = "version",
        /// The system's build. Some systems have none, or a small one.
        os_build: Option<i64> = "osBuild",
        /// Whether it is in the service.
        onboarding_status: Option<OnboardingStatus> = "onboardingStatus" | "onboardingstatus",
        /// How well its sensor is.
        health_status: Option<HealthStatus> = "healthStatus",
        /// Its address in its own network.
        last_ip_address: Option<String> = "lastIpAddress",
        /// Its address as the internet sees it.
        last_external_ip_address: Option<String> = "lastExternalIpAddress",
        /// Its addresses.
        ip_addresses: Option<Vec<IpAddress>> = "ipAddresses",
        /// The group that decides who may act on it. A number in every record seen, text in the page; either is taken.
        rbac_group_id: Option<i64> = "rbacGroupId",
        /// The group's name.
        rbac_group_name: Option<String> = "rbacGroupName",
        /// How likely it is in danger.
        risk_score: Option<RiskScore> = "riskScore",
        /// How exposed it is.
        exposure_level: Option<ExposureLevel> = "exposureLevel",
        /// How much it matters.
        device_value: Option<DeviceValue> = "deviceValue",
        /// Its tags.
        machine_tags: Option<Vec<String>> = "machineTags",
        /// Its id in Entra, which is another than [`id`](Self::id). May be missing from a machine that is joined.
        aad_device_id: Option<String> = "aadDeviceId",
        /// Whether it is joined to Entra. Not in the service's page.
        is_aad_joined: Option<bool> = "isAadJoined",
        /// The machine that this record was merged into. Not in the service's page.
        merged_into_machine_id: Option<String> = "mergedIntoMachineId",
        /// Whether it may be another record of the same machine. Not in the service's page.
        is_potential_duplication: Option<bool> = "isPotentialDuplication",
        /// Whether it is left out of the exposure scores. Not in the service's page.
        is_excluded: Option<bool> = "isExcluded",
        /// Why it is left out: `InactiveDevice`, `DuplicateDevice`, `DeviceDoesNotExist`, `DeviceOutOfScope` or `Other`. Not in the
        /// service's page; the words are from its OData metadata.
        exclusion_reason: Option<String> = "exclusionReason",
        /// The sensor's version. Not in the service's page.
        agent_version: Option<String> = "agentVersion",
        /// How its antivirus is, such as `Updated`. In neither the service's page nor its metadata.
        defender_av_status: Option<String> = "defenderAvStatus",
        /// What manages it: `Intune`, `SystemCenterConfigurationManager`, `MicrosoftDefenderForEndpoint` or `Unknown`. Not in the
        /// service's page; the words are from its OData metadata.
        managed_by: Option<String> = "managedBy",
        /// How that goes: `Success`, `Error` or `Unknown`. Not in the service's page; the words are from its OData metadata.
        managed_by_status: Option<String> = "managedByStatus",
        /// What its cloud says of it: `vmId`, `cloudProvider`, `resourceId` and `subscriptionId`, by the service's OData metadata.
        vm_metadata: Option<Value> = "vmMetadata",
    }
}

resource! {
    /// One address of a machine. Any of its fields may be missing or empty.
    pub struct IpAddress ("an address of a machine") {
        /// The address, of either version; may be empty.
        ip_address: Option<String> = "ipAddress",
        /// The hardware address.
        mac_address: Option<String> = "macAddress",
        /// What it is an address of, such as `Ethernet`, `IEEE80211`, `PPP`, `Tunnel`, `SoftwareLoopback` or `Other`.
        interface_type: Option<String> = "type",
        /// `Up`, `Down`, `Testing`, `Dormant`, `Present`, `LowerLayerDown` or `Unknown`.
        operational_status: Option<String> = "operationalStatus",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_live_record_is_read_whole_and_given_back() {
        let live = json!({
            "id": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
            "mergedIntoMachineId": "a", "isPotentialDuplication": false, "isExcluded": true, "exclusionReason": "r",
            "computerDnsName": "Max Mustermann iPadAir", "firstSeen": "2025-03-01T09:15:00.123456Z",
            "lastSeen": "2025-03-02T09:15:00.1234567Z", "osPlatform": "iOS", "osVersion": "17", "osProcessor": "x64",
            "version": "22H2", "lastIpAddress": "10.0.0.1", "lastExternalIpAddress": "2001:db8::1",
            "agentVersion": "10.8", "osBuild": 6, "healthStatus": "Unknown", "deviceValue": "High",
            "rbacGroupId": 0, "rbacGroupName": "g", "riskScore": "Informational", "exposureLevel": "None",
            "isAadJoined": true, "aadDeviceId": "80fe8ff8", "machineTags": [], "onboardingStatus": "Onboarded",
            "osArchitecture": "64-bit", "managedBy": "Intune", "managedByStatus": "Success", "defenderAvStatus": "Updated",
            "ipAddresses": [{"ipAddress": "", "macAddress": "00", "type": "Ethernet", "operationalStatus": "Up"}],
            "vmMetadata": {"vmId": "v"},
        });
        let machine: Machine = serde_json::from_value(live.clone()).unwrap();
        assert!(machine.extra.is_empty(), "{:?}", machine.extra);
        assert_eq!(machine.ip_addresses.as_ref().unwrap()[0].interface_type.as_deref(), Some("Ethernet"));
        assert_eq!(serde_json::to_value(machine).unwrap(), live);
    }

    #[test]
    fn the_spelling_of_the_page_is_taken_too() {
        let json = json!({"id": "a", "onboardingstatus": "onboarded"});
        let machine: Machine = serde_json::from_value(json).unwrap();
        assert_eq!(machine.onboarding_status, Some(OnboardingStatus::Onboarded));
        assert_eq!(serde_json::to_value(machine).unwrap(), json!({"id": "a", "onboardingStatus": "Onboarded"}));
    }
}

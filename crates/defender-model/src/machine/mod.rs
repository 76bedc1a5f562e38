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
    /// The fields are those of the service's page (<https://learn.microsoft.com/en-us/defender-endpoint/api/machine>), and
    /// further ones that the service sends. Every field except the id may be missing. Unknown fields, and fields of an
    /// unexpected shape, are in [`extra`](Self::extra) and are written back by serialization.
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
        /// Id of the machine: neither the name nor [`aad_device_id`](Self::aad_device_id).
        id: MachineId = "id" ,
        /// Name of the machine, in any letter case. Not always a DNS name, and not always unique.
        computer_dns_name: Option<String> = "computerDnsName",
        /// Time at which the service first saw the machine.
        first_seen: Option<Timestamp> = "firstSeen",
        /// Time of the last full report, which a machine sends about once a day. Not the portal's *last seen*.
        last_seen: Option<Timestamp> = "lastSeen",
        /// Operating system, such as `Windows11`.
        os_platform: Option<String> = "osPlatform",
        /// Null in every record seen so far. Not on the service's page.
        os_version: Option<String> = "osVersion",
        /// Processor, such as `x64`. The service has deprecated it in favor of [`os_architecture`](Self::os_architecture).
        os_processor: Option<String> = "osProcessor",
        /// `32-bit` or `64-bit`.
        os_architecture: Option<String> = "osArchitecture",
        /// Version of the operating system, such as `22H2`.
        version: Option<String> = "version",
        /// Build of the operating system. Some systems have no build, or a small number.
        os_build: Option<i64> = "osBuild",
        /// Onboarding status of the machine.
        onboarding_status: Option<OnboardingStatus> = "onboardingStatus" | "onboardingstatus",
        /// Health of the sensor.
        health_status: Option<HealthStatus> = "healthStatus",
        /// Last address in the local network.
        last_ip_address: Option<String> = "lastIpAddress",
        /// Last address on the internet.
        last_external_ip_address: Option<String> = "lastExternalIpAddress",
        /// Addresses of the machine.
        ip_addresses: Option<Vec<IpAddress>> = "ipAddresses",
        /// Machine group, which controls access to the machine. A number in every record seen, text on the service's page; both
        /// are accepted.
        rbac_group_id: Option<i64> = "rbacGroupId",
        /// Name of the machine group.
        rbac_group_name: Option<String> = "rbacGroupName",
        /// Risk score of the machine.
        risk_score: Option<RiskScore> = "riskScore",
        /// Exposure level of the machine.
        exposure_level: Option<ExposureLevel> = "exposureLevel",
        /// Value of the machine to the organization.
        device_value: Option<DeviceValue> = "deviceValue",
        /// Tags of the machine.
        machine_tags: Option<Vec<String>> = "machineTags",
        /// Entra device id, which differs from [`id`](Self::id). May be missing although the machine is joined.
        aad_device_id: Option<String> = "aadDeviceId",
        /// `true` if the machine is joined to Entra. Not on the service's page.
        is_aad_joined: Option<bool> = "isAadJoined",
        /// Id of the machine into which this record was merged. Not on the service's page.
        merged_into_machine_id: Option<String> = "mergedIntoMachineId",
        /// `true` if this may be a second record of the same machine. Not on the service's page.
        is_potential_duplication: Option<bool> = "isPotentialDuplication",
        /// `true` if the machine is excluded from the exposure scores. Not on the service's page.
        is_excluded: Option<bool> = "isExcluded",
        /// Reason for the exclusion: `InactiveDevice`, `DuplicateDevice`, `DeviceDoesNotExist`, `DeviceOutOfScope` or `Other`. Not
        /// on the service's page; the values are from the OData metadata.
        exclusion_reason: Option<String> = "exclusionReason",
        /// Version of the sensor. Not on the service's page.
        agent_version: Option<String> = "agentVersion",
        /// Status of the antivirus, such as `Updated`. Neither on the service's page nor in the OData metadata.
        defender_av_status: Option<String> = "defenderAvStatus",
        /// Management tool: `Intune`, `SystemCenterConfigurationManager`, `MicrosoftDefenderForEndpoint` or `Unknown`. Not on the
        /// service's page; the values are from the OData metadata.
        managed_by: Option<String> = "managedBy",
        /// Status of the management: `Success`, `Error` or `Unknown`. Not on the service's page; the values are from the OData
        /// metadata.
        managed_by_status: Option<String> = "managedByStatus",
        /// Cloud metadata of the machine: `vmId`, `cloudProvider`, `resourceId` and `subscriptionId`, by the service's OData
        /// metadata.
        vm_metadata: Option<Value> = "vmMetadata",
    }
}

resource! {
    /// One address of a machine. Each field may be missing or empty.
    pub struct IpAddress ("an address of a machine") {
        /// IPv4 or IPv6 address; may be empty.
        ip_address: Option<String> = "ipAddress",
        /// Hardware address.
        mac_address: Option<String> = "macAddress",
        /// Type of the interface, such as `Ethernet`, `IEEE80211`, `PPP`, `Tunnel`, `SoftwareLoopback` or `Other`.
        interface_type: Option<String> = "type",
        /// Status: `Up`, `Down`, `Testing`, `Dormant`, `Present`, `LowerLayerDown` or `Unknown`.
        operational_status: Option<String> = "operationalStatus",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn live_record_survives_a_round_trip() {
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
    fn documented_spelling_is_accepted() {
        let json = json!({"id": "a", "onboardingstatus": "onboarded"});
        let machine: Machine = serde_json::from_value(json).unwrap();
        assert_eq!(machine.onboarding_status, Some(OnboardingStatus::Onboarded));
        assert_eq!(serde_json::to_value(machine).unwrap(), json!({"id": "a", "onboardingStatus": "Onboarded"}));
    }
}

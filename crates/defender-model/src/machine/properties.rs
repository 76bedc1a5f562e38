//! The properties of machines in a `$filter`.

use jiff::Timestamp;

use crate::{
    DeviceValue, EntraDeviceId, ExposureLevel, HealthStatus, Machine, MachineId, OnboardingStatus, Property, RiskScore,
};

/// Properties to filter by, from <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines>.
///
/// ```
/// use defender_model::{HealthStatus, Machine};
///
/// let silent = Machine::HEALTH_STATUS.ne(HealthStatus::Active).and(Machine::COMPUTER_DNS_NAME.starts_with("ws-"));
/// assert_eq!(silent.to_string(), "healthStatus ne 'Active' and startswith(computerDnsName,'ws-')");
/// ```
///
/// A filter for machines does not compile in a query for actions:
///
/// ```compile_fail,E0308
/// # use defender_model::{Machine, MachineAction, Query};
/// Query::<MachineAction>::new().filter(Machine::VERSION.eq("22H2"));
/// ```
impl Machine {
    /// Name of the machine. The service does not document if letter case matters.
    pub const COMPUTER_DNS_NAME: Property<Self, String> = Property::named("computerDnsName");
    /// Id of the machine.
    pub const ID: Property<Self, MachineId> = Property::named("id");
    /// Version of the operating system, such as `22H2`.
    pub const VERSION: Property<Self, String> = Property::named("version");
    /// Value of the machine to the organization.
    pub const DEVICE_VALUE: Property<Self, DeviceValue> = Property::named("deviceValue");
    /// Entra device id. No page shows a comparison of it; it is written without quotes, as OData writes a GUID. Other clients
    /// send it with and without quotes.
    pub const AAD_DEVICE_ID: Property<Self, EntraDeviceId> = Property::named("aadDeviceId");
    /// Tags of the machine: see [`contains`](Property::contains).
    pub const MACHINE_TAGS: Property<Self, Vec<String>> = Property::named("machineTags");
    /// Time of the last full report.
    pub const LAST_SEEN: Property<Self, Timestamp> = Property::named("lastSeen");
    /// Exposure level of the machine.
    pub const EXPOSURE_LEVEL: Property<Self, ExposureLevel> = Property::named("exposureLevel");
    /// Onboarding status of the machine.
    pub const ONBOARDING_STATUS: Property<Self, OnboardingStatus> = Property::named("onboardingStatus");
    /// Last address in the local network.
    pub const LAST_IP_ADDRESS: Property<Self, String> = Property::named("lastIpAddress");
    /// Health of the sensor.
    pub const HEALTH_STATUS: Property<Self, HealthStatus> = Property::named("healthStatus");
    /// Operating system, such as `Windows11`.
    pub const OS_PLATFORM: Property<Self, String> = Property::named("osPlatform");
    /// Risk score of the machine.
    pub const RISK_SCORE: Property<Self, RiskScore> = Property::named("riskScore");
    /// Machine group, which controls access to the machine: a number, written without quotes, as other clients send it.
    pub const RBAC_GROUP_ID: Property<Self, i64> = Property::named("rbacGroupId");
}

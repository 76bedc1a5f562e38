//! The properties of machines that the service filters by.

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
/// A filter of machines is not taken where one of actions belongs:
///
/// ```compile_fail,E0308
/// # use defender_model::{Machine, MachineAction, Query};
/// Query::<MachineAction>::new().filter(Machine::VERSION.eq("22H2"));
/// ```
impl Machine {
    /// Its name. Whether letter case counts is not documented.
    pub const COMPUTER_DNS_NAME: Property<Self, String> = Property::named("computerDnsName");
    /// Its id.
    pub const ID: Property<Self, MachineId> = Property::named("id");
    /// The system's version, such as `22H2`.
    pub const VERSION: Property<Self, String> = Property::named("version");
    /// How much it matters.
    pub const DEVICE_VALUE: Property<Self, DeviceValue> = Property::named("deviceValue");
    /// Its id in Entra. No page shows how it is compared; it is written bare, as OData writes a GUID. Other clients are
    /// seen to send it bare and in quotes.
    pub const AAD_DEVICE_ID: Property<Self, EntraDeviceId> = Property::named("aadDeviceId");
    /// Its tags: see [`contains`](Property::contains).
    pub const MACHINE_TAGS: Property<Self, Vec<String>> = Property::named("machineTags");
    /// When it last sent a full report.
    pub const LAST_SEEN: Property<Self, Timestamp> = Property::named("lastSeen");
    /// How exposed it is.
    pub const EXPOSURE_LEVEL: Property<Self, ExposureLevel> = Property::named("exposureLevel");
    /// Whether it is in the service.
    pub const ONBOARDING_STATUS: Property<Self, OnboardingStatus> = Property::named("onboardingStatus");
    /// Its address in its own network.
    pub const LAST_IP_ADDRESS: Property<Self, String> = Property::named("lastIpAddress");
    /// How well its sensor is.
    pub const HEALTH_STATUS: Property<Self, HealthStatus> = Property::named("healthStatus");
    /// Its system, such as `Windows11`.
    pub const OS_PLATFORM: Property<Self, String> = Property::named("osPlatform");
    /// How likely it is in danger.
    pub const RISK_SCORE: Property<Self, RiskScore> = Property::named("riskScore");
    /// The group that decides who may act on it: a number, written bare, as other clients are seen to send it.
    pub const RBAC_GROUP_ID: Property<Self, i64> = Property::named("rbacGroupId");
}

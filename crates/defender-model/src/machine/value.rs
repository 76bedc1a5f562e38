//! The value of a machine to the organization.

use serde::Serialize;

use crate::wire::open_enum::open_enum;

open_enum! {
    /// Value of a machine to the organization.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/set-device-value>.
    DeviceValue {
        /// The same value as other machines.
        Normal = "Normal",
        /// A lower value.
        Low = "Low",
        /// A higher value.
        High = "High",
    }
}

/// The body of *set device value*: `POST /api/machines/{id}/setDeviceValue`. The response is the machine.
///
/// Permission `Machine.ReadWrite.All`, on behalf of a user `Machine.ReadWrite`.
///
/// ```
/// use defender_model::{DeviceValue, SetDeviceValue};
///
/// let request = SetDeviceValue::new(DeviceValue::High);
/// assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"DeviceValue":"High"}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct SetDeviceValue {
    /// New value of the machine.
    pub device_value: DeviceValue,
}

impl SetDeviceValue {
    /// Creates the request.
    #[must_use]
    pub fn new(device_value: DeviceValue) -> Self {
        Self { device_value }
    }
}

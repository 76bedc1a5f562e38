//! How much a machine matters.

use serde::Serialize;

use crate::wire::open_enum::open_enum;

open_enum! {
    /// How much a machine matters to its organisation.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/set-device-value>.
    DeviceValue {
        /// As others.
        Normal = "Normal",
        /// Less than others.
        Low = "Low",
        /// More than others.
        High = "High",
    }
}

/// The body of *set device value*: `POST /api/machines/{id}/setDeviceValue`, answered by the machine.
///
/// Permission `Machine.ReadWrite.All`, of a user `Machine.ReadWrite`.
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
    /// The new value.
    pub device_value: DeviceValue,
}

impl SetDeviceValue {
    /// The request with the new value.
    #[must_use]
    pub fn new(device_value: DeviceValue) -> Self {
        Self { device_value }
    }
}

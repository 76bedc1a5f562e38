//! The request that updates a machine.

use serde::Serialize;

use crate::DeviceValue;

/// The body of *update machine*: `PATCH /api/machines/{id}`. The response is the machine. A field that is not set is not sent,
/// and does not change.
///
/// The names are in camel case, unlike those of the actions. Permission `Machine.ReadWrite.All`, on behalf of a user
/// `Machine.ReadWrite`. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/update-machine-method>.
///
/// ```
/// use defender_model::{DeviceValue, UpdateMachine};
///
/// let request = UpdateMachine::new().device_value(DeviceValue::Normal).machine_tags(["Demo Device", "Windows 10"]);
/// assert_eq!(
///     serde_json::to_string(&request).unwrap(),
///     r#"{"machineTags":["Demo Device","Windows 10"],"deviceValue":"Normal"}"#
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateMachine {
    /// New list of all tags; an empty list removes all tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_tags: Option<Vec<String>>,
    /// New value of the machine to the organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_value: Option<DeviceValue>,
}

impl UpdateMachine {
    /// Creates a request that changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces all tags.
    #[must_use]
    pub fn machine_tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.machine_tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the value of the machine to the organization.
    #[must_use]
    pub fn device_value(mut self, device_value: DeviceValue) -> Self {
        self.device_value = Some(device_value);
        self
    }
}

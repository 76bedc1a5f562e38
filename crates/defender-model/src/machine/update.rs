//! Change what is kept about a machine.

use serde::Serialize;

use crate::DeviceValue;

/// The body of *update machine*: `PATCH /api/machines/{id}`, answered by the machine. What is not set is not sent, and stays
/// as it is.
///
/// Its names are in camel case, unlike those of the actions. Permission `Machine.ReadWrite.All`, of a user
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
    /// All the tags that it is to have; an empty list takes all off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_tags: Option<Vec<String>>,
    /// How much it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_value: Option<DeviceValue>,
}

impl UpdateMachine {
    /// A request that changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces all the tags.
    #[must_use]
    pub fn machine_tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.machine_tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how much it matters.
    #[must_use]
    pub fn device_value(mut self, device_value: DeviceValue) -> Self {
        self.device_value = Some(device_value);
        self
    }
}

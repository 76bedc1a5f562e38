//! Tags of machines.

use serde::Serialize;

use crate::{Error, ErrorKind, MachineId};

/// Change of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum TagAction {
    /// Adds the tag to the machine.
    Add,
    /// Removes the tag from the machine.
    Remove,
}

/// The body of *add or remove machine tags*: `POST /api/machines/{id}/tags`. The response is the machine.
///
/// Permission `Machine.ReadWrite.All`, on behalf of a user `Machine.ReadWrite`. Source:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/add-or-remove-machine-tags>.
///
/// ```
/// use defender_model::{TagMachine, TagAction};
///
/// let request = TagMachine::new("under investigation", TagAction::Add)?;
/// assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"Value":"under investigation","Action":"Add"}"#);
/// # Ok::<(), defender_model::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct TagMachine {
    /// Text of the tag.
    pub value: String,
    /// Change of the tag.
    pub action: TagAction,
}

impl TagMachine {
    /// Creates the request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTag`] if the tag is empty or blank.
    pub fn new(value: impl Into<String>, action: TagAction) -> Result<Self, Error> {
        Ok(Self { value: checked(value.into())?, action })
    }
}

/// The body of *add or remove a tag for multiple machines*: `POST /api/machines/AddOrRemoveTagForMultipleMachines`. The
/// response is the list of the machines.
///
/// Permission `Machine.ReadWrite.All`, on behalf of a user `Machine.ReadWrite`. Source:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/add-or-remove-multiple-machine-tags>.
///
/// ```
/// use defender_model::{TagMachines, TagAction};
///
/// let request = TagMachines::new("under investigation", TagAction::Remove, ["a1".parse()?, "b2".parse()?])?;
/// assert_eq!(
///     serde_json::to_string(&request).unwrap(),
///     r#"{"Value":"under investigation","Action":"Remove","MachineIds":["a1","b2"]}"#
/// );
/// # Ok::<(), defender_model::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct TagMachines {
    /// Text of the tag.
    pub value: String,
    /// Change of the tag.
    pub action: TagAction,
    /// Ids of the machines.
    pub machine_ids: Vec<MachineId>,
}

impl TagMachines {
    /// Largest number of machines in one request.
    pub const LIMIT: usize = 500;

    /// Creates the request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTag`] if the tag is empty or blank, if there is no machine, or if there are more than
    /// [`LIMIT`](Self::LIMIT).
    pub fn new(
        value: impl Into<String>,
        action: TagAction,
        machine_ids: impl IntoIterator<Item = MachineId>,
    ) -> Result<Self, Error> {
        let machine_ids: Vec<_> = machine_ids.into_iter().collect();
        if machine_ids.is_empty() || machine_ids.len() > Self::LIMIT {
            let what = format!("cannot tag {} machines in one request; give 1 to {}", machine_ids.len(), Self::LIMIT);
            return Err(Error::new(ErrorKind::InvalidTag, what));
        }
        Ok(Self { value: checked(value.into())?, action, machine_ids })
    }
}

fn checked(tag: String) -> Result<String, Error> {
    if tag.trim().is_empty() {
        return Err(Error::new(ErrorKind::InvalidTag, "the tag is empty; give the text of the tag"));
    }
    Ok(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_tag_requests_are_refused() {
        let machines = |count: usize| (0..count).map(|n| n.to_string().parse().unwrap()).collect::<Vec<MachineId>>();
        assert!(TagMachine::new(" ", TagAction::Add).is_err());
        assert!(TagMachines::new("", TagAction::Add, machines(1)).is_err());
        assert!(TagMachines::new("x", TagAction::Add, machines(0)).is_err());
        assert!(TagMachines::new("x", TagAction::Add, machines(501)).unwrap_err().to_string().contains("1 to 500"));
        TagMachines::new("x", TagAction::Add, machines(500)).unwrap();
    }
}

//! Tags of machines.

use serde::Serialize;

use crate::{Error, ErrorKind, MachineId};

/// What is done with a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum TagAction {
    /// The machine is given it.
    Add,
    /// It is taken off the machine.
    Remove,
}

/// The body of *add or remove machine tags*: `POST /api/machines/{id}/tags`, answered by the machine.
///
/// Permission `Machine.ReadWrite.All`, of a user `Machine.ReadWrite`. Source:
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
    /// The tag.
    pub value: String,
    /// What is done with it.
    pub action: TagAction,
}

impl TagMachine {
    /// The request with its tag.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTag`] where the tag is empty or blank.
    pub fn new(value: impl Into<String>, action: TagAction) -> Result<Self, Error> {
        Ok(Self { value: checked(value.into())?, action })
    }
}

/// The body of *add or remove a tag for multiple machines*: `POST /api/machines/AddOrRemoveTagForMultipleMachines`,
/// answered by the machines.
///
/// Permission `Machine.ReadWrite.All`, of a user `Machine.ReadWrite`. Source:
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
    /// The tag.
    pub value: String,
    /// What is done with it.
    pub action: TagAction,
    /// The machines.
    pub machine_ids: Vec<MachineId>,
}

impl TagMachines {
    /// How many machines one request may name.
    pub const LIMIT: usize = 500;

    /// The request with its tag and machines.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTag`] where the tag is empty or blank, and where there is no machine or there are more than
    /// [`LIMIT`](Self::LIMIT).
    pub fn new(
        value: impl Into<String>,
        action: TagAction,
        machine_ids: impl IntoIterator<Item = MachineId>,
    ) -> Result<Self, Error> {
        let machine_ids: Vec<_> = machine_ids.into_iter().collect();
        if machine_ids.is_empty() || machine_ids.len() > Self::LIMIT {
            let what =
                format!("{} machines cannot be tagged in one request; give it 1 to {}", machine_ids.len(), Self::LIMIT);
            return Err(Error::new(ErrorKind::InvalidTag, what));
        }
        Ok(Self { value: checked(value.into())?, action, machine_ids })
    }
}

fn checked(tag: String) -> Result<String, Error> {
    if tag.trim().is_empty() {
        return Err(Error::new(ErrorKind::InvalidTag, "the tag is empty; a tag has words"));
    }
    Ok(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_the_service_would_refuse_is_refused_here() {
        let machines = |count: usize| (0..count).map(|n| n.to_string().parse().unwrap()).collect::<Vec<MachineId>>();
        assert!(TagMachine::new(" ", TagAction::Add).is_err());
        assert!(TagMachines::new("", TagAction::Add, machines(1)).is_err());
        assert!(TagMachines::new("x", TagAction::Add, machines(0)).is_err());
        assert!(TagMachines::new("x", TagAction::Add, machines(501)).unwrap_err().to_string().contains("1 to 500"));
        TagMachines::new("x", TagAction::Add, machines(500)).unwrap();
    }
}

//! The permissions that operations require, and the roles of users.

use std::fmt;

use defender_model::{Action, CollectInvestigationPackage, LiveResponse, UserRole};

/// Permissions and role that an operation requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Application permissions, any one of them.
    pub(crate) application: &'static [&'static str],
    /// Delegated permissions of a user, any one of them.
    pub(crate) delegated: &'static [&'static str],
    /// Role of the user, if it is known.
    pub(crate) role: Option<UserRole>,
}

impl Needs {
    /// Reading of actions and machines. The current page of actions names `Machine.ReadWrite.All` only. An older page, and a 403 of the
    /// service, name `Machine.Read.All` as well. Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineaction-object>.
    pub(crate) const READING: Self = Self {
        application: &["Machine.ReadWrite.All", "Machine.Read.All"],
        delegated: &["Machine.ReadWrite", "Machine.Read"],
        role: Some(UserRole::VIEW_DATA),
    };

    /// Changes of a machine's tags or value.
    pub(crate) const CHANGING: Self = Self {
        application: &["Machine.ReadWrite.All"],
        delegated: &["Machine.ReadWrite"],
        role: Some(UserRole::MANAGE_SECURITY_SETTINGS),
    };

    /// Link to an investigation package.
    pub(crate) const PACKAGE_LINK: Self = Self {
        delegated: CollectInvestigationPackage::DELEGATED_PERMISSIONS,
        role: CollectInvestigationPackage::ROLE,
        ..Self::READING
    };

    /// Link to the result of a live response command.
    pub(crate) const RESULT_LINK: Self =
        Self { delegated: LiveResponse::DELEGATED_PERMISSIONS, role: LiveResponse::ROLE, ..Self::READING };

    /// Live response library.
    pub(crate) const LIBRARY: Self = Self { role: Some(UserRole::LIVE_RESPONSE), ..Self::any_of(&["Library.Manage"]) };

    /// Returns any one of these permissions, for an application and for a user with the role of most actions.
    pub(crate) const fn any_of(permissions: &'static [&'static str]) -> Self {
        Self { application: permissions, delegated: permissions, role: Some(UserRole::ACTIVE_REMEDIATION) }
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { application, delegated, role } = self;
        write!(f, "the application permission {}", any_of(application))?;
        write!(f, ", or for a user the delegated permission {} and ", any_of(delegated))?;
        match role {
            Some(role) => write!(f, "the role {role}"),
            None => f.write_str("a role in Defender that allows it"),
        }
    }
}

fn any_of(permissions: &[&str]) -> String {
    permissions.join(" or ")
}

//! The permissions that operations take, and the roles of users beside them.

use std::fmt;

use defender_model::{Action, CollectInvestigationPackage, LiveResponse, UserRole};

/// What an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Permissions of an application, of which any one will do.
    pub(crate) application: &'static [&'static str],
    /// Permissions given on behalf of a user, of which any one will do.
    pub(crate) delegated: &'static [&'static str],
    /// The role of such a user, where it is known.
    pub(crate) role: Option<UserRole>,
}

impl Needs {
    /// Reading an action, or the list of them. Today's page names `Machine.ReadWrite.All` only; an older one, and a 403 of the service,
    /// named `Machine.Read.All` as well. Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineaction-object>.
    pub(crate) const READING: Self = Self {
        application: &["Machine.ReadWrite.All", "Machine.Read.All"],
        delegated: &["Machine.ReadWrite", "Machine.Read"],
        role: Some(UserRole::VIEW_DATA),
    };

    /// Changing a machine's tags or value.
    pub(crate) const CHANGING: Self = Self {
        application: &["Machine.ReadWrite.All"],
        delegated: &["Machine.ReadWrite"],
        role: Some(UserRole::MANAGE_SECURITY_SETTINGS),
    };

    /// The link to an investigation package.
    pub(crate) const PACKAGE_LINK: Self = Self {
        delegated: CollectInvestigationPackage::DELEGATED_PERMISSIONS,
        role: CollectInvestigationPackage::ROLE,
        ..Self::READING
    };

    /// The link to the result of a live response command.
    pub(crate) const RESULT_LINK: Self =
        Self { delegated: LiveResponse::DELEGATED_PERMISSIONS, role: LiveResponse::ROLE, ..Self::READING };

    /// The live response library.
    pub(crate) const LIBRARY: Self = Self { role: Some(UserRole::LIVE_RESPONSE), ..Self::any_of(&["Library.Manage"]) };

    /// Any one of these, for an application as for a user with the role of most actions.
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

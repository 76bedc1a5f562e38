//! The registry: the facts of each action as data, and the list of all actions.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Action, CollectInvestigationPackage, Isolate, Limit, LiveResponse, MachineAction, Match, Offboard, Platforms,
    RestrictCodeExecution, RunAntiVirusScan, StopAndQuarantineFile, Unisolate, UnrestrictCodeExecution, UserRole,
};

/// The facts of one action. Each is a constant of the action's [`Action`] implementation, which documents the source.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ActionInfo {
    /// Value of `type` in records: [`Action::TYPE`].
    pub action_type: &'static str,
    /// Last segment of the path, in the letter case of the service's page: [`Action::SEGMENT`].
    pub segment: &'static str,
    /// Permissions of an application; one of them is sufficient: [`Action::PERMISSIONS`].
    pub permissions: &'static [&'static str],
    /// Permissions on behalf of a user; one of them is sufficient: [`Action::DELEGATED_PERMISSIONS`].
    pub delegated_permissions: &'static [&'static str],
    /// Role that such a user needs, if it is known: [`Action::ROLE`].
    pub role: Option<UserRole>,
    /// Rate limits of the call: [`Action::QUOTA`].
    pub quota: &'static [Limit],
    /// `type` of the action that undoes this one: [`Action::INVERSE`].
    pub inverse: Option<&'static str>,
    /// Systems that support the action: [`Action::PLATFORMS`].
    pub platforms: Platforms,
    particulars: fn(&Value, &MachineAction) -> Option<Match>,
}

impl ActionInfo {
    /// Returns the facts of `A`.
    #[must_use]
    pub const fn of<A: Action + DeserializeOwned>() -> Self {
        Self {
            action_type: A::TYPE,
            segment: A::SEGMENT,
            permissions: A::PERMISSIONS,
            delegated_permissions: A::DELEGATED_PERMISSIONS,
            role: A::ROLE,
            quota: A::QUOTA,
            inverse: A::INVERSE,
            platforms: A::PLATFORMS,
            particulars: |body, existing| A::deserialize(body).ok()?.particulars(existing),
        }
    }

    /// Returns the action with this type, in any letter case, if [`ACTIONS`] has it.
    #[must_use]
    pub fn of_type(action_type: &str) -> Option<&'static Self> {
        ACTIONS.iter().find(|action| action.action_type.eq_ignore_ascii_case(action_type))
    }

    /// Compares the particulars of a record of this type with those of a request's body, by [`Action::particulars`]. Returns
    /// `None` if the type has no rule, or if the body cannot be read as the action.
    #[must_use]
    pub fn particulars(&self, body: &Value, existing: &MachineAction) -> Option<Match> {
        (self.particulars)(body, existing)
    }
}

/// Declares [`ACTIONS`] from the names of the actions.
macro_rules! actions {
    ($($action:ident),+ $(,)?) => {
        /// The facts of all actions of the service. Everything that depends on the list of actions iterates over this constant.
        ///
        /// ```
        /// use defender_model::ACTIONS;
        ///
        /// let isolate = ACTIONS.iter().find(|action| action.action_type == "Isolate").unwrap();
        /// assert_eq!((isolate.segment, isolate.inverse), ("isolate", Some("Unisolate")));
        /// ```
        pub const ACTIONS: &[ActionInfo] = &[$(ActionInfo::of::<$action>()),+];
    };
}

actions![
    UnrestrictCodeExecution,
    RestrictCodeExecution,
    Isolate,
    Unisolate,
    RunAntiVirusScan,
    StopAndQuarantineFile,
    CollectInvestigationPackage,
    LiveResponse,
    Offboard,
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;
    use crate::ActionType;

    /// Types of records for which no page documents a call: actions of the portal, and types of the OData metadata.
    const WITHOUT_CALL: [&str; 11] = [
        "RequestSample",
        "Block",
        "RegenerateId",
        "Troubleshoot",
        "LogsCollection",
        "TokenRefresh",
        "EndpointConfigManagementCheckin",
        "EnableActiveDirectoryUser",
        "DisableActiveDirectoryUser",
        "ResetPasswordActiveDirectoryUser",
        "ImmuneActiveDirectoryCustomPlaybook",
    ];

    #[test]
    fn each_type_is_listed_or_has_no_call() {
        let listed: Vec<_> = ACTIONS.iter().map(|action| action.action_type).collect();
        let all: BTreeSet<_> = listed.iter().chain(&WITHOUT_CALL).copied().collect();
        let known: BTreeSet<_> = ActionType::KNOWN.iter().copied().collect();
        let differing: Vec<_> = all.symmetric_difference(&known).collect();
        let advice = "each type stands in `ActionType`, and either in `actions!` or in `WITHOUT_CALL`";
        assert!(differing.is_empty(), "{advice}: {differing:?}");
        let twice: Vec<_> =
            all.iter().filter(|name| listed.iter().chain(&WITHOUT_CALL).filter(|of| of == name).count() > 1).collect();
        assert!(twice.is_empty(), "{advice}, and once: {twice:?}");
    }

    #[test]
    fn each_action_of_the_source_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/action");
        let mut written = 0;
        for file in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            written += text.lines().filter(|line| *line == "action! {" || line.starts_with("impl Action for ")).count();
        }
        assert_eq!(written, ACTIONS.len(), "each action of `src/action` stands once in `actions!` of this file");
    }

    #[test]
    fn actions_differ_in_type_and_segment() {
        let lower = |text: &str| text.to_ascii_lowercase();
        let types: BTreeSet<_> = ACTIONS.iter().map(|action| lower(action.action_type)).collect();
        let segments: BTreeSet<_> = ACTIONS.iter().map(|action| lower(action.segment)).collect();
        assert_eq!((types.len(), segments.len()), (ACTIONS.len(), ACTIONS.len()));
    }

    #[test]
    fn inverse_is_listed_and_mutual() {
        for action in ACTIONS {
            let Some(inverse) = action.inverse else { continue };
            let inverse = ActionInfo::of_type(inverse).unwrap();
            assert_eq!(inverse.inverse, Some(action.action_type));
        }
    }
}

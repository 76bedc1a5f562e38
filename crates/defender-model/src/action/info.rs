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
        assert_eq!(all, ActionType::KNOWN.iter().copied().collect());
        assert_eq!(all.len(), listed.len() + WITHOUT_CALL.len(), "a type is in both lists, or twice in one list");
    }

    #[test]
    fn each_action_of_the_source_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/action");
        let mut written = 0;
        for file in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            written += text.lines().filter(|line| *line == "action! {" || line.starts_with("impl Action for ")).count();
        }
        assert_eq!(written, ACTIONS.len());
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

    /// The facts as the pages of the actions state them, written down again by hand: type, segment, permissions, permissions
    /// of a user, whether the quota is the general one.
    #[test]
    fn facts_are_those_of_the_pages() {
        type Row =
            (&'static str, &'static str, &'static [&'static str], &'static [&'static str], &'static [(u32, u64)]);
        const GENERAL: &[(u32, u64)] = &[(100, 60), (1_500, 3_600)];
        const RESTRICT: &[&str] = &["Machine.RestrictExecution"];
        const ISOLATE: &[&str] = &["Machine.Isolate"];
        const QUARANTINE: &[&str] = &["Machine.StopAndQuarantine", "Machine.Read.All", "Machine.ReadWrite.All"];
        let rows: [Row; 9] = [
            ("UnrestrictCodeExecution", "unrestrictCodeExecution", RESTRICT, RESTRICT, GENERAL),
            ("RestrictCodeExecution", "restrictCodeExecution", RESTRICT, RESTRICT, GENERAL),
            ("Isolate", "isolate", ISOLATE, ISOLATE, GENERAL),
            ("Unisolate", "unisolate", ISOLATE, ISOLATE, GENERAL),
            ("RunAntiVirusScan", "runAntiVirusScan", &["Machine.Scan"], &["Machine.Scan"], GENERAL),
            ("StopAndQuarantineFile", "StopAndQuarantineFile", QUARANTINE, &["Machine.StopAndQuarantine"], GENERAL),
            (
                "CollectInvestigationPackage",
                "collectInvestigationPackage",
                &["Machine.CollectForensics"],
                &["Machine.CollectForensics"],
                GENERAL,
            ),
            ("LiveResponse", "runliveresponse", &["Machine.LiveResponse"], &["Machine.LiveResponse"], &[(10, 60)]),
            ("Offboard", "offboard", &["Machine.Offboard"], &["Machine.Offboard"], GENERAL),
        ];
        assert_eq!(ACTIONS.len(), rows.len());
        for (action, (kind, segment, application, delegated, quota)) in ACTIONS.iter().zip(rows) {
            assert_eq!((action.action_type, action.segment), (kind, segment));
            assert_eq!((action.permissions, action.delegated_permissions), (application, delegated), "{kind}");
            let limits: Vec<_> = action.quota.iter().map(|limit| (limit.calls, limit.per.as_secs())).collect();
            assert_eq!(limits, quota, "{kind}");
        }
    }

    /// As above: inverse, role, and systems (first Windows 10, older Windows, Linux, macOS).
    #[test]
    fn inverse_role_and_systems_are_those_of_the_pages() {
        const ANY: (u32, bool, bool, bool) = (0, true, true, true);
        let (remediation, alerts) = ("Active remediation actions", "Alerts investigation");
        let rows = [
            ("UnrestrictCodeExecution", Some("RestrictCodeExecution"), remediation, (1709, false, false, false)),
            ("RestrictCodeExecution", Some("UnrestrictCodeExecution"), remediation, (1709, false, false, false)),
            ("Isolate", Some("Unisolate"), remediation, ANY),
            ("Unisolate", Some("Isolate"), remediation, ANY),
            ("RunAntiVirusScan", None, remediation, ANY),
            ("StopAndQuarantineFile", None, remediation, (1703, true, false, false)),
            ("CollectInvestigationPackage", None, alerts, ANY),
            ("LiveResponse", None, "Live response", (1709, false, true, true)),
            ("Offboard", None, remediation, ANY),
        ];
        assert_eq!(ACTIONS.len(), rows.len());
        for (action, (kind, inverse, role, systems)) in ACTIONS.iter().zip(rows) {
            assert_eq!((action.action_type, action.inverse), (kind, inverse));
            assert_eq!(action.role.map(|role| role.endpoint), Some(role), "{kind}");
            let Platforms { windows_10, older_windows, linux, mac, .. } = action.platforms;
            assert_eq!((windows_10, older_windows, linux, mac), systems, "{kind}");
        }
    }

    #[test]
    fn particulars_of_a_body_follow_the_rule_of_its_type() {
        use crate::Match::{Different, NotStated, Same};
        let hash = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";
        let comment = || serde_json::json!({"Comment": "c"});
        let with = |name: &str, value: Value| serde_json::json!({"Comment": "c", name: value});
        let scope = |scope: &str| serde_json::json!({"scope": scope});
        let file = |hash: &str| serde_json::json!({"relatedFileInfo": {"fileIdentifier": hash}});
        let nothing = || serde_json::json!({});
        let cases = [
            ("UnrestrictCodeExecution", comment(), scope("Full"), Some(Same)),
            ("RestrictCodeExecution", comment(), nothing(), Some(Same)),
            ("Isolate", with("IsolationType", "Full".into()), scope("full"), Some(Same)),
            ("Isolate", with("IsolationType", "Full".into()), scope("Selective"), Some(Different)),
            ("Isolate", with("IsolationType", "Full".into()), nothing(), Some(NotStated)),
            ("Isolate", comment(), scope("Full"), None),
            ("Unisolate", comment(), nothing(), Some(Same)),
            ("RunAntiVirusScan", with("ScanType", "Quick".into()), scope("Quick"), Some(Same)),
            ("RunAntiVirusScan", with("ScanType", "Quick".into()), scope("Full"), Some(Different)),
            ("StopAndQuarantineFile", with("Sha1", hash.into()), file(hash), Some(Same)),
            ("StopAndQuarantineFile", with("Sha1", hash.into()), file(&"0".repeat(40)), Some(Different)),
            ("CollectInvestigationPackage", comment(), nothing(), Some(Same)),
            // Two runs of one script are two runs.
            ("LiveResponse", with("Commands", serde_json::json!([])), nothing(), None),
            ("Offboard", comment(), nothing(), Some(Same)),
        ];
        let named: BTreeSet<_> = cases.iter().map(|(kind, ..)| *kind).collect();
        assert_eq!(named, ACTIONS.iter().map(|action| action.action_type).collect());
        for (kind, body, mut record, expected) in cases {
            record["id"] = "a".into();
            record["type"] = kind.into();
            let record = serde_json::from_value(record).unwrap();
            let action = ActionInfo::of_type(&kind.to_uppercase()).unwrap();
            assert_eq!(action.particulars(&body, &record), expected, "{kind} {body}");
        }
    }
}

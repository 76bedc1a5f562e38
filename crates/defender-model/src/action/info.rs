//! The facts of an action as data, and the list of all actions.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Action, CollectInvestigationPackage, Isolate, Limit, LiveResponse, MachineAction, Match, Offboard, Platforms,
    RestrictCodeExecution, RunAntiVirusScan, StopAndQuarantineFile, Unisolate, UnrestrictCodeExecution, UserRole,
};

/// The facts of one action, each from the constant of its [`Action`] implementation, beside which its source stands.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ActionInfo {
    /// The word in the records' `type`: [`Action::TYPE`].
    pub action_type: &'static str,
    /// The last segment of its path, in the letter case of the service's page: [`Action::SEGMENT`].
    pub segment: &'static str,
    /// The permissions of which any one allows an application to do it: [`Action::PERMISSIONS`].
    pub permissions: &'static [&'static str],
    /// The permissions of which any one allows it on behalf of a user: [`Action::DELEGATED_PERMISSIONS`].
    pub delegated_permissions: &'static [&'static str],
    /// The role that such a user needs, where it is known: [`Action::ROLE`].
    pub role: Option<UserRole>,
    /// How often it may be asked for: [`Action::QUOTA`].
    pub quota: &'static [Limit],
    /// The `type` of the action that undoes it: [`Action::INVERSE`].
    pub inverse: Option<&'static str>,
    /// The systems that it supports: [`Action::PLATFORMS`].
    pub platforms: Platforms,
    particulars: fn(&Value, &MachineAction) -> Option<Match>,
}

impl ActionInfo {
    /// The facts of `A`.
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

    /// The action of this type, in any letter case, if [`ACTIONS`] has it.
    #[must_use]
    pub fn of_type(action_type: &str) -> Option<&'static Self> {
        ACTIONS.iter().find(|action| action.action_type.eq_ignore_ascii_case(action_type))
    }

    /// Compares the particulars of a record of this type with those of a request's body: [`Action::particulars`] of the action
    /// that the body is read as. A body that cannot be read has no rule.
    #[must_use]
    pub fn particulars(&self, body: &Value, existing: &MachineAction) -> Option<Match> {
        (self.particulars)(body, existing)
    }
}

/// Makes [`ACTIONS`] of the names of the actions.
macro_rules! actions {
    ($($action:ident),+ $(,)?) => {
        /// All actions of the service that can be asked for, with their facts. Everything that goes over all actions goes
        /// over this.
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

    /// Types of records for which no page has a call: they begin in the portal, or are only in the OData metadata.
    const NOT_ASKED_FOR: [&str; 11] = [
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
    fn each_known_type_is_listed_or_has_no_call() {
        let listed: Vec<_> = ACTIONS.iter().map(|action| action.action_type).collect();
        let all: BTreeSet<_> = listed.iter().chain(&NOT_ASKED_FOR).copied().collect();
        assert_eq!(all, ActionType::KNOWN.iter().copied().collect());
        assert_eq!(all.len(), listed.len() + NOT_ASKED_FOR.len(), "a type stands in both, or twice in one");
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
    fn an_inverse_is_listed_and_leads_back() {
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

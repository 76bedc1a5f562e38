//! The permissions that operations take, and the roles of users beside them.
//!
//! Tenants that were created since February 2025 have Unified RBAC only, older ones may have the roles of Defender for Endpoint:
//! both names are told. Source: <https://learn.microsoft.com/en-us/defender-xdr/compare-rbac-roles>.

use std::fmt;

use defender_model::{
    Action, CancelMachineAction, CollectInvestigationPackage, Isolate, LiveResponse, Offboard, RestrictCodeExecution,
    RunAntiVirusScan, StopAndQuarantineFile, Unisolate, UnrestrictCodeExecution,
};

/// What an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Permissions of an application, of which any one will do.
    pub(crate) application: &'static [&'static str],
    /// Permissions given on behalf of a user, of which any one will do.
    pub(crate) delegated: &'static [&'static str],
    role: Role,
}

/// The role that a user has to have besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// Its permission in Defender for Endpoint.
    own: &'static str,
    /// Its permission in Unified RBAC.
    unified: &'static str,
}

const REMEDIATION: Role =
    Role { own: "Active remediation actions", unified: "Security operations / Security data / Response (manage)" };
const ALERTS: Role =
    Role { own: "Alerts investigation", unified: "Security operations / Security data / Alerts (manage)" };
const LIVE_RESPONSE: Role =
    Role { own: "Live response", unified: "Security operations / Basic (or Advanced) live response (manage)" };
const VIEW: Role =
    Role { own: "View data", unified: "Security operations / Security data / Security data basics (read)" };
const SETTINGS: Role = Role {
    own: "Manage security settings",
    unified: "Authorization and settings / Security settings / Core security settings (manage)",
};

/// Reading an action, or the list of them. Today's page names `Machine.ReadWrite.All` only; an older one, and a 403 of the service, named
/// `Machine.Read.All` as well. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineaction-object>.
pub(crate) const READING: Needs = Needs {
    application: &["Machine.ReadWrite.All", "Machine.Read.All"],
    delegated: &["Machine.ReadWrite", "Machine.Read"],
    role: VIEW,
};

/// Changing a machine's tags or value.
const CHANGING: Needs =
    Needs { application: &["Machine.ReadWrite.All"], delegated: &["Machine.ReadWrite"], role: SETTINGS };

const fn of<A: Action>(role: Role) -> Needs {
    Needs { application: A::PERMISSIONS, delegated: A::DELEGATED_PERMISSIONS, role }
}

/// What operations take, by the last word of their path.
const BY_NAME: &[(&str, Needs)] = &[
    ("isolate", of::<Isolate>(REMEDIATION)),
    ("unisolate", of::<Unisolate>(REMEDIATION)),
    ("restrictCodeExecution", of::<RestrictCodeExecution>(REMEDIATION)),
    ("unrestrictCodeExecution", of::<UnrestrictCodeExecution>(REMEDIATION)),
    ("runAntiVirusScan", of::<RunAntiVirusScan>(REMEDIATION)),
    ("offboard", of::<Offboard>(REMEDIATION)),
    ("StopAndQuarantineFile", of::<StopAndQuarantineFile>(REMEDIATION)),
    ("collectInvestigationPackage", of::<CollectInvestigationPackage>(ALERTS)),
    ("runliveresponse", of::<LiveResponse>(LIVE_RESPONSE)),
    (
        "cancel",
        Needs {
            application: CancelMachineAction::PERMISSIONS,
            delegated: CancelMachineAction::PERMISSIONS,
            role: REMEDIATION,
        },
    ),
    ("getPackageUri", Needs { delegated: CollectInvestigationPackage::DELEGATED_PERMISSIONS, role: ALERTS, ..READING }),
    (
        "GetLiveResponseResultDownloadLink",
        Needs { delegated: LiveResponse::DELEGATED_PERMISSIONS, role: LIVE_RESPONSE, ..READING },
    ),
    ("tags", CHANGING),
    ("setDeviceValue", CHANGING),
    ("AddOrRemoveTagForMultipleMachines", CHANGING),
    ("libraryfiles", Needs { application: &["Library.Manage"], delegated: &["Library.Manage"], role: LIVE_RESPONSE }),
    ("machineactions", READING),
    ("machines", READING),
];

/// What the operation of this template takes, as far as its pages say.
pub(crate) fn needs(template: &str) -> Option<&'static Needs> {
    let words = template.split(['/', '?', '(']).filter(|word| !word.is_empty() && !word.contains(['{', '}', '=']));
    // What has no page of its own belongs to its collection.
    words
        .rev()
        .find_map(|word| BY_NAME.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)))
        .map(|(_, needs)| needs)
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { application, delegated, role } = self;
        write!(f, "the application permission {}", any_of(application))?;
        write!(f, ", or for a user the delegated permission {} and the role {role}", any_of(delegated))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (Unified RBAC: `{}`)", self.own, self.unified)
    }
}

fn any_of(permissions: &[&str]) -> String {
    permissions.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_names_its_own_permission() {
        for (template, application, delegated, role) in [
            ("/machines/{id}/isolate", "Machine.Isolate", "Machine.Isolate", "Response (manage)"),
            (
                "/machines/{id}/StopAndQuarantineFile",
                "Machine.StopAndQuarantine",
                "Machine.StopAndQuarantine",
                "Response",
            ),
            (
                "/machines/{id}/runliveresponse",
                "Machine.LiveResponse",
                "Machine.LiveResponse",
                "live response (manage)",
            ),
            ("/machines/{id}/tags", "Machine.ReadWrite.All", "Machine.ReadWrite", "Core security settings"),
            ("/machines/{id}", "Machine.Read.All", "Machine.Read", "Security data basics (read)"),
            ("/machines/findbytag", "Machine.Read.All", "Machine.Read", "View data"),
            ("/machines/findbyip(ip={ip},timestamp={timestamp})", "Machine.Read.All", "Machine.Read", "View data"),
            ("/machineactions", "Machine.ReadWrite.All", "Machine.ReadWrite", "View data"),
            ("/machineactions/{id}/cancel", "Machine.Isolate", "Machine.Scan", "Active remediation actions"),
            ("/machineactions/{id}/getPackageUri", "Machine.Read.All", "Machine.CollectForensics", "Alerts (manage)"),
            (
                "/machineactions/{id}/GetLiveResponseResultDownloadLink(index={index})",
                "Machine.ReadWrite.All",
                "Machine.LiveResponse",
                "live response",
            ),
            ("/libraryfiles/{fileName}", "Library.Manage", "Library.Manage", "live response"),
        ] {
            let needs = needs(template).unwrap_or_else(|| panic!("{template}"));
            assert!(needs.application.contains(&application) && needs.delegated.contains(&delegated), "{template}");
            assert!(needs.to_string().contains(role), "{template}: {needs}");
        }
        assert_eq!(needs("/alerts/{id}"), None);
    }
}

//! Suitability of a machine for an action.

use std::{fmt, time::Duration};

use defender_model::{ActionInfo, HealthStatus, IsolationType, Machine, OnboardingStatus, Platforms, sanitize_line};

use super::choice::merged_into;

/// Longest part of a text from outside that is shown, in characters.
const SHOWN: usize = 100;

/// Issue of an action on a machine, by the machine's record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuitabilityIssue {
    /// The machine has not reported for a week. An action would wait for it, and time out after about three days.
    Inactive,
    /// The machine is not onboarded, or has been offboarded.
    NotOnboarded(OnboardingStatus),
    /// The record of the machine was merged into that of another machine.
    Merged {
        /// Id of the other machine.
        into: String,
    },
    /// Caution: a side effect or a limit of the action. [`check_machine`](crate::ActionRequest::check_machine) does not refuse the action
    /// for it.
    Caution(&'static str),
    /// The system of the machine does not support the action.
    System {
        /// System as the service names it, such as `Ubuntu`.
        platform: String,
        /// Systems that the action supports, by the service's page.
        needs: &'static str,
    },
}

impl SuitabilityIssue {
    /// Returns the issues of an action on the machine, by its record. `isolation` is the type of an isolation, if it is known.
    ///
    /// ```
    /// use defender_actions::{SuitabilityIssue, model::{ActionInfo, Machine}};
    ///
    /// let machine: Machine = serde_json::from_str(r#"{"id": "a", "osPlatform": "Ubuntu"}"#)?;
    /// let restrict = ActionInfo::of_type("RestrictCodeExecution").unwrap();
    /// let issues = SuitabilityIssue::of(restrict, None, &machine);
    /// assert!(matches!(issues[..], [SuitabilityIssue::System { .. }]));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn of(action: &ActionInfo, isolation: Option<&IsolationType>, machine: &Machine) -> Vec<Self> {
        suitability_issues((action.action_type, action.platforms), isolation.map(IsolationType::as_str), machine)
    }

    /// Returns true if the issue is only a caution.
    #[must_use]
    pub fn is_caution(&self) -> bool {
        matches!(self, Self::Caution(_))
    }
}

impl fmt::Display for SuitabilityIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inactive => f.write_str("the machine has not reported for a week"),
            Self::Caution(what) => f.write_str(what),
            Self::NotOnboarded(status) => write!(f, "the machine is not onboarded ({status})"),
            Self::Merged { into } => write!(f, "the record was merged into {}", sanitize_line(into, SHOWN)),
            Self::System { platform, needs } => {
                write!(
                    f,
                    "the system ({}) does not support the action, which needs {needs}",
                    sanitize_line(platform, SHOWN)
                )
            }
        }
    }
}

/// Beginnings of the names of older Windows systems.
const OLDER: [&str; 7] = [
    "windowsxp",
    "windowsvista",
    "windows7",
    "windows8",
    "windowsserver2008",
    "windowsserver2012",
    "windowsserver2016",
];
const LINUX: [&str; 13] = [
    "linux", "ubuntu", "debian", "redhat", "rhel", "centos", "fedora", "suse", "sles", "oracle", "amazon", "rocky",
    "alma",
];

/// Returns the name of a system in the form that is compared.
fn normalized(platform: &str) -> String {
    platform.to_ascii_lowercase().replace([' ', '_'], "")
}

fn is_linux(platform: &str) -> bool {
    LINUX.iter().any(|linux| platform.contains(linux))
}

/// Time after which an isolation ends by itself on this system, or `None` if it stays until it is released: seven days on macOS and Linux.
///
/// Source: <https://learn.microsoft.com/en-us/defender-endpoint/respond-machine-alerts>.
///
/// ```
/// assert_eq!(defender_actions::isolation_lapses_after("Windows11"), None);
/// assert_eq!(defender_actions::isolation_lapses_after("Ubuntu").unwrap().as_secs(), 7 * 24 * 3_600);
/// ```
#[must_use]
pub fn isolation_lapses_after(os_platform: &str) -> Option<Duration> {
    let platform = normalized(os_platform);
    (platform.contains("macos") || is_linux(&platform)).then_some(Duration::from_secs(7 * 24 * 3_600))
}

/// Returns whether an action of these platforms certainly does not support this system.
fn is_unsupported(supported: &Platforms, platform: &str, version: Option<&str>) -> bool {
    let platform = normalized(platform);
    if platform.starts_with("windows") {
        // Versions after 2004 have a letter, such as 20H2.
        let version = version.and_then(|version| version.trim().parse::<u32>().ok());
        let early = platform == "windows10" && version.is_some_and(|version| version < supported.windows_10);
        return early || !supported.older_windows && OLDER.iter().any(|older| platform.starts_with(older));
    }
    match () {
        () if platform.contains("macos") => !supported.mac,
        () if platform == "ios" || platform.contains("android") => true,
        () => !supported.linux && is_linux(&platform),
    }
}

/// Returns the cautions about isolation on this system with this scope, or with any scope if it is not known. Sources:
/// <https://learn.microsoft.com/en-us/defender-endpoint/respond-machine-alerts>,
/// <https://learn.microsoft.com/en-us/defender-endpoint/isolation-exclusions>.
fn cautions(platform: &str, scope: Option<&str>) -> Vec<&'static str> {
    let platform = normalized(platform);
    let (is_mac, is_windows) = (platform.contains("macos"), platform.starts_with("windows"));
    let is_server = platform.starts_with("windowsserver") || platform.contains("azurestackhci");
    let may_be = |word: &str| scope.is_none_or(|scope| scope == word);
    [
        (is_mac, "isolation of macOS ends by itself after seven days"),
        (is_linux(&platform), "isolation of Linux ends by itself after seven days, and editing iptables lifts it"),
        (is_server, "isolation of a Hyper-V host also disconnects its virtual machines"),
        (
            may_be("Full") && (is_windows || is_mac),
            "behind a web proxy (PAC, WPAD or static) the machine may not recover from full isolation: use selective isolation there",
        ),
        (
            may_be("Selective") && (is_windows || is_mac),
            "selective isolation follows the tenant's isolation exclusion rules, if they are on; rules that are added later have no \
             effect on it",
        ),
    ]
    .into_iter()
    .filter_map(|(holds, what)| holds.then_some(what))
    .collect()
}

/// Caution about a contained device.
const CONTAINED: &str =
    "at most 100 devices should be contained at a time; do not contain routers or devices with reused IP addresses";

/// Returns the issues of an action of this type on the machine, by its record. `scope` is that of an isolation, if it is known.
pub(crate) fn suitability_issues(
    (action_type, platforms): (&str, Platforms),
    scope: Option<&str>,
    machine: &Machine,
) -> Vec<SuitabilityIssue> {
    let mut concerns = Vec::new();
    if machine.health_status == Some(HealthStatus::Inactive) {
        concerns.push(SuitabilityIssue::Inactive);
    }
    // Onboarded machines can contain a machine that is not onboarded.
    if let Some(status) = &machine.onboarding_status
        && [OnboardingStatus::CanBeOnboarded, OnboardingStatus::Unsupported, OnboardingStatus::InsufficientInfo]
            .contains(status)
        && !matches!(action_type, "Isolate" | "Unisolate")
    {
        concerns.push(SuitabilityIssue::NotOnboarded(status.clone()));
    }
    if let Some(into) = merged_into(machine) {
        concerns.push(SuitabilityIssue::Merged { into: into.to_owned() });
    }
    if action_type == "Isolate" {
        let is_outside =
            machine.onboarding_status.as_ref().is_some_and(|status| *status != OnboardingStatus::Onboarded);
        if scope == Some("UnManagedDevice") || scope.is_none() && is_outside {
            concerns.push(SuitabilityIssue::Caution(CONTAINED));
        } else if let Some(platform) = &machine.os_platform {
            concerns.extend(cautions(platform, scope).into_iter().map(SuitabilityIssue::Caution));
        }
    }
    if let Some(platform) = &machine.os_platform {
        let of_scope = scope.and_then(|scope| IsolationType::from(scope).platforms());
        let supported = of_scope.unwrap_or(platforms);
        if is_unsupported(&supported, platform, machine.version.as_deref()) {
            concerns.push(SuitabilityIssue::System { platform: platform.clone(), needs: supported.needs });
        }
    }
    concerns
}

#[cfg(test)]
mod tests {
    use defender_model::ActionInfo;

    use super::*;

    fn issues(action_type: &str, machine: &str) -> String {
        let machine = serde_json::from_str(machine).unwrap();
        let platforms = ActionInfo::of_type(action_type).map_or(Platforms::ANY, |action| action.platforms);
        suitability_issues((action_type, platforms), None, &machine)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn issues_follow_the_record_only() {
        for (action, machine, expected) in [
            ("Isolate", r#"{"id":"a"}"#, ""),
            ("Isolate", r#"{"id":"a","healthStatus":"Active","onboardingStatus":"Onboarded"}"#, ""),
            ("Isolate", r#"{"id":"a","healthStatus":"Inactive"}"#, "not reported for a week"),
            ("Isolate", r#"{"id":"a","healthStatus":"ImpairedCommunication"}"#, ""),
            ("Isolate", r#"{"id":"a","onboardingStatus":"CanBeOnboarded"}"#, "at most 100 devices"),
            ("Unisolate", r#"{"id":"a","onboardingStatus":"CanBeOnboarded"}"#, ""),
            ("Isolate", r#"{"id":"a","osPlatform":"Windows11"}"#, "behind a web proxy"),
            ("Isolate", r#"{"id":"a","osPlatform":"Windows11"}"#, "exclusion rules"),
            ("LiveResponse", r#"{"id":"a","onboardingStatus":"CanBeOnboarded"}"#, "not onboarded"),
            ("Isolate", r#"{"id":"a","mergedIntoMachineId":"b"}"#, "merged into b"),
            ("Isolate", r#"{"id":"a","mergedIntoMachineId":""}"#, ""),
            ("RestrictCodeExecution", r#"{"id":"a","osPlatform":"Ubuntu"}"#, "does not support"),
            ("RestrictCodeExecution", r#"{"id":"a","osPlatform":"macOS"}"#, "does not support"),
            ("RestrictCodeExecution", r#"{"id":"a","osPlatform":"WindowsServer2016"}"#, "does not support"),
            ("RestrictCodeExecution", r#"{"id":"a","osPlatform":"WindowsServer2022"}"#, ""),
            ("RestrictCodeExecution", r#"{"id":"a","osPlatform":"Windows10","version":"1703"}"#, "does not support"),
            ("RestrictCodeExecution", r#"{"id":"a","osPlatform":"Windows10","version":"22H2"}"#, ""),
            ("RestrictCodeExecution", r#"{"id":"a","osPlatform":"Windows10"}"#, ""),
            ("RestrictCodeExecution", r#"{"id":"a","osPlatform":"SomethingNew"}"#, ""),
            ("LiveResponse", r#"{"id":"a","osPlatform":"Ubuntu"}"#, ""),
            ("Isolate", r#"{"id":"a","osPlatform":"iOS"}"#, "does not support"),
            ("TheirOwnAction", r#"{"id":"a","osPlatform":"Windows7"}"#, ""),
            ("Isolate", r#"{"id":"a","osPlatform":"macOS"}"#, "after seven days"),
            ("Isolate", r#"{"id":"a","osPlatform":"Ubuntu"}"#, "editing iptables"),
            ("Isolate", r#"{"id":"a","osPlatform":"WindowsServer2022"}"#, "Hyper-V host"),
            ("Unisolate", r#"{"id":"a","osPlatform":"Ubuntu"}"#, ""),
        ] {
            let text = issues(action, machine);
            let holds = if expected.is_empty() { text.is_empty() } else { text.contains(expected) };
            assert!(holds, "{action} {machine}: {text}");
        }
    }

    #[test]
    fn selective_isolation_has_its_own_systems() {
        let of = |scope, platform: &str| {
            let machine = serde_json::from_value(serde_json::json!({"id": "a", "osPlatform": platform})).unwrap();
            let all = suitability_issues(("Isolate", Platforms::ANY), scope, &machine);
            (all.iter().any(|concern| !concern.is_caution()), all.iter().any(SuitabilityIssue::is_caution))
        };
        assert_eq!(of(Some("Selective"), "Ubuntu"), (true, true));
        assert_eq!(of(Some("Full"), "Ubuntu"), (false, true));
        assert_eq!(of(Some("Selective"), "macOS"), (false, true));
        assert_eq!(of(Some("Selective"), "WindowsServer2012R2"), (false, true));
        assert_eq!(of(Some("Selective"), "Windows11"), (false, true));
        assert_eq!(of(Some("Full"), "SomethingNew"), (false, false));
        // A contained device needs no sensor: the onboarded machines block it.
        assert_eq!(of(Some("UnManagedDevice"), "Ubuntu"), (false, true));
    }
}

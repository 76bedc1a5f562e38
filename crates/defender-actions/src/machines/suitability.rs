//! What speaks against acting on a machine.

use std::fmt;

use defender_model::{HealthStatus, IsolationType, Machine, OnboardingStatus, Platforms, sanitize_line};

use crate::machines::find::merged_into;

/// So much of a word from outside is shown, in characters.
const SHOWN: usize = 100;

/// Something that speaks against an action on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuitabilityIssue {
    /// It has not reported for a week: the action would wait for it, and time out after about three days.
    Inactive,
    /// It is not in the service, or has left it.
    NotOnboarded(OnboardingStatus),
    /// Its record was merged into that of another machine.
    Merged {
        /// The other machine's id.
        into: String,
    },
    /// Something to know before, which does not stand in the way:
    /// [`check_machine`](crate::ActionRequest::check_machine) does not refuse for it.
    Caution(&'static str),
    /// Its system does not support the action.
    System {
        /// The service's word for the system, such as `Ubuntu`.
        platform: String,
        /// What the action needs, by the service's page.
        needs: &'static str,
    },
}

impl SuitabilityIssue {
    /// Whether it is only something to know before.
    #[must_use]
    pub fn is_caution(&self) -> bool {
        matches!(self, Self::Caution(_))
    }
}

impl fmt::Display for SuitabilityIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inactive => f.write_str("it has not reported for a week"),
            Self::Caution(what) => f.write_str(what),
            Self::NotOnboarded(status) => write!(f, "it is not onboarded ({status})"),
            Self::Merged { into } => write!(f, "its record was merged into {}", sanitize_line(into, SHOWN)),
            Self::System { platform, needs } => {
                write!(f, "its system ({}) does not support this, which needs {needs}", sanitize_line(platform, SHOWN))
            }
        }
    }
}

/// Words that older systems of Windows begin with.
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

/// The service's word for a system in the one form that is compared.
fn folded(platform: &str) -> String {
    platform.to_ascii_lowercase().replace([' ', '_'], "")
}

fn is_linux(folded: &str) -> bool {
    LINUX.iter().any(|linux| folded.contains(linux))
}

/// Whether it is certain that an action of these platforms does not support this system.
fn leave_out(supported: &Platforms, platform: &str, version: Option<&str>) -> bool {
    let platform = folded(platform);
    if platform.starts_with("windows") {
        // Later versions than 2004 have a letter in them, such as 20H2.
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

/// What is known of isolation on such a system and of such a scope, or of each that it may have. Sources:
/// <https://learn.microsoft.com/en-us/defender-endpoint/respond-machine-alerts>,
/// <https://learn.microsoft.com/en-us/defender-endpoint/isolation-exclusions>.
fn cautions(platform: &str, scope: Option<&str>) -> Vec<&'static str> {
    let platform = folded(platform);
    let (is_mac, is_windows) = (platform.contains("macos"), platform.starts_with("windows"));
    let is_server = platform.starts_with("windowsserver") || platform.contains("azurestackhci");
    let may_be = |word: &str| scope.is_none_or(|scope| scope == word);
    [
        (is_mac, "isolation of macOS ends by itself after seven days"),
        (is_linux(&platform), "isolation of Linux ends by itself after seven days, and editing iptables lifts it"),
        (is_server, "where it is a Hyper-V host, its virtual machines are cut off, too"),
        (
            may_be("Full") && (is_windows || is_mac),
            "behind a web proxy (PAC, WPAD or static) it may not recover from full isolation: use selective there",
        ),
        (
            may_be("Selective") && (is_windows || is_mac),
            "selective isolation follows the tenant's isolation exclusion rules where they are on, and rules that are added later \
             do not reach it",
        ),
    ]
    .into_iter()
    .filter_map(|(holds, what)| holds.then_some(what))
    .collect()
}

/// What is known of a contained device.
const CONTAINED: &str =
    "at most 100 devices should be contained at a time; beware of reused IP addresses and of routers";

/// What speaks against an action of this type on the machine, by its record, and what to know before. `scope` is that of an
/// isolation, if it is known.
pub(crate) fn concerns(
    (action_type, platforms): (&str, Platforms),
    scope: Option<&str>,
    machine: &Machine,
) -> Vec<SuitabilityIssue> {
    let mut concerns = Vec::new();
    if machine.health_status == Some(HealthStatus::Inactive) {
        concerns.push(SuitabilityIssue::Inactive);
    }
    // A machine that is not onboarded can be contained by those that are.
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
        if leave_out(&supported, platform, machine.version.as_deref()) {
            concerns.push(SuitabilityIssue::System { platform: platform.clone(), needs: supported.needs });
        }
    }
    concerns
}

#[cfg(test)]
mod tests {
    use defender_model::ActionInfo;

    use super::*;

    fn told(action_type: &str, machine: &str) -> String {
        let machine = serde_json::from_str(machine).unwrap();
        let platforms = ActionInfo::of_type(action_type).map_or(Platforms::ANY, |action| action.platforms);
        concerns((action_type, platforms), None, &machine)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn a_machine_is_held_against_what_its_record_says_and_nothing_else() {
        for (action, machine, words) in [
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
            let told = told(action, machine);
            let holds = if words.is_empty() { told.is_empty() } else { told.contains(words) };
            assert!(holds, "{action} {machine}: {told}");
        }
    }

    #[test]
    fn selective_isolation_has_systems_of_its_own() {
        let of = |scope, platform: &str| {
            let machine = serde_json::from_value(serde_json::json!({"id": "a", "osPlatform": platform})).unwrap();
            let all = concerns(("Isolate", Platforms::ANY), scope, &machine);
            (all.iter().any(|concern| !concern.is_caution()), all.iter().any(SuitabilityIssue::is_caution))
        };
        assert_eq!(of(Some("Selective"), "Ubuntu"), (true, true));
        assert_eq!(of(Some("Full"), "Ubuntu"), (false, true));
        assert_eq!(of(Some("Selective"), "macOS"), (false, true));
        assert_eq!(of(Some("Selective"), "WindowsServer2012R2"), (false, true));
        assert_eq!(of(Some("Selective"), "Windows11"), (false, true));
        assert_eq!(of(Some("Full"), "SomethingNew"), (false, false));
        // What is contained is told to others, and need not have a sensor.
        assert_eq!(of(Some("UnManagedDevice"), "Ubuntu"), (false, true));
    }
}

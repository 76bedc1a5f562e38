//! Isolation of a machine from the network.

use crate::{MachineAction, Match, Platforms, action::action, wire::open_enum::open_enum};

open_enum! {
    /// Extent of an isolation.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/isolate-machine>.
    IsolationType {
        /// Isolates from the whole network except the service itself. A machine behind a web proxy (PAC, WPAD or static) may
        /// not recover from a full isolation: use `Selective` there. Isolation exclusion rules do not apply.
        Full = "Full",
        /// Isolates from the network except the service and some applications: Teams, Outlook and Skype. If the tenant's
        /// *Isolation Exclusion Rules* are on, the applications in those rules replace these three; the list of rules is empty at
        /// first. A rule that is added later does not reach a machine that is already isolated: release the machine and
        /// isolate it again.
        Selective = "Selective",
        /// Contains a machine that is not onboarded: the onboarded machines block it, which takes up to five minutes. Microsoft
        /// recommends at most 100 contained devices at a time, and care with reused IP addresses and with routers.
        UnManagedDevice = "UnManagedDevice",
    }
}

action! {
    /// *Isolate*: cuts a machine off from the network, except from the service itself.
    ///
    /// - On the device: existing connections end and new ones are blocked, to the extent of the [`IsolationType`]. The machine
    ///   stays connected to the service, and can be released.
    /// - Permission `Machine.Isolate`. A user also needs the role *Active remediation actions* (Unified RBAC:
    ///   *Response (manage)*) and access to the machine's group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - `Selective` is for Windows 10 1703 or later, Windows 11, Windows Server 2012 R2 or later, Azure Stack HCI 23H2 or later and
    ///   macOS; `Full` also for macOS 101.98.84 or later and for Linux with iptables. The API's own page is narrower: Windows
    ///   10 1709 or later. On Linux, a change of iptables lifts the isolation.
    /// - On macOS and Linux, an isolation **ends by itself after seven days**.
    /// - Isolating a Hyper-V host cuts off its virtual machines. An isolated machine may not reach the service if it is behind a
    ///   full VPN tunnel, or, for `Full`, behind a web proxy. The service retries for three days.
    /// - Errors: 400 without a comment; 403 without the permission; 404 if the machine does not exist. The response to a repeat
    ///   while an isolation is pending is not documented; both a 400 and the earlier action were seen.
    ///
    /// Undone by [`Unisolate`](crate::Unisolate). Sources:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/isolate-machine>,
    /// <https://learn.microsoft.com/en-us/defender-endpoint/respond-machine-alerts>,
    /// <https://learn.microsoft.com/en-us/defender-endpoint/isolation-exclusions>.
    ///
    /// ```
    /// use defender_model::{Isolate, IsolationType};
    ///
    /// let action = Isolate::new("Isolate machine due to alert 1234", IsolationType::Full)?;
    /// assert_eq!(
    ///     serde_json::to_string(&action).unwrap(),
    ///     r#"{"Comment":"Isolate machine due to alert 1234","IsolationType":"Full"}"#
    /// );
    /// # Ok::<(), defender_model::Error>(())
    /// ```
    Isolate {
        segment: "isolate",
        permissions: &["Machine.Isolate"],
        role: ACTIVE_REMEDIATION,
        inverse: "Unisolate",
        particulars: |ours, existing: &MachineAction| scope(&ours.isolation_type, existing),
        field
        /// Extent of the isolation.
        isolation_type: IsolationType,
    }
}

impl IsolationType {
    /// Returns the systems that support this type, if they differ from those of [`Isolate`]. The oldest supported Windows is
    /// Server 2012 R2. Source: <https://learn.microsoft.com/en-us/defender-endpoint/respond-machine-alerts>.
    #[must_use]
    pub const fn platforms(&self) -> Option<Platforms> {
        match self {
            Self::Selective => Some(
                Platforms::windows(
                    1703,
                    "Windows 10 1703 or later, Windows 11, Windows Server 2012 R2 or later, Azure Stack HCI 23H2 or later, or \
                     macOS",
                )
                .and_older_windows()
                .and_mac(),
            ),
            _ => None,
        }
    }
}

/// Compares the scope of a record. No page of the service states the scope of a contained device, so a record can confirm a
/// request for `UnManagedDevice`, and never contradict it.
fn scope(ours: &IsolationType, existing: &MachineAction) -> Match {
    let known = if *ours == IsolationType::UnManagedDevice { &[] } else { IsolationType::KNOWN };
    Match::of_value(existing.scope.as_deref(), ours.as_str(), known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Action;

    #[test]
    fn isolation_compares_the_scope() {
        let compare = |ours: IsolationType, scope: serde_json::Value| {
            let existing = serde_json::from_value(json!({"id": "a", "type": "Isolate", "scope": scope})).unwrap();
            Isolate::new("x", ours).unwrap().particulars(&existing).unwrap()
        };
        let full = |scope| compare(IsolationType::Full, scope);
        assert_eq!(full(json!("Full")), Match::Same);
        assert_eq!(full(json!(" full")), Match::Same);
        assert_eq!(full(json!("Selective")), Match::Different);
        assert_eq!(full(json!("UnManagedDevice")), Match::Different);
        for not_comparable in [json!(null), json!(""), json!("Quick"), json!(7)] {
            assert_eq!(full(not_comparable.clone()), Match::NotStated, "{not_comparable}");
        }
        let contain = |scope| compare(IsolationType::UnManagedDevice, scope);
        assert_eq!(contain(json!("UnmanagedDevice")), Match::Same);
        assert_eq!(contain(json!("Full")), Match::NotStated);
    }
}

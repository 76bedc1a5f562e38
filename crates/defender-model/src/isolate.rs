//! Cut a machine off the network.

use crate::{MachineAction, action::action, open_enum::open_enum};

open_enum! {
    /// How much of the network a machine is cut off from.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/isolate-machine>.
    IsolationType {
        /// All of it but the service itself.
        Full = "Full",
        /// For a limited set of applications.
        Selective = "Selective",
        /// For a machine that is not onboarded: the onboarded ones are told to block it.
        UnManagedDevice = "UnManagedDevice",
    }
}

action! {
    /// *Isolate*: cuts a machine off the network, but for the service itself.
    ///
    /// - On the device: connections end and none begin, as far as the [`IsolationType`] says. The machine still talks to
    ///   the service, and can be released.
    /// - Permission `Machine.Isolate`, and for a user the role *Active remediation actions* and access to the machine's
    ///   group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - `Full` is for Windows 10 1703 or later, Windows 11 and the supported Linux systems, `Selective` for Windows 10 1709
    ///   or later and Windows 11. A machine behind a full VPN tunnel does not reach the service once it is isolated.
    /// - Errors: 400 without a comment; 403 without the permission; 404 where there is no such machine. What a repeat gets
    ///   while one is pending is not documented; both a 400 and the earlier action were seen.
    ///
    /// Undone by [`Unisolate`](crate::Unisolate). Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/isolate-machine>.
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
        inverse: "Unisolate",
        same_intent: |ours, existing: &MachineAction| is_scope(existing, ours.isolation_type.as_str()),
        field
        /// How much it is cut off from.
        isolation_type: IsolationType,
    }
}

/// Whether a record's scope is `word`. A record without one is not known to be the same; what the scope of an isolated
/// unmanaged device is, no page says.
pub(crate) fn is_scope(existing: &MachineAction, word: &str) -> bool {
    existing.scope.as_deref().is_some_and(|scope| scope.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Action;

    #[test]
    fn only_an_isolation_of_the_same_scope_has_the_same_intent() {
        let full = Isolate::new("x", IsolationType::Full).unwrap();
        let existing = |kind, scope| serde_json::from_value(json!({"id": "a", "type": kind, "scope": scope})).unwrap();
        assert!(full.same_intent(&existing("Isolate", Some("Full"))));
        assert!(!full.same_intent(&existing("Isolate", Some("Selective"))));
        assert!(!full.same_intent(&existing("Isolate", None)));
        assert!(!full.same_intent(&existing("Unisolate", Some("Full"))));
    }
}

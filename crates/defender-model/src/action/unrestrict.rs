//! Removal of the restriction to code signed by Microsoft.

use crate::{Platforms, action::action};

action! {
    /// *Remove app restriction*: removes the restriction of [`RestrictCodeExecution`](crate::RestrictCodeExecution), so that any
    /// code may run on the machine again.
    ///
    /// - On the device: the code integrity policy is removed.
    /// - Permission `Machine.RestrictExecution`. A user also needs the role *Active remediation actions* (Unified RBAC:
    ///   *Response (manage)*) and access to the machine's group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - Errors: 400 without a comment, or while a removal is pending; 403 without the permission; 404 if the machine does not
    ///   exist. While a removal is pending, the service may respond with that action instead of a 400.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/unrestrict-code-execution>, which states neither
    /// licenses nor systems for this action.
    ///
    /// ```
    /// use defender_model::UnrestrictCodeExecution;
    ///
    /// let action = UnrestrictCodeExecution::new("Machine was cleaned and validated")?;
    /// assert_eq!(serde_json::to_string(&action).unwrap(), r#"{"Comment":"Machine was cleaned and validated"}"#);
    /// # Ok::<(), defender_model::Error>(())
    /// ```
    UnrestrictCodeExecution {
        segment: "unrestrictCodeExecution",
        permissions: &["Machine.RestrictExecution"],
        role: ACTIVE_REMEDIATION,
        // Source: <https://learn.microsoft.com/en-us/defender-endpoint/respond-machine-alerts>.
        platforms: Platforms::windows(
            1709,
            "Windows 10 1709 or later, Windows 11, or Windows Server 2019 or later",
        ),
        inverse: "RestrictCodeExecution",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Action;

    #[test]
    fn removal_has_no_particulars() {
        let ours = UnrestrictCodeExecution::new("cleaned").unwrap();
        let existing = serde_json::from_value(json!({"id": "a", "scope": "Full"})).unwrap();
        assert_eq!(ours.particulars(&existing), Some(crate::Match::Same));
    }

    #[test]
    fn blank_comment_makes_no_action() {
        assert!(UnrestrictCodeExecution::new(" ").is_err());
    }
}

//! Let only code signed by Microsoft run.

use crate::{Platforms, action::action};

action! {
    /// *Restrict app execution*: lets only code that Microsoft signed run on a machine.
    ///
    /// - On the device: a code integrity policy is set; what runs already goes on until it ends.
    /// - Permission `Machine.RestrictExecution`, and for a user the role *Active remediation actions* (Unified RBAC: *Response (manage)*) and access to the
    ///   machine's group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - Windows 10 1709 or later, Windows 11, Windows Server 2019 or later, with Microsoft Defender Antivirus in use.
    /// - Errors: 400 without a comment, or while one is pending; 403 without the permission; 404 where there is no such
    ///   machine. While one is pending the service may also answer with that one instead of a 400.
    ///
    /// Undone by [`UnrestrictCodeExecution`](crate::UnrestrictCodeExecution). Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/restrict-code-execution>.
    ///
    /// ```
    /// use defender_model::RestrictCodeExecution;
    ///
    /// let action = RestrictCodeExecution::new("Restrict code execution due to alert 1234")?;
    /// assert_eq!(serde_json::to_string(&action).unwrap(), r#"{"Comment":"Restrict code execution due to alert 1234"}"#);
    /// # Ok::<(), defender_model::Error>(())
    /// ```
    RestrictCodeExecution {
        segment: "restrictCodeExecution",
        permissions: &["Machine.RestrictExecution"],
        role: ACTIVE_REMEDIATION,
        // Source: <https://learn.microsoft.com/en-us/defender-endpoint/respond-machine-alerts>.
        platforms: Platforms::windows(
            1709,
            "Windows 10 1709 or later, Windows 11, or Windows Server 2019 or later",
        ),
        inverse: "UnrestrictCodeExecution",
    }
}

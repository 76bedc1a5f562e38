//! Restriction of a machine to code signed by Microsoft.

use crate::{Platforms, action::action};

action! {
    /// *Restrict app execution*: lets a machine run only code that Microsoft has signed.
    ///
    /// - On the device: a code integrity policy is set. Programs that are already running continue until they end.
    /// - Permission `Machine.RestrictExecution`. A user also needs the role *Active remediation actions* (Unified RBAC:
    ///   *Response (manage)*) and access to the machine's group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - Windows 10 1709 or later, Windows 11, Windows Server 2019 or later, with Microsoft Defender Antivirus in use.
    /// - Errors: 400 without a comment, or while a restriction is pending; 403 without the permission; 404 if the machine does
    ///   not exist. While a restriction is pending, the service may respond with that action instead of a 400.
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

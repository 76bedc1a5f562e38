//! Scan a machine for malware.

use crate::{action::action, isolate::is_scope, open_enum::open_enum};

open_enum! {
    /// How thorough a scan is.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/run-av-scan>.
    ScanType {
        /// Where malware usually is.
        Quick = "Quick",
        /// Everywhere.
        Full = "Full",
    }
}

action! {
    /// *Run antivirus scan*: has Microsoft Defender Antivirus scan a machine.
    ///
    /// - On the device: a scan is begun; where another antivirus is in use, Defender may still scan in passive mode.
    /// - Permission `Machine.Scan`, and for a user the role *Active remediation actions* and access to the machine's group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - Errors: 400 without a comment or scan type, or while one is pending; 403 without the permission; 404 where there
    ///   is no such machine. While one is pending the service may also answer with that one instead of a 400.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/run-av-scan>.
    ///
    /// ```
    /// use defender_model::{RunAntiVirusScan, ScanType};
    ///
    /// let action = RunAntiVirusScan::new("Check machine for viruses", ScanType::Full)?;
    /// assert_eq!(
    ///     serde_json::to_string(&action).unwrap(),
    ///     r#"{"Comment":"Check machine for viruses","ScanType":"Full"}"#
    /// );
    /// # Ok::<(), defender_model::Error>(())
    /// ```
    RunAntiVirusScan {
        segment: "runAntiVirusScan",
        permissions: &["Machine.Scan"],
        same_intent: |ours, existing| is_scope(existing, ours.scan_type.as_str()),
        field
        /// How thorough it is.
        scan_type: ScanType,
    }
}

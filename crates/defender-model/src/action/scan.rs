//! Antivirus scan of a machine.

use crate::{MachineAction, Match, action::action, wire::open_enum::open_enum};

open_enum! {
    /// Depth of a scan.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/run-av-scan>.
    ScanType {
        /// Scans the locations where malware usually is.
        Quick = "Quick",
        /// Scans the whole machine.
        Full = "Full",
    }
}

action! {
    /// *Run antivirus scan*: makes Microsoft Defender Antivirus scan a machine.
    ///
    /// - On the device: a scan starts. If another antivirus is in use, Defender may still scan in passive mode.
    /// - Permission `Machine.Scan`. A user also needs the role *Active remediation actions* (Unified RBAC:
    ///   *Response (manage)*) and access to the machine's group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - Errors: 400 without a comment or scan type, or while a scan is pending; 403 without the permission; 404 if the machine
    ///   does not exist. While a scan is pending, the service may respond with that action instead of a 400.
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
        role: ACTIVE_REMEDIATION,
        particulars: |ours, existing: &MachineAction| {
            Match::of_value(existing.scope.as_deref(), ours.scan_type.as_str(), ScanType::KNOWN)
        },
        field
        /// Depth of the scan.
        scan_type: ScanType,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Action;

    #[test]
    fn scan_compares_the_scope() {
        let compare = |scope: serde_json::Value| {
            let existing = json!({"id": "a", "type": "RunAntiVirusScan", "scope": scope});
            let existing = serde_json::from_value(existing).unwrap();
            RunAntiVirusScan::new("x", ScanType::Full).unwrap().particulars(&existing)
        };
        assert_eq!(compare(json!("FULL")), Some(Match::Same));
        assert_eq!(compare(json!("Quick")), Some(Match::Different));
        assert_eq!(compare(json!("Selective")), Some(Match::NotStated));
        assert_eq!(compare(json!(null)), Some(Match::NotStated));
    }
}

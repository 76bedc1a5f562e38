//! Stop and quarantine of a file.

use crate::{MachineAction, Match, Platforms, Sha1, action::action};

action! {
    /// *Stop and quarantine file*: ends the processes of a file, quarantines the file, and removes its autoruns.
    ///
    /// - On the device: running processes of the file end, the file is moved, its autoruns are deleted.
    /// - Permission `Machine.StopAndQuarantine`; for an application, the page also lists `Machine.Read.All` and
    ///   `Machine.ReadWrite.All`. A user also needs the role *Active remediation actions* (Unified RBAC: *Response (manage)*)
    ///   and access to the machine's group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - Windows 10 1703 or later, and Windows 11. The file must not be a system file, nor signed by Microsoft or by a trusted
    ///   publisher.
    /// - Errors: 400 without a comment or hash; 403 without the permission; 404 if the machine does not exist.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/stop-and-quarantine-file>.
    ///
    /// ```
    /// use defender_model::StopAndQuarantineFile;
    ///
    /// let sha1 = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9".parse()?;
    /// let action = StopAndQuarantineFile::new("Stop and quarantine due to alert 1234", sha1)?;
    /// assert_eq!(
    ///     serde_json::to_string(&action).unwrap(),
    ///     r#"{"Comment":"Stop and quarantine due to alert 1234","Sha1":"87662bc3d60e4200ceaf7aae249d1c343f4b83c9"}"#
    /// );
    /// # Ok::<(), defender_model::Error>(())
    /// ```
    StopAndQuarantineFile {
        segment: "StopAndQuarantineFile",
        permissions: &["Machine.StopAndQuarantine", "Machine.Read.All", "Machine.ReadWrite.All"],
        delegated: &["Machine.StopAndQuarantine"],
        role: ACTIVE_REMEDIATION,
        // Source: the page of the action.
        platforms: Platforms::windows(1703, "Windows 10 1703 or later, or Windows 11").and_older_windows(),
        particulars: |ours, existing: &MachineAction| file(&ours.sha1, existing),
        field
        /// Hash of the file.
        sha1: Sha1,
    }
}

/// Compares the file of a record by its SHA-1. An identifier of another kind can belong to the same file. If the record has no
/// kind, 40 hex digits count as a SHA-1.
fn file(ours: &Sha1, existing: &MachineAction) -> Match {
    let Some(file) = &existing.related_file_info else { return Match::NotStated };
    let kind = file.file_identifier_type.as_deref().map(str::trim).filter(|kind| !kind.is_empty());
    match file.file_identifier.as_deref().map(|hash| hash.trim().parse::<Sha1>()) {
        Some(Ok(hash)) if hash == *ours => Match::Same,
        Some(Ok(_)) if kind.is_none_or(|kind| kind.eq_ignore_ascii_case("sha1")) => Match::Different,
        _ => Match::NotStated,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Action;

    #[test]
    fn quarantine_compares_the_sha1() {
        let hash = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";
        let ours = StopAndQuarantineFile::new("x", hash.parse().unwrap()).unwrap();
        let compare = |file: serde_json::Value| {
            let existing = json!({"id": "a", "type": "StopAndQuarantineFile", "relatedFileInfo": file});
            ours.particulars(&serde_json::from_value(existing).unwrap()).unwrap()
        };
        let of = |id: &str, kind: &str| compare(json!({"fileIdentifier": id, "fileIdentifierType": kind}));
        let other = "0".repeat(40);
        assert_eq!(of(&hash.to_uppercase(), "Sha1"), Match::Same);
        assert_eq!(compare(json!({"fileIdentifier": hash})), Match::Same);
        assert_eq!(of(&other, "sha1"), Match::Different);
        assert_eq!(compare(json!({"fileIdentifier": other})), Match::Different);
        assert_eq!(of(&other, "Md5"), Match::NotStated);
        assert_eq!(of(&"0".repeat(64), "Sha256"), Match::NotStated);
        assert_eq!(of("", "Sha1"), Match::NotStated);
        assert_eq!(compare(json!(null)), Match::NotStated);
        assert_eq!(compare(json!({})), Match::NotStated);
    }
}

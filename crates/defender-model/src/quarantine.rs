//! Stop a file and put it into quarantine.

use crate::{MachineAction, Sha1, action::action};

action! {
    /// *Stop and quarantine file*: ends the processes that run a file, puts it into quarantine, and removes what starts it.
    ///
    /// - On the device: running processes of the file end, the file moves, its autoruns go.
    /// - Permission `Machine.StopAndQuarantine`; for an application the page lists `Machine.Read.All` and
    ///   `Machine.ReadWrite.All` too. A user needs the role *Active remediation actions* and access to the machine's group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - Windows 10 1703 or later, and Windows 11, for a file that is no system file and is signed by neither Microsoft
    ///   nor a trusted publisher.
    /// - Errors: 400 without a comment or hash; 403 without the permission; 404 where there is no such machine.
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
        same_intent: |ours, existing: &MachineAction| existing.related_file_info.as_ref().is_some_and(|file| {
            file.file_identifier.as_deref().is_some_and(|hash| hash.parse::<Sha1>().is_ok_and(|hash| hash == ours.sha1))
        }),
        field
        /// The file.
        sha1: Sha1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Action;

    #[test]
    fn only_the_same_file_is_the_same_intent() {
        let hash = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";
        let ours = StopAndQuarantineFile::new("x", hash.parse().unwrap()).unwrap();
        let existing = |file: serde_json::Value| {
            serde_json::from_value(json!({"id": "a", "type": "StopAndQuarantineFile", "relatedFileInfo": file}))
                .unwrap()
        };
        assert!(
            ours.same_intent(&existing(json!({"fileIdentifier": hash.to_uppercase(), "fileIdentifierType": "Sha1"})))
        );
        assert!(!ours.same_intent(&existing(json!({"fileIdentifier": "0".repeat(40)}))));
        assert!(!ours.same_intent(&existing(json!(null))));
    }
}

//! Collection of evidence from a machine.

use crate::action::action;

action! {
    /// *Collect investigation package*: makes the machine gather its state (processes, connections, autoruns, logs and so on)
    /// into a package. The package can be downloaded after the action has succeeded.
    ///
    /// - On the device: state is read, and nothing is changed.
    /// - Permission `Machine.CollectForensics`. A user also needs the role *Alerts investigation* (Unified RBAC:
    ///   *Alerts (manage)*) and access to the machine's group.
    /// - 100 calls a minute and 1,500 an hour. The link to the package: 2 calls a minute and 120 an hour.
    /// - Errors: 400 without a comment, or while a collection is running; 403 without the permission; 404 if the machine does
    ///   not exist.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/collect-investigation-package>.
    ///
    /// ```
    /// use defender_model::CollectInvestigationPackage;
    ///
    /// let action = CollectInvestigationPackage::new("Collect forensics due to alert 1234")?;
    /// assert_eq!(serde_json::to_string(&action).unwrap(), r#"{"Comment":"Collect forensics due to alert 1234"}"#);
    /// # Ok::<(), defender_model::Error>(())
    /// ```
    CollectInvestigationPackage {
        segment: "collectInvestigationPackage",
        permissions: &["Machine.CollectForensics"],
        role: ALERTS_INVESTIGATION,
    }
}

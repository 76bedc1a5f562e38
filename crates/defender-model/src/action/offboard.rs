//! Removal of a machine from the service.

use crate::action::action;

action! {
    /// *Offboard*: removes a machine from the service. No call of the API undoes this.
    ///
    /// - On the device: the sensor's service stops; on Windows, the onboarding information stays in the registry.
    /// - Permission `Machine.Offboard`. A user also needs an appropriate role and access to the machine's group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - Windows 10 1703 or later, Windows 11, Windows Server 2019 or later, and Windows Server 2012 R2 and 2016 with the
    ///   unified agent, macOS 14 or later, and Linux.
    /// - Errors: 400 without a comment; 403 without the permission; 404 if the machine does not exist.
    /// - The service's page prints the response as *200 Created*, an older page as 201; both are accepted.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/offboard-machine-api>.
    ///
    /// ```
    /// use defender_model::Offboard;
    ///
    /// let action = Offboard::new("Offboard machine by automation")?;
    /// assert_eq!(serde_json::to_string(&action).unwrap(), r#"{"Comment":"Offboard machine by automation"}"#);
    /// # Ok::<(), defender_model::Error>(())
    /// ```
    Offboard {
        segment: "offboard",
        permissions: &["Machine.Offboard"],
        role: ACTIVE_REMEDIATION,
    }
}

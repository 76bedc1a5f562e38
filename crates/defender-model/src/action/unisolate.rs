//! Release of a machine from isolation.

use crate::action::action;

action! {
    /// *Release from isolation*: reconnects an isolated machine to the network.
    ///
    /// - On the device: new connections are allowed.
    /// - Permission `Machine.Isolate`. A user also needs the role *Active remediation actions* (Unified RBAC:
    ///   *Response (manage)*) and access to the machine's group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - Errors: 400 without a comment, or while a release is pending; 403 without the permission; 404 if the machine does not
    ///   exist. While a release is pending, the service may respond with that action instead of a 400.
    ///
    /// Undone by [`Isolate`](crate::Isolate). Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/unisolate-machine>.
    ///
    /// ```
    /// use defender_model::Unisolate;
    ///
    /// let action = Unisolate::new("Machine was clean and validated")?;
    /// assert_eq!(serde_json::to_string(&action).unwrap(), r#"{"Comment":"Machine was clean and validated"}"#);
    /// # Ok::<(), defender_model::Error>(())
    /// ```
    Unisolate {
        segment: "unisolate",
        permissions: &["Machine.Isolate"],
        role: ACTIVE_REMEDIATION,
        inverse: "Isolate",
    }
}

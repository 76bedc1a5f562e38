//! Let a machine back to the network.

use crate::action::action;

action! {
    /// *Release from isolation*: lets an isolated machine back to the network.
    ///
    /// - On the device: connections may begin again.
    /// - Permission `Machine.Isolate`, and for a user the role *Active remediation actions* (Unified RBAC: *Response (manage)*) and access to the machine's
    ///   group.
    /// - 100 calls a minute and 1,500 an hour.
    /// - Errors: 400 without a comment, or while one is pending; 403 without the permission; 404 where there is no such
    ///   machine. While one is pending the service may also answer with that one instead of a 400.
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

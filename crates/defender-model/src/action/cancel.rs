//! The request that cancels an action.

use serde::Serialize;

use crate::{Comment, Error};

/// The body of *cancel machine action*: `POST /api/machineactions/{id}/cancel`.
///
/// The service's page does not mark the comment as required; this crate requires one, for the audit trail. Each of
/// [`PERMISSIONS`](Self::PERMISSIONS) is sufficient. The service responds with 200 and the action, with 404 if the action
/// does not exist, and with 400 if the action can no longer be cancelled. Source:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/cancel-machine-action>.
///
/// ```
/// use defender_model::CancelMachineAction;
///
/// let request = CancelMachineAction::new("False positive")?;
/// assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"Comment":"False positive"}"#);
/// # Ok::<(), defender_model::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct CancelMachineAction {
    /// Reason for the cancellation.
    pub comment: Comment,
}

impl CancelMachineAction {
    /// Permissions to cancel an action; one of them is sufficient.
    pub const PERMISSIONS: &'static [&'static str] = &[
        "Machine.CollectForensics",
        "Machine.Isolate",
        "Machine.RestrictExecution",
        "Machine.Scan",
        "Machine.Offboard",
        "Machine.StopAndQuarantine",
        "Machine.LiveResponse",
    ];

    /// Creates the request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidComment`](crate::ErrorKind::InvalidComment) if the comment is empty or blank.
    pub fn new(comment: impl Into<String>) -> Result<Self, Error> {
        Ok(Self { comment: comment.into().try_into()? })
    }
}

//! Take back an action that has not been done yet.

use serde::Serialize;

use crate::{Comment, Error};

/// The body of *cancel machine action*: `POST /api/machineactions/{id}/cancel`.
///
/// Its page does not mark the comment as required; we do, for the audit trail. Any one of the actions' own permissions
/// allows it, [`PERMISSIONS`](Self::PERMISSIONS). The service answers 200 with the action, 404 where there is no such
/// action, and 400 where it can no longer be cancelled. Source:
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
    /// Why it is taken back.
    pub comment: Comment,
}

impl CancelMachineAction {
    /// The permissions of which any one allows it.
    pub const PERMISSIONS: &'static [&'static str] = &[
        "Machine.CollectForensics",
        "Machine.Isolate",
        "Machine.RestrictExecution",
        "Machine.Scan",
        "Machine.Offboard",
        "Machine.StopAndQuarantine",
        "Machine.LiveResponse",
    ];

    /// The request with its comment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidComment`](crate::ErrorKind::InvalidComment) where the comment is empty or blank.
    pub fn new(comment: impl Into<String>) -> Result<Self, Error> {
        Ok(Self { comment: comment.into().try_into()? })
    }
}

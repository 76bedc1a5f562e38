//! Let only code signed by Microsoft run.

use serde::Serialize;

use crate::{Action, ActionType, Comment, Error, MachineAction};

/// *Restrict app execution*: lets only code that Microsoft signed run on a machine.
///
/// - On the device: a code integrity policy is set; what runs already goes on until it ends.
/// - Permission `Machine.RestrictExecution`, and for a user the role *Active remediation actions* and access to the
///   machine's group.
/// - 100 calls a minute and 1,500 an hour.
/// - Windows 10 1709 or later, Windows 11, Windows Server 2019 or later, with Microsoft Defender Antivirus in use.
/// - Errors: 400 without a comment, or while one is pending; 403 without the permission; 404 where there is no such
///   machine.
///
/// Undone by [`UnrestrictCodeExecution`](crate::UnrestrictCodeExecution). Source:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/restrict-code-execution>.
///
/// ```
/// use defender_model::RestrictCodeExecution;
///
/// let action = RestrictCodeExecution::new("Restrict code execution due to alert 1234")?;
/// assert_eq!(serde_json::to_string(&action).unwrap(), r#"{"Comment":"Restrict code execution due to alert 1234"}"#);
/// # Ok::<(), defender_model::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct RestrictCodeExecution {
    /// Why it is done.
    pub comment: Comment,
}

impl RestrictCodeExecution {
    /// The action with its comment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidComment`](crate::ErrorKind::InvalidComment) where the comment is empty or blank.
    pub fn new(comment: impl Into<String>) -> Result<Self, Error> {
        Ok(Self { comment: comment.into().try_into()? })
    }
}

impl Action for RestrictCodeExecution {
    const SEGMENT: &'static str = "restrictCodeExecution";
    const TYPE: &'static str = "RestrictCodeExecution";
    const PERMISSIONS: &'static [&'static str] = &["Machine.RestrictExecution"];
    const INVERSE: Option<&'static str> = Some("UnrestrictCodeExecution");

    fn same_intent(&self, existing: &MachineAction) -> bool {
        existing.action_type == ActionType::RestrictCodeExecution
    }
}

//! What every action is made of.

use serde::Serialize;

use crate::{Limit, MachineAction};

/// An action on a machine: its request body, and what the service wants to know about it.
///
/// It is asked for with `POST /api/machines/{id}/SEGMENT`, and the service answers with a [`MachineAction`]. The trait is
/// open: an action that this crate does not know yet is a type of your own with three constants.
///
/// ```
/// use defender_model::{Action, Limit};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct RequestSample {
///     comment: String,
///     sha256: String,
/// }
///
/// impl Action for RequestSample {
///     const SEGMENT: &'static str = "requestSample";
///     const TYPE: &'static str = "RequestSample";
///     const PERMISSIONS: &'static [&'static str] = &["Machine.CollectForensics"];
/// }
///
/// assert_eq!(RequestSample::QUOTA, Limit::GENERAL);
/// ```
pub trait Action: Serialize + Send + Sync + 'static {
    /// The last segment of its path, in the letter case of the service's page.
    const SEGMENT: &'static str;

    /// The word in the records' `type`.
    const TYPE: &'static str;

    /// The permissions of which any one allows it.
    const PERMISSIONS: &'static [&'static str];

    /// How often it may be asked for.
    const QUOTA: &'static [Limit] = Limit::GENERAL;

    /// The `type` of the action that undoes it.
    const INVERSE: Option<&'static str> = None;

    /// Whether an action that is there already is what was asked for, so that the one may stand for the other. False
    /// unless the action says when.
    fn same_intent(&self, existing: &MachineAction) -> bool {
        let _ = existing;
        false
    }
}

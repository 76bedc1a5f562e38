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

    /// The permissions of which any one allows an application to do it (the token's `roles`).
    const PERMISSIONS: &'static [&'static str];

    /// The permissions of which any one allows it on behalf of a user (the token's `scp`), who needs a role in Defender and
    /// access to the machine's group as well.
    const DELEGATED_PERMISSIONS: &'static [&'static str] = Self::PERMISSIONS;

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

/// An action that can carry the id under which its caller knows it, so that it is told apart from any other of its kind.
pub trait WithExternalId: Action {
    /// Sets the id.
    #[must_use]
    fn with_external_id(self, external_id: String) -> Self;
}

/// Makes an action whose body is a comment, the fields that are listed, and an external id where one is set.
///
/// Its name is the service's word for it. After `same_intent` stands what must hold of the existing action beside its type.
macro_rules! action {
    (
        $(#[$doc:meta])*
        $name:ident {
            segment: $segment:literal,
            permissions: $permissions:expr,
            $(delegated: $delegated:expr,)?
            $(inverse: $inverse:literal,)?
            $(same_intent: $same_intent:expr,)?
            $(field $(#[$field_doc:meta])* $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        #[non_exhaustive]
        pub struct $name {
            /// Why it is done.
            pub comment: crate::Comment,
            $($(#[$field_doc])* pub $field: $type,)*
            /// The id under which the caller knows the action. The service tells of it in its records and in no page on
            /// requests, so that its name is inferred; it is left out unless it is set.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub external_id: Option<String>,
        }

        impl $name {
            /// The action with what is required.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::InvalidComment`](crate::ErrorKind::InvalidComment) where the comment is empty or blank.
            pub fn new(comment: impl Into<String>, $($field: $type),*) -> Result<Self, crate::Error> {
                Ok(Self { comment: comment.into().try_into()?, $($field,)* external_id: None })
            }

            /// Sets the id under which the caller knows the action.
            #[must_use]
            pub fn external_id(mut self, external_id: impl Into<String>) -> Self {
                self.external_id = Some(external_id.into());
                self
            }
        }

        impl crate::WithExternalId for $name {
            fn with_external_id(self, external_id: String) -> Self {
                self.external_id(external_id)
            }
        }

        impl crate::Action for $name {
            const SEGMENT: &'static str = $segment;
            const TYPE: &'static str = stringify!($name);
            const PERMISSIONS: &'static [&'static str] = $permissions;
            $(const DELEGATED_PERMISSIONS: &'static [&'static str] = $delegated;)?
            $(const INVERSE: Option<&'static str> = Some($inverse);)?

            fn same_intent(&self, existing: &crate::MachineAction) -> bool {
                existing.action_type == crate::ActionType::$name
                    $(&& { let same: fn(&Self, &crate::MachineAction) -> bool = $same_intent; same(self, existing) })?
            }
        }
    };
}

pub(crate) use action;

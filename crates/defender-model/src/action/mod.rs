//! Actions on machines, and the trait that each of them implements.

pub(crate) mod cancel;
pub(crate) mod collect;
pub(crate) mod command;
pub(crate) mod comment;
pub(crate) mod info;
pub(crate) mod isolate;
pub(crate) mod kind;
pub(crate) mod limit;
pub(crate) mod live_response;
pub(crate) mod offboard;
pub(crate) mod platform;
pub(crate) mod properties;
pub(crate) mod quarantine;
pub(crate) mod record;
pub(crate) mod restrict;
pub(crate) mod role;
pub(crate) mod scan;
pub(crate) mod status;
pub(crate) mod unisolate;
pub(crate) mod unrestrict;

use serde::Serialize;

use crate::{Limit, MachineAction, Platforms, UserRole};

/// An action on a machine: the request body, and the facts of the service about the action.
///
/// The request is `POST /api/machines/{id}/SEGMENT`, and the response is a [`MachineAction`]. The trait is open: for an action
/// that this crate does not know, implement it for a type of your own. Three constants are required.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an action",
    label = "not an action",
    note = "an action is a value such as `Isolate::new(comment)?`; of a `Result`, take the action with `?`",
    note = "an action of your own implements `Action` and `serde::Serialize`"
)]
pub trait Action: Serialize + Send + Sync + 'static {
    /// Last segment of the path, in the letter case of the service's page.
    const SEGMENT: &'static str;

    /// Value of `type` in records.
    const TYPE: &'static str;

    /// Permissions of an application (the token's `roles`); one of them is sufficient.
    const PERMISSIONS: &'static [&'static str];

    /// Permissions on behalf of a user (the token's `scp`); one of them is sufficient. The user also needs a role in Defender
    /// and access to the machine's group.
    const DELEGATED_PERMISSIONS: &'static [&'static str] = Self::PERMISSIONS;

    /// Role that a user needs in addition to the permission, if it is known.
    const ROLE: Option<UserRole> = None;

    /// Rate limits of the call.
    const QUOTA: &'static [Limit] = Limit::GENERAL;

    /// `type` of the action that undoes this one.
    const INVERSE: Option<&'static str> = None;

    /// Systems that support the action. A machine is not refused for a system on which the page is silent.
    const PLATFORMS: Platforms = Platforms::ANY;

    /// Compares the particulars of this action with those of a record of the same type. Particulars are the attributes beside
    /// machine, comment and ids, such as the scope or the file.
    ///
    /// `None`, the default, means that the type has no rule. After a lost response, such an action is found only by a generated
    /// external id. A type without particulars returns [`Match::Same`]. If the record lacks a particular, the result is
    /// [`Match::NotStated`]: the service omits the scope of an isolation from its first records.
    fn particulars(&self, existing: &MachineAction) -> Option<Match> {
        let _ = existing;
        None
    }
}

/// Result of comparing an attribute of a record with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// The record has the same value.
    Same,
    /// The record has a different value.
    Different,
    /// The record has no value that can be compared.
    NotStated,
}

impl Match {
    /// Compares a value of a record, in any letter case. Only the values in `known` can be told apart: any other value of the
    /// record counts as not stated.
    pub(crate) fn of_value(stated: Option<&str>, ours: &str, known: &[&str]) -> Self {
        let is = |value: &str| stated.is_some_and(|stated| stated.trim().eq_ignore_ascii_case(value));
        if is(ours) {
            Self::Same
        } else if known.iter().any(|value| is(value)) {
            Self::Different
        } else {
            Self::NotStated
        }
    }
}

/// An action that can have an id of the caller. The id distinguishes the action from others of the same type.
pub trait WithExternalId: Action {
    /// Sets the caller's id of the action.
    #[must_use]
    fn with_external_id(self, external_id: String) -> Self;
}

/// Declares an action. Its body has a comment, the listed fields, and an external id if one is set.
///
/// The name of the struct is the service's `type`. `particulars` is the comparison with a record of the same type; an action
/// without it has no particulars.
macro_rules! action {
    (
        $(#[$doc:meta])*
        $name:ident {
            segment: $segment:literal,
            permissions: $permissions:expr,
            $(delegated: $delegated:expr,)?
            role: $role:ident,
            $(quota: $quota:expr,)?
            $(platforms: $platforms:expr,)?
            $(inverse: $inverse:literal,)?
            $(particulars: $particulars:expr,)?
            $(field $(#[$field_doc:meta])* $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        #[non_exhaustive]
        pub struct $name {
            /// Reason for the action.
            pub comment: crate::Comment,
            $($(#[$field_doc])* pub $field: $type,)*
            /// The caller's id of the action; omitted from the request unless it is set. The name of the parameter is from the
            /// service's OData metadata.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub external_id: Option<String>,
        }

        impl $name {
            /// Creates the action with the required fields.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::InvalidComment`](crate::ErrorKind::InvalidComment) if the comment is empty or blank.
            pub fn new(comment: impl Into<String>, $($field: $type),*) -> Result<Self, crate::Error> {
                Ok(Self { comment: comment.into().try_into()?, $($field,)* external_id: None })
            }

            /// Sets the caller's id of the action.
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
            const ROLE: Option<crate::UserRole> = Some(crate::UserRole::$role);
            $(const QUOTA: &'static [crate::Limit] = $quota;)?
            $(const PLATFORMS: crate::Platforms = $platforms;)?
            $(const INVERSE: Option<&'static str> = Some($inverse);)?

            fn particulars(&self, existing: &crate::MachineAction) -> Option<crate::Match> {
                let _ = existing;
                $(
                    let compare: fn(&Self, &crate::MachineAction) -> crate::Match = $particulars;
                    return Some(compare(self, existing));
                )?
                #[allow(unreachable_code, reason = "reached by the types without particulars")]
                Some(crate::Match::Same)
            }
        }
    };
}

pub(crate) use action;

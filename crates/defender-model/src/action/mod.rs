//! What every action is made of.

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

    /// The role that a user needs beside the permission, where it is known.
    const ROLE: Option<UserRole> = None;

    /// How often it may be asked for.
    const QUOTA: &'static [Limit] = Limit::GENERAL;

    /// The `type` of the action that undoes it.
    const INVERSE: Option<&'static str> = None;

    /// The systems that it supports. What a page does not say is not held against a machine.
    const PLATFORMS: Platforms = Platforms::ANY;

    /// Compares the particulars of a record of the same type with this action: its scope, its file, whatever the type has
    /// beside machine, comment and ids.
    ///
    /// `None`, the default, says that the type has no rule. Such an action is found again by a generated external id only.
    /// A type without particulars answers [`Match::Same`]. A record that leaves a particular out says
    /// [`Match::NotStated`]: the service leaves the scope of an isolation out of its first records.
    fn particulars(&self, existing: &MachineAction) -> Option<Match> {
        let _ = existing;
        None
    }
}

/// Outcome of comparing an attribute of a record with what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// The record states the same.
    Same,
    /// The record states something else.
    Different,
    /// The record states nothing that can be compared.
    NotStated,
}

impl Match {
    /// Compares a word that a record states, letter case aside. `known` are the words that can be told apart: a record
    /// with any other word states nothing that can be compared.
    pub(crate) fn of_word(stated: Option<&str>, ours: &str, known: &[&str]) -> Self {
        let is = |word: &str| stated.is_some_and(|stated| stated.trim().eq_ignore_ascii_case(word));
        if is(ours) {
            Self::Same
        } else if known.iter().any(|word| is(word)) {
            Self::Different
        } else {
            Self::NotStated
        }
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
/// Its name is the service's word for it. After `particulars` stands the comparison with a record of the same type; a type
/// without it has no particulars.
macro_rules! action {
    (
        $(#[$doc:meta])*
        $name:ident {
            segment: $segment:literal,
            permissions: $permissions:expr,
            $(delegated: $delegated:expr,)?
            role: $role:ident,
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
            /// Why it is done.
            pub comment: crate::Comment,
            $($(#[$field_doc])* pub $field: $type,)*
            /// The caller's id of the action, left out unless it is set. Its name in requests is from the service's OData
            /// metadata.
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
            const ROLE: Option<crate::UserRole> = Some(crate::UserRole::$role);
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

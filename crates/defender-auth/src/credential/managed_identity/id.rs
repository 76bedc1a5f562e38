//! Name of an identity among those of a host.

/// Selects one of the identities that were assigned to a machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManagedIdentityId {
    /// The identity's client id.
    ClientId(String),
    /// The id of its service principal.
    ObjectId(String),
    /// Its id as a resource: `/subscriptions/…/userAssignedIdentities/name`.
    ResourceId(String),
}

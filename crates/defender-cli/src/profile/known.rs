//! The tenants that the user has named.

use defender_fleet::Tenants;

/// Tenants, and the name of the one that the environment names.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) tenants: Tenants,
    /// Name of the one tenant of the standard variables: they name it, so that no option needs to name it again.
    pub(crate) of_environment: Option<String>,
}

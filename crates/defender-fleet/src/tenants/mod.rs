//! The tenants of a fleet, and the file that describes them.

mod credential;
mod file;
mod secret;
mod shared_transport;
mod table;
mod tenant;

pub use self::{
    file::TenantsFile,
    tenant::{Tenant, Tenants},
};

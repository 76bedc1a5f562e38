//! OAuth 2.0 over our own transport: the one module that names the `oauth2` crate.

pub(crate) mod entra_error;

mod client_credentials;
#[cfg(feature = "browser")]
mod code;
mod device;
mod endpoint;
mod exchange;
mod response;
mod retry;
mod user;

#[cfg(feature = "browser")]
pub(crate) use self::code::{Returned, SignIn};
pub(crate) use self::{
    device::Polled,
    endpoint::{ClientAuthParams, TokenEndpoint},
    user::Granted,
};

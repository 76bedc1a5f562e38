#![doc = include_str!("../README.md")]

mod access_token;
mod authorized;
mod cached;
mod client_secret;
mod cloud;
mod context;
mod credential;
mod entra;
mod error;
mod oauth;
mod secret;
mod static_credential;

pub use {
    access_token::AccessToken,
    authorized::Authorized,
    cached::Cached,
    client_secret::ClientSecretCredential,
    cloud::Cloud,
    context::Context,
    credential::{Connect, TokenCredential, TokenRequest},
    entra::EntraError,
    error::{Error, ErrorKind},
    static_credential::StaticCredential,
};

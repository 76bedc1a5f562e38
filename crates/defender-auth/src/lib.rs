#![doc = include_str!("../README.md")]

mod access_token;
mod application;
#[cfg(feature = "browser")]
mod authorization_code;
mod authorized;
#[cfg(feature = "azure-cli")]
mod azure_cli;
mod base64_text;
mod cached;
#[cfg(feature = "certificate")]
mod certificate;
mod challenge;
mod claims;
mod client_secret;
mod cloud;
mod context;
mod credential;
mod device_code;
mod entra;
mod environment;
mod environment_credential;
mod error;
mod expiry;
mod json;
#[cfg(feature = "browser")]
mod loopback;
mod managed_identity;
mod oauth;
mod on_behalf_of;
mod refresh_token;
mod region;
mod registration;
mod secret;
mod session;
mod static_credential;
mod token_store;
mod within;
mod workload_identity;

#[cfg(feature = "browser")]
pub use authorization_code::AuthorizationCodeCredential;
#[cfg(feature = "azure-cli")]
pub use azure_cli::AzureCliCredential;
#[cfg(feature = "certificate")]
pub use certificate::{AssertionAlgorithm, ClientCertificateCredential};
pub use {
    access_token::AccessToken,
    authorized::Authorized,
    cached::Cached,
    challenge::claims_challenge,
    claims::Claims,
    client_secret::ClientSecretCredential,
    cloud::Cloud,
    context::Context,
    credential::{Connect, TokenCredential, TokenRequest},
    device_code::{DeviceCodeCredential, DeviceCodePrompt},
    entra::EntraError,
    environment_credential::{EnvironmentCredential, credential_from_env},
    error::{Error, ErrorKind},
    managed_identity::{ManagedIdentityCredential, ManagedIdentityId},
    on_behalf_of::OnBehalfOfCredential,
    refresh_token::RefreshTokenCredential,
    region::Region,
    static_credential::StaticCredential,
    token_store::{MemoryTokenStore, RefreshToken, TokenStore},
    workload_identity::WorkloadIdentityCredential,
};

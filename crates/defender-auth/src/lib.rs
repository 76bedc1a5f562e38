// The examples of the README are tested if the features that they use are on.
#![cfg_attr(
    any(not(doctest), all(feature = "azure-cli", feature = "browser", feature = "encrypted-keys")),
    doc = include_str!("../README.md")
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod authorized;
mod cloud;
mod credential;
mod env_vars;
mod error;
mod json;
mod oauth;
mod secret;
mod timeout;
mod token;

#[cfg(feature = "browser")]
pub use credential::authorization_code::AuthorizationCodeCredential;
#[cfg(feature = "azure-cli")]
pub use credential::azure_cli::AzureCliCredential;
#[cfg(feature = "certificate")]
pub use credential::certificate::{ClientCertificateCredential, signer::AssertionAlgorithm};
pub use {
    authorized::Authorized,
    cloud::{Cloud, region::Region},
    credential::{
        IntoCredential,
        client_secret::ClientSecretCredential,
        context::CredentialContext,
        device_code::{DeviceCodeCredential, DeviceCodePrompt},
        environment::{EnvironmentCredential, credential_from_env},
        identity::CredentialIdentity,
        managed_identity::{ManagedIdentityCredential, id::ManagedIdentityId},
        on_behalf_of::OnBehalfOfCredential,
        refresh_token::RefreshTokenCredential,
        static_credential::StaticCredential,
        token_credential::{TokenCredential, TokenRequest},
        workload_identity::WorkloadIdentityCredential,
    },
    error::{Error, ErrorKind},
    oauth::entra_error::EntraError,
    token::{
        access_token::AccessToken,
        cache::Cached,
        challenge::claims_challenge,
        claims::Claims,
        store::{MemoryTokenStore, RefreshToken, TokenStore},
    },
};

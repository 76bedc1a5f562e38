//! The credential of a tenant, as the file describes it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

#[cfg(feature = "browser")]
use defender_actions::auth::AuthorizationCodeCredential;
#[cfg(feature = "azure-cli")]
use defender_actions::auth::AzureCliCredential;
#[cfg(feature = "certificate")]
use defender_actions::auth::ClientCertificateCredential;
use defender_actions::{
    DefenderClientBuilder,
    auth::{
        ClientSecretCredential, DeviceCodeCredential, DeviceCodePrompt, ManagedIdentityCredential, ManagedIdentityId,
        WorkloadIdentityCredential,
    },
};

#[cfg(feature = "certificate")]
use super::secret::private_file;
use super::{
    secret::{SecretPlace, Secrets},
    table::Table,
};
use crate::Error;

/// Application of the Azure CLI itself, the same in each tenant.
/// Source: <https://learn.microsoft.com/en-us/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in>.
const AZURE_CLI: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

const KINDS: &str = "is not a credential; use client-secret, certificate, managed-identity, workload-identity, azure-cli, device-code or browser";

type Prompt = dyn Fn(&DeviceCodePrompt) + Send + Sync;
#[cfg(feature = "browser")]
type Open = dyn Fn(&str) -> std::io::Result<()> + Send + Sync;

/// Ways of a program to the person who signs in.
#[derive(Clone, Default)]
pub(super) struct Person {
    pub(super) prompt: Option<Arc<Prompt>>,
    #[cfg(feature = "browser")]
    pub(super) browser: Option<Arc<Open>>,
}

/// Kind of a credential, with the places of its secrets.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    ClientSecret {
        client_id: String,
        secret: SecretPlace,
    },
    #[cfg_attr(not(feature = "certificate"), allow(dead_code, reason = "the credential is refused"))]
    Certificate {
        client_id: String,
        file: PathBuf,
        password: Option<SecretPlace>,
        sends_chain: bool,
    },
    ManagedIdentity {
        client_id: String,
        is_system_assigned: bool,
    },
    WorkloadIdentity {
        client_id: String,
        token_file: PathBuf,
    },
    AzureCli {
        client_id: Option<String>,
    },
    DeviceCode {
        client_id: String,
    },
    Browser {
        client_id: String,
    },
}

impl Credential {
    /// Takes the fields of a credential. Relative paths are relative to `folder`.
    pub(super) fn take(table: &mut Table<'_>, folder: &Path) -> Result<Self, Error> {
        let kind = table.required("credential", |kind| {
            let kinds = [
                "client-secret",
                "certificate",
                "managed-identity",
                "workload-identity",
                "azure-cli",
                "device-code",
                "browser",
            ];
            (!kinds.contains(&kind)).then_some(KINDS)
        })?;
        let client_id = table.checked_text("client_id", not_a_guid)?;
        if kind == "azure-cli" {
            return Ok(Self::AzureCli { client_id });
        }
        let client_id = client_id.ok_or_else(|| table.error("`client_id` is missing"))?;
        let file = |table: &mut Table<'_>, name| table.required(name, |_| None).map(|path| folder.join(path));
        Ok(match kind.as_str() {
            "client-secret" => match secret_place(table, "secret", folder)? {
                Some(secret) => Self::ClientSecret { client_id, secret },
                None => return Err(table.error("`secret_env`, `secret_file` or `secret_name` is missing")),
            },
            "certificate" => Self::Certificate {
                client_id,
                file: file(table, "certificate_file")?,
                password: secret_place(table, "password", folder)?,
                sends_chain: table.flag("send_chain")?,
            },
            "managed-identity" => {
                Self::ManagedIdentity { client_id, is_system_assigned: table.flag("system_assigned")? }
            }
            "workload-identity" => Self::WorkloadIdentity { client_id, token_file: file(table, "token_file")? },
            "browser" => Self::Browser { client_id },
            _ => Self::DeviceCode { client_id },
        })
    }

    /// Sets the credential of a client in the tenant. The error is a sentence without a secret.
    pub(super) fn set(
        &self,
        builder: DefenderClientBuilder,
        tenant_id: &str,
        (secrets, person): (&Secrets, &Person),
    ) -> Result<DefenderClientBuilder, String> {
        let client_id = self.client_id().to_owned();
        let builder = builder.application_id(&client_id);
        Ok(match self {
            Self::ClientSecret { secret, .. } => {
                builder.credential(ClientSecretCredential::new(tenant_id, client_id, secrets.read(secret)?))
            }
            #[cfg(feature = "certificate")]
            Self::Certificate { file, password, sends_chain, .. } => {
                let mut certificate = ClientCertificateCredential::new(tenant_id, client_id, private_file(file)?);
                if let Some(password) = password {
                    certificate = certificate.password(secrets.read(password)?.trim_end_matches(['\r', '\n']));
                }
                builder.credential(if *sends_chain { certificate.send_chain() } else { certificate })
            }
            #[cfg(not(feature = "certificate"))]
            Self::Certificate { .. } => {
                return Err("this program is built without the feature `certificate`".to_owned());
            }
            Self::ManagedIdentity { is_system_assigned: true, .. } => {
                builder.credential(ManagedIdentityCredential::system_assigned())
            }
            Self::ManagedIdentity { is_system_assigned: false, .. } => {
                builder.credential(ManagedIdentityCredential::user_assigned(ManagedIdentityId::ClientId(client_id)))
            }
            Self::WorkloadIdentity { token_file, .. } => {
                builder.credential(WorkloadIdentityCredential::new(tenant_id, client_id, token_file))
            }
            #[cfg(feature = "azure-cli")]
            Self::AzureCli { .. } => builder.credential(AzureCliCredential::new().tenant(tenant_id)),
            #[cfg(not(feature = "azure-cli"))]
            Self::AzureCli { .. } => return Err("this program is built without the feature `azure-cli`".to_owned()),
            Self::DeviceCode { .. } => {
                let Some(prompt) = person.prompt.clone() else {
                    return Err("this program cannot show a device code; use another credential".to_owned());
                };
                builder.credential(DeviceCodeCredential::new(tenant_id, client_id, move |shown| prompt(shown)))
            }
            #[cfg(feature = "browser")]
            Self::Browser { .. } => {
                let Some(open) = person.browser.clone() else {
                    return Err("this program cannot open a browser; use another credential".to_owned());
                };
                builder.credential(AuthorizationCodeCredential::new(tenant_id, client_id, move |url| open(url)))
            }
            #[cfg(not(feature = "browser"))]
            Self::Browser { .. } => return Err("this program is built without the feature `browser`".to_owned()),
        })
    }

    fn client_id(&self) -> &str {
        match self {
            Self::ClientSecret { client_id, .. }
            | Self::Certificate { client_id, .. }
            | Self::ManagedIdentity { client_id, .. }
            | Self::WorkloadIdentity { client_id, .. }
            | Self::DeviceCode { client_id }
            | Self::Browser { client_id } => client_id,
            Self::AzureCli { client_id } => client_id.as_deref().unwrap_or(AZURE_CLI),
        }
    }
}

/// Takes the place of a secret: a variable, a file or a name.
fn secret_place(table: &mut Table<'_>, of: &str, folder: &Path) -> Result<Option<SecretPlace>, Error> {
    let variable = table.checked_text(&format!("{of}_env"), not_a_variable)?.map(SecretPlace::Variable);
    let file = table.text(&format!("{of}_file"))?.map(|path| SecretPlace::File(folder.join(path)));
    let name = table.text(&format!("{of}_name"))?.map(SecretPlace::Named);
    let mut places = [variable, file, name].into_iter().flatten();
    let place = places.next();
    match places.next() {
        None => Ok(place),
        Some(_) => Err(table.error(&format!("only one of `{of}_env`, `{of}_file` and `{of}_name` can be set"))),
    }
}

/// Fault of a text that is no name of a variable, such as a secret in its place.
fn not_a_variable(text: &str) -> Option<&'static str> {
    let is_of_name =
        |(place, byte): (usize, u8)| byte == b'_' || byte.is_ascii_alphabetic() || place > 0 && byte.is_ascii_digit();
    let is_name = text.bytes().enumerate().all(is_of_name);
    (!is_name).then_some("is not the name of an environment variable; the secret itself may not stand in this file")
}

/// Fault of a text that is no GUID.
pub(super) fn not_a_guid(text: &str) -> Option<&'static str> {
    let is_of_guid = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let is_guid = text.len() == 36 && text.bytes().enumerate().all(is_of_guid);
    (!is_guid).then_some("is not a GUID, such as 7e4a47d0-0000-4000-8000-000000000001")
}

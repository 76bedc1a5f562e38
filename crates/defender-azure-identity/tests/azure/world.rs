//! The emulator, the SDK's credential in front of it, and the client that uses both.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::{AccessToken, Secret, TokenCredential as AzureTokenCredential, TokenRequestOptions},
    http::{AsyncRawResponse, Body, ClientOptions, HttpClient, Request, RetryOptions, Transport},
    time::OffsetDateTime,
};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use defender_actions::DefenderClient;
use defender_auth::{Cloud, CredentialContext, IntoCredential, TokenCredential};
use defender_emulator::Emulator;
use defender_transport::{Clock, HyperTransport, Roots, testing::Never};

/// HTTP client of the SDK: reqwest with the CA of the emulator. It keeps the forms that were sent.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    inner: reqwest::Client,
    forms: Arc<Mutex<Vec<String>>>,
}

impl Recorded {
    pub(crate) fn forms(&self) -> Vec<String> {
        self.forms.lock().unwrap().clone()
    }
}

#[async_trait]
impl HttpClient for Recorded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let Body::Bytes(form) = request.body() else { panic!("a form is bytes") };
        self.forms.lock().unwrap().push(String::from_utf8_lossy(form).into_owned());
        self.inner.execute_request(request).await
    }
}

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) http: Recorded,
}

impl World {
    pub(crate) async fn new() -> Self {
        let emulator = Emulator::start().await.unwrap();
        let ca = reqwest::Certificate::from_pem(emulator.ca_pem().as_bytes()).unwrap();
        let inner = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
        Self { emulator, http: Recorded { inner, forms: Arc::default() } }
    }

    /// The SDK's credential of the emulator's application, with this secret, and with the retries that the SDK has by default.
    pub(crate) fn azure(&self, secret: &str) -> Arc<ClientSecretCredential> {
        let http = Arc::new(self.http.clone());
        self.credential(http, RetryOptions::default(), secret, self.emulator.authority())
    }

    /// The same over another HTTP client and for another authority, without retries, since the SDK waits in real time.
    pub(crate) fn azure_once(&self, http: Arc<dyn HttpClient>, authority: &str) -> Arc<ClientSecretCredential> {
        self.credential(http, RetryOptions::none(), "canary-secret", authority)
    }

    fn credential(
        &self,
        http: Arc<dyn HttpClient>,
        retry: RetryOptions,
        secret: &str,
        authority: &str,
    ) -> Arc<ClientSecretCredential> {
        let mut cloud = CustomConfiguration::default();
        authority.clone_into(&mut cloud.authority_host);
        let client_options = ClientOptions {
            transport: Some(Transport::new(http)),
            cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
            retry,
            ..ClientOptions::default()
        };
        let options = ClientSecretCredentialOptions { client_options };
        let (tenant, client) = (self.emulator.tenant_id(), self.emulator.client_id().to_owned());
        ClientSecretCredential::new(tenant, client, Secret::new(secret.to_owned()), Some(options)).unwrap()
    }

    /// The credential with the right secret.
    pub(crate) fn right(&self) -> Arc<ClientSecretCredential> {
        self.azure(self.emulator.client_secret())
    }

    pub(crate) fn client(&self, credential: impl IntoCredential + Send + 'static) -> DefenderClient {
        let transport = HyperTransport::builder().roots(Roots::pem(self.emulator.ca_pem()).unwrap()).build().unwrap();
        let client = DefenderClient::builder().base_url(self.emulator.base_url()).transport(transport);
        client.credential(credential).build().unwrap()
    }

    pub(crate) fn machine(&self) -> defender_actions::model::MachineId {
        self.emulator.machine_ids()[0].parse().unwrap()
    }
}

/// The live credential, on this clock. Its own transport is never used.
pub(crate) fn live(
    credential: impl IntoCredential,
    clock: &(impl Clock + Clone + 'static),
) -> Arc<dyn TokenCredential> {
    let context = CredentialContext::new(Arc::new(Never), Arc::new(clock.clone()), Cloud::Public);
    credential.into_credential(&context).unwrap()
}

/// Credential of another program that implements the SDK's trait: numbered tokens, and the scopes that were requested.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) expires_on: i64,
    pub(crate) scopes: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl AzureTokenCredential for Numbered {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let mut requested = self.scopes.lock().unwrap();
        requested.extend(scopes.iter().map(ToString::to_string));
        let expires_on = OffsetDateTime::from_unix_timestamp(self.expires_on).unwrap();
        Ok(AccessToken::new(format!("token {}", requested.len()), expires_on))
    }
}

//! The client of this project.

mod race;

use std::sync::Arc;

use defender_actions::{
    DefenderClient,
    auth::{ClientSecretCredential, Cloud, CredentialContext, IntoCredential, StaticCredential, TokenRequest},
    model::{Action, Limit},
    transport::{Body, HyperTransport, Roots, SendFuture, SystemClock, Transport},
};
use futures_util::TryStreamExt;
use serde::Serialize;

use self::race::{Anything, COMMENT, Client, Server};

/// An action without a quota, so that no call waits.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Unrestrict {
    comment: &'static str,
}

impl Action for Unrestrict {
    const SEGMENT: &'static str = "unrestrictCodeExecution";
    const TYPE: &'static str = "UnrestrictCodeExecution";
    const PERMISSIONS: &'static [&'static str] = &["Machine.RestrictExecution"];
    const QUOTA: &'static [Limit] = &[];
}

/// The same action with the quota of most operations: 100 calls a minute and 1,500 an hour.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UnrestrictWithinQuota {
    comment: &'static str,
}

impl Action for UnrestrictWithinQuota {
    const SEGMENT: &'static str = Unrestrict::SEGMENT;
    const TYPE: &'static str = Unrestrict::TYPE;
    const PERMISSIONS: &'static [&'static str] = Unrestrict::PERMISSIONS;
}

impl Client for DefenderClient {
    fn new(server: &Server) -> Result<Self, Anything> {
        let transport = HyperTransport::builder().roots(Roots::pem(&server.ca_pem)?).build()?;
        let credential = StaticCredential::new(&*server.token);
        Ok(Self::builder().base_url(&*server.base).credential(credential).transport(transport).build()?)
    }

    fn post(&self, machine: String) -> impl Future<Output = Result<usize, Anything>> + Send + 'static {
        let client = self.clone();
        async move {
            let submitted = client.machine(machine.try_into()?).perform(Unrestrict { comment: COMMENT }).await?;
            Ok(submitted.id().as_str().len())
        }
    }

    fn post_within_quota(&self, machine: String) -> impl Future<Output = Result<usize, Anything>> + Send + 'static {
        let client = self.clone();
        async move {
            let action = UnrestrictWithinQuota { comment: COMMENT };
            let submitted = client.machine(machine.try_into()?).perform(action).await?;
            Ok(submitted.id().as_str().len())
        }
    }

    async fn list(&self) -> Result<usize, Anything> {
        let mut pages = self.actions().pages();
        let mut rows = 0;
        while let Some(page) = pages.try_next().await? {
            rows += page.value.len();
        }
        Ok(rows)
    }
}

/// Token endpoint in memory.
#[derive(Debug)]
struct TokenEndpoint(String);

impl Transport for TokenEndpoint {
    fn send<'a, 'f>(&'a self, _: http::Request<bytes::Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(std::future::ready(Ok(http::Response::new(Body::from(self.0.clone())))))
    }
}

/// Gets so many tokens: each from a new credential, whose cache is cold, or all from one.
async fn tokens(is_cold: bool, count: usize) -> Result<(), Anything> {
    let token = "e30.eyJ9".repeat(188);
    let response = format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{token}"}}"#);
    let endpoint = Arc::new(TokenEndpoint(response));
    let context = CredentialContext::new(endpoint, Arc::new(SystemClock::new()), Cloud::Public);
    let credential = || ClientSecretCredential::new("contoso.com", "client", "secret").into_credential(&context);
    let mut cached = credential()?;
    for _ in 0..count {
        if is_cold {
            cached = credential()?;
        }
        cached.token(&TokenRequest::new()).await?;
    }
    Ok(())
}

fn main() -> Result<(), Anything> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tokens", cache @ ("cold" | "warm"), count] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(tokens(*cache == "cold", count.parse()?))
        }
        _ => race::run::<DefenderClient>(),
    }
}

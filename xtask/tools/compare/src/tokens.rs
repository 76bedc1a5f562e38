//! Tokens of a client secret: `compare-tokens cold COUNT` or `compare-tokens warm COUNT`.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use defender_actions::{
    auth::{ClientSecretCredential, Cloud, CredentialContext, IntoCredential, TokenRequest},
    transport::{Body, SendFuture, SystemClock, Transport},
};
use http::{Request, Response};

type Anything = Box<dyn Error + Send + Sync>;

/// Token endpoint in memory.
#[derive(Debug)]
struct TokenEndpoint(String);

impl Transport for TokenEndpoint {
    fn send<'a, 'f>(&'a self, _: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(std::future::ready(Ok(Response::new(Body::from(self.0.clone())))))
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
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [cache @ ("cold" | "warm"), count] = arguments.as_slice() else {
        return Err("the arguments are `cold` or `warm`, and a count".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokens(*cache == "cold", count.parse()?))
}

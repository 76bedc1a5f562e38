//! reqwest, as its documentation uses it, with our provider of cryptography.

mod race;
mod smallest;
mod tls;

use std::sync::Arc;

use self::{
    race::{Anything, Client, Server},
    smallest::{Action, BODY, Page, post_path},
    tls::tls,
};

#[derive(Clone)]
struct Peer {
    client: reqwest_0_12::Client,
    base: Arc<str>,
    token: Arc<str>,
}

impl Client for Peer {
    fn new(server: &Server) -> Result<Self, Anything> {
        let mut tls = tls(&server.ca_pem)?;
        // A configuration that is given to reqwest states the versions of HTTP itself.
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = reqwest_0_12::Client::builder().use_preconfigured_tls(tls).no_proxy().build()?;
        Ok(Self { client, base: (&*server.base).into(), token: (&*server.token).into() })
    }

    fn post(&self, machine: String) -> impl Future<Output = Result<usize, Anything>> + Send + 'static {
        let Self { client, base, token } = self.clone();
        async move {
            let request = client.post(post_path(&base, &machine)).bearer_auth(token).json(&BODY);
            let action: Action = request.send().await?.error_for_status()?.json().await?;
            Ok(action.id.len())
        }
    }

    async fn list(&self) -> Result<usize, Anything> {
        let request = self.client.get(format!("{}/api/machineactions", self.base)).bearer_auth(&self.token);
        let page: Page = request.send().await?.error_for_status()?.json().await?;
        Ok(page.value.len())
    }
}

fn main() -> Result<(), Anything> {
    race::run::<Peer>()
}

//! Bare hyper that sends the headers of our client, closes silent connections as it does, and keeps all fields of a record.

mod bare;
mod race;
mod smallest;
mod tls;

use std::time::Duration;

use defender_actions::model::{MachineAction, Page, read_json};
use http::{HeaderValue, header};
use http_body_util::Full;
use hyper_util::rt::TokioTimer;

use self::{
    bare::Bare,
    race::{Anything, Client, Server},
    smallest::{BODY, post_path},
};

#[derive(Clone)]
struct Lossless(Bare);

/// Adds the headers of our client.
fn as_ours(request: http::request::Builder) -> Result<http::request::Builder, Anything> {
    // As many random bits as the id of an attempt has.
    let random = u128::from(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0));
    let mut id = HeaderValue::try_from(format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        random >> 32 & 0xffff_ffff,
        random >> 16 & 0xffff,
        random & 0xfff,
        random >> 12 & 0xfff,
        random & 0xffff_ffff_ffff
    ))?;
    id.set_sensitive(true);
    Ok(request
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "gzip, deflate")
        .header(header::USER_AGENT, concat!("defender-transport/", env!("CARGO_PKG_VERSION")))
        .header("client-request-id", id))
}

impl Client for Lossless {
    fn new(server: &Server) -> Result<Self, Anything> {
        let watched = Bare::new(server, |mut builder| {
            builder
                .pool_idle_timeout(Duration::from_secs(60))
                .pool_timer(TokioTimer::new())
                .timer(TokioTimer::new())
                .http2_keep_alive_interval(Duration::from_secs(10))
                .http2_keep_alive_timeout(Duration::from_secs(10));
            builder
        });
        Ok(Self(watched?))
    }

    fn post(&self, machine: String) -> impl Future<Output = Result<usize, Anything>> + Send + 'static {
        let Self(bare) = self.clone();
        async move {
            let body = serde_json::to_vec(&BODY)?;
            let request = as_ours(bare.post(&post_path(&bare.base, &machine)))?.body(body.into())?;
            let action: MachineAction = read_json(&bare.send(request).await?)?;
            Ok(action.id.as_str().len())
        }
    }

    async fn list(&self) -> Result<usize, Anything> {
        let request = as_ours(self.0.get("/api/machineactions"))?.body(Full::default())?;
        let page: Page<MachineAction> = read_json(&self.0.send(request).await?)?;
        Ok(page.value.len())
    }
}

fn main() -> Result<(), Anything> {
    race::run::<Lossless>()
}

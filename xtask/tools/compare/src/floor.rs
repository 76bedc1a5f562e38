//! Bare hyper: hyper-util's client over hyper-rustls, as their documentation puts them together, with `TCP_NODELAY`.

mod bare;
mod race;
mod smallest;
mod tls;

use http_body_util::Full;

use self::{
    bare::Bare,
    race::{Anything, Client, Server},
    smallest::{Action, BODY, Page, post_path},
};

#[derive(Clone)]
struct Floor(Bare);

impl Client for Floor {
    fn new(server: &Server) -> Result<Self, Anything> {
        Ok(Self(Bare::new(server, |builder| builder)?))
    }

    fn post(&self, machine: String) -> impl Future<Output = Result<usize, Anything>> + Send + 'static {
        let Self(bare) = self.clone();
        async move {
            let body = serde_json::to_vec(&BODY)?;
            let request = bare.post(&post_path(&bare.base, &machine)).body(body.into())?;
            let action: Action = serde_json::from_slice(&bare.send(request).await?)?;
            Ok(action.id.len())
        }
    }

    async fn list(&self) -> Result<usize, Anything> {
        let request = self.0.get("/api/machineactions").body(Full::default())?;
        let page: Page = serde_json::from_slice(&self.0.send(request).await?)?;
        Ok(page.value.len())
    }
}

fn main() -> Result<(), Anything> {
    race::run::<Floor>()
}

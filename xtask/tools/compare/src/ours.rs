//! The client of this project.

mod race;

use defender_actions::{
    DefenderClient,
    auth::StaticCredential,
    model::{Action, Limit},
    transport::{HyperTransport, Roots},
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

fn main() -> Result<(), Anything> {
    race::run::<DefenderClient>()
}

//! A person who has signed in with the Azure CLI.

mod launch;
mod output;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use defender_transport::Clock;

use crate::{
    AccessToken, CredentialContext, Error, ErrorKind, IntoCredential, TokenCredential, TokenRequest, timeout::timeout,
};

/// The user who has signed in with `az login`: for a person at a terminal, and for a pipeline that runs `az` anyway (feature
/// `azure-cli`).
///
/// It runs `az account get-access-token`, found by its absolute path on `PATH`, without a shell, and ends it after ten
/// seconds. Its output is read and never shown. The CLI's own application must be allowed to request the API's
/// permissions for the person; version 2.54 or later is needed, since older ones print the expiry of a token in local
/// time without the zone.
///
/// <https://learn.microsoft.com/en-us/cli/azure/account#az-account-get-access-token>
///
/// ```
/// use defender_auth::AzureCliCredential;
///
/// let credential = AzureCliCredential::new().tenant("contoso.com");
/// ```
#[derive(Clone, Debug)]
pub struct AzureCliCredential {
    tenant: Option<String>,
    subscription: Option<String>,
    program: Option<PathBuf>,
    at_most: Duration,
}

impl AzureCliCredential {
    /// The account that the CLI has chosen.
    #[must_use]
    pub fn new() -> Self {
        Self { tenant: None, subscription: None, program: None, at_most: Duration::from_secs(10) }
    }

    /// Another tenant than the CLI's own choice: an id or a domain.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Another subscription's account than the CLI's own choice: a name or an id.
    #[must_use]
    pub fn subscription(mut self, subscription: impl Into<String>) -> Self {
        self.subscription = Some(subscription.into());
        self
    }

    /// The CLI's program by its absolute path, instead of the one on `PATH`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Time limit of the program. Default: 10 s.
    #[must_use]
    pub fn at_most(mut self, at_most: Duration) -> Self {
        self.at_most = at_most;
        self
    }

    /// Arguments of the program, one by one. No shell reads them.
    fn arguments(&self, audience: &str) -> Result<Vec<String>, Error> {
        let scope = format!("{audience}/.default");
        let mut arguments: Vec<String> =
            ["account", "get-access-token", "--output", "json", "--scope"].map(str::to_owned).into();
        arguments.push(allowed("audience", &scope, ".-_:/")?);
        if let Some(tenant) = &self.tenant {
            arguments.extend(["--tenant".to_owned(), allowed("tenant", tenant, ".-")?]);
        }
        if let Some(subscription) = &self.subscription {
            arguments.extend(["--subscription".to_owned(), allowed("subscription", subscription, ".-_ ")?]);
        }
        Ok(arguments)
    }
}

impl Default for AzureCliCredential {
    fn default() -> Self {
        Self::new()
    }
}

/// Refuses characters that a script around the program could misread.
fn allowed(what: &str, value: &str, besides: &str) -> Result<String, Error> {
    let fine = |c: char| c.is_ascii_alphanumeric() || besides.contains(c);
    if value.trim().is_empty() || value.starts_with('-') || !value.chars().all(fine) {
        return Err(Error::new(ErrorKind::Configuration).context(format!(
            "the {what} `{}` must be letters, digits and `{besides}`, and must not begin with `-`",
            value.escape_debug()
        )));
    }
    Ok(value.to_owned())
}

impl IntoCredential for AzureCliCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        let audience = context.audience.strip_suffix("/.default").unwrap_or(&context.audience);
        let arguments = self.arguments(audience)?;
        let clock = Arc::clone(&context.clock);
        let live = AzureCliFlow { arguments, program: self.program, at_most: self.at_most, clock };
        // A program that is ended has done nothing, and may have been writing the CLI's own cache: it has its whole time in a call with enough.
        Ok(context.cached_slowly(live, self.at_most))
    }
}

#[derive(Debug)]
struct AzureCliFlow {
    arguments: Vec<String>,
    program: Option<PathBuf>,
    at_most: Duration,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl TokenCredential for AzureCliFlow {
    async fn token(&self, ask: &TokenRequest) -> Result<AccessToken, Error> {
        if ask.claims.is_some() {
            return Err(Error::new(ErrorKind::SignIn)
                .context("the API demands claims, which the Azure CLI takes only with a new `az login`"));
        }
        let program = match &self.program {
            Some(program) if program.is_absolute() => program.clone(),
            Some(_) => {
                return Err(Error::new(ErrorKind::Configuration).context("the CLI's program must be an absolute path"));
            }
            None => launch::find(&std::env::var_os("PATH").unwrap_or_default())?,
        };
        let finished = timeout(&*self.clock, self.at_most, launch::run(&program, &self.arguments)).await;
        let finished = finished.ok_or_else(|| {
            Error::new(ErrorKind::Other).context(format!("the Azure CLI took longer than {:?}", self.at_most))
        })??;
        output::token(&finished, self.clock.now())
    }
}

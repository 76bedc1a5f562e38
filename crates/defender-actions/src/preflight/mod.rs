//! The preflight: a check of the token before the first call.

mod issue;

use std::fmt;

use defender_auth::{Claims, TokenRequest};
use defender_model::{Action, ActionInfo};
use jiff::Timestamp;

pub use self::issue::PreflightIssue;
use self::issue::{cloud_of, is_by_application, is_guid};
use crate::{BoxFuture, DefenderClient, Error, ErrorKind, permissions::Needs};

/// Permissions of an operation, with its name.
#[derive(Clone, Copy, Debug)]
struct Requirement {
    what: &'static str,
    application: &'static [&'static str],
    delegated: &'static [&'static str],
}

/// Waiting, joining and recovering read the actions.
const READ: Requirement = Requirement {
    what: "reading actions (to wait, join and recover)",
    application: Needs::READING.application,
    delegated: Needs::READING.delegated,
};

impl DefenderClient {
    /// Checks the audience, tenant, expiry and permissions of the token before the first call. Only requests for the token are sent.
    pub fn preflight(&self) -> Preflight {
        Preflight::new(self.clone())
    }
}

/// Check of the token. Nothing happens before it is awaited. Then only requests for the token are sent.
///
/// ```no_run
/// use defender_actions::{DefenderClient, model::{Isolate, Unisolate}};
///
/// # async fn example(defender: DefenderClient) -> Result<(), defender_actions::Error> {
/// let report = defender.preflight().action::<Isolate>().action::<Unisolate>().await?;
/// if !report.is_ready() {
///     eprintln!("{report}"); // one line for each missing permission, wrong audience or wrong tenant
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is checked until this is awaited"]
pub struct Preflight {
    client: DefenderClient,
    requirements: Vec<Requirement>,
    tenant: Option<String>,
}

impl Preflight {
    pub(crate) fn new(client: DefenderClient) -> Self {
        Self { client, requirements: Vec::new(), tenant: None }
    }

    /// Adds the permissions of `A`. Without a call of this method, the permissions of all actions are checked, those
    /// [added to the client](crate::DefenderClientBuilder::action) included.
    pub fn action<A: Action>(mut self) -> Self {
        self.requirements.push(requirement::<A>());
        self
    }

    /// Adds a check that the token is from this tenant, by its id. A tenant that is given by its name, such as `contoso.com`, is not in
    /// the token and is not checked.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Runs the check: the same as awaiting it, as a future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// [`Credential`](ErrorKind::Credential): the credential returned no token.
    pub fn send(self) -> impl Future<Output = Result<PreflightReport, Error>> + Send + 'static {
        async move {
            let inner = self.client.inner();
            let token = inner.credential.token(&TokenRequest::new()).await;
            let token =
                token.map_err(|source| Error::new(ErrorKind::Credential).context("preflight").caused_by(source))?;
            let requirements = if self.requirements.is_empty() {
                inner.actions().map(requirement_of).collect()
            } else {
                self.requirements
            };
            let token_use = TokenUse {
                audience: &inner.audience,
                base: &inner.base,
                tenant: self.tenant.as_deref(),
                now: inner.clock.now(),
            };
            Ok(PreflightReport::of(token.claims(), &token_use, &requirements))
        }
    }
}

impl IntoFuture for Preflight {
    type Output = Result<PreflightReport, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn requirement<A: Action>() -> Requirement {
    Requirement { what: A::TYPE, application: A::PERMISSIONS, delegated: A::DELEGATED_PERMISSIONS }
}

fn requirement_of(action: &ActionInfo) -> Requirement {
    Requirement { what: action.action_type, application: action.permissions, delegated: action.delegated_permissions }
}

/// Use of the token: audience, host, tenant and time.
#[derive(Clone, Copy, Debug)]
struct TokenUse<'p> {
    audience: &'p str,
    base: &'p str,
    tenant: Option<&'p str>,
    now: Timestamp,
}

/// Result of a preflight. The token is read and not verified: the API decides.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PreflightReport {
    /// Claims of the token, if they can be read. Without claims nothing is known, and there are no issues.
    pub claims: Option<Claims>,
    /// Issues of the token. The text of each has the advice.
    pub issues: Vec<PreflightIssue>,
}

impl PreflightReport {
    fn of(claims: Option<Claims>, token_use: &TokenUse<'_>, requirements: &[Requirement]) -> Self {
        let mut issues = Vec::new();
        if let Some(claims) = &claims {
            issues.extend(wrong_use(claims, token_use));
            let delegated = !claims.scopes.is_empty();
            for Requirement { what, application, delegated: scopes } in [READ].iter().chain(requirements) {
                let any_of = if delegated { scopes } else { application };
                if !any_of.iter().any(|permission| claims.permits(permission)) {
                    issues.push(PreflightIssue::Permission { what, any_of, delegated });
                }
            }
        }
        Self { claims, issues }
    }

    /// Returns true if no issue is known.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.issues.is_empty()
    }
}

impl fmt::Display for PreflightReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.claims, self.issues.as_slice()) {
            (None, _) => f.write_str("the token's claims cannot be read, so nothing is known"),
            (Some(_), []) => f.write_str("the token permits it"),
            (Some(_), issues) => f.write_str(&issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }
}

/// Returns the issues of a token with another audience, cloud, tenant or time.
fn wrong_use(claims: &Claims, token_use: &TokenUse<'_>) -> Vec<PreflightIssue> {
    let mut issues = Vec::new();
    // An audience that is the service's GUID or application URI does not show the cloud.
    if let Some(is) = claims.audience.as_deref().filter(|is| !is_guid(is) && !is_by_application(is)) {
        // The service has several names. A name with a slash at the end is not one of them.
        let same_service = !is.ends_with('/') && cloud_of(is).is_some() && cloud_of(is) == cloud_of(token_use.audience);
        if is != token_use.audience && !same_service {
            issues.push(PreflightIssue::Audience { is: is.to_owned(), expected: token_use.audience.to_owned() });
        } else if let (Some(token), Some(host)) = (cloud_of(is), cloud_of(token_use.base))
            && token != host
        {
            issues.push(PreflightIssue::Host { host: token_use.base.to_owned(), audience: is.to_owned() });
        }
    }
    if let (Some(is), Some(expected)) = (claims.tenant.as_deref(), token_use.tenant.filter(|tenant| is_guid(tenant)))
        && !is.eq_ignore_ascii_case(expected)
    {
        issues.push(PreflightIssue::Tenant { is: is.to_owned(), expected: expected.to_owned() });
    }
    if let Some(ended) = claims.expires_on.filter(|ends| *ends <= token_use.now) {
        issues.push(PreflightIssue::Expired { ended });
    }
    issues
}

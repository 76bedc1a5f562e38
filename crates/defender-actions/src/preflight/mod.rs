//! What a token permits, before anything is asked for with it.

mod issue;

use std::fmt;

use defender_auth::{Claims, TokenRequest};
use defender_model::{Action, ActionInfo};
use jiff::Timestamp;

pub use self::issue::PreflightIssue;
use self::issue::{cloud_of, is_by_application, is_guid};
use crate::{BoxFuture, DefenderClient, Error, ErrorKind, permissions::Needs};

/// What one operation takes, by a name for it.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    what: &'static str,
    application: &'static [&'static str],
    delegated: &'static [&'static str],
}

/// Waiting, joining and recovering read the actions.
const READ: Wanted = Wanted {
    what: "reading actions, which waiting, joining and recovering need",
    application: Needs::READING.application,
    delegated: Needs::READING.delegated,
};

/// A check of the token. Nothing happens before it is awaited, and then only a token is asked for.
#[derive(Clone, Debug)]
#[must_use = "nothing is checked until this is awaited"]
pub struct Preflight {
    client: DefenderClient,
    wanted: Vec<Wanted>,
    tenant: Option<String>,
}

impl Preflight {
    pub(crate) fn new(client: DefenderClient) -> Self {
        Self { client, wanted: Vec::new(), tenant: None }
    }

    /// Checks for `A`. Without any, it checks for every action of the service, and for those that the client was
    /// [told of](crate::DefenderClientBuilder::action).
    pub fn action<A: Action>(mut self) -> Self {
        self.wanted.push(wanted::<A>());
        self
    }

    /// Checks also that the token is of this tenant, by its id; one that is given by its name, such as `contoso.com`, cannot be
    /// told from a token, and is not checked.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Checks: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// [`Credential`](ErrorKind::Credential) where there is no token to look at.
    pub fn send(self) -> impl Future<Output = Result<PreflightReport, Error>> + Send + 'static {
        async move {
            let inner = self.client.inner();
            let token = inner.credential.token(&TokenRequest::new()).await;
            let token =
                token.map_err(|source| Error::new(ErrorKind::Credential).context("preflight").caused_by(source))?;
            let wanted = if self.wanted.is_empty() { inner.actions().map(wanted_of).collect() } else { self.wanted };
            let place = Place {
                audience: &inner.audience,
                base: &inner.base,
                tenant: self.tenant.as_deref(),
                now: inner.clock.now(),
            };
            Ok(PreflightReport::of(token.claims(), &place, &wanted))
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

fn wanted<A: Action>() -> Wanted {
    Wanted { what: A::TYPE, application: A::PERMISSIONS, delegated: A::DELEGATED_PERMISSIONS }
}

fn wanted_of(action: &ActionInfo) -> Wanted {
    Wanted { what: action.action_type, application: action.permissions, delegated: action.delegated_permissions }
}

/// Where and when the token is to be used.
#[derive(Clone, Copy, Debug)]
struct Place<'p> {
    audience: &'p str,
    base: &'p str,
    tenant: Option<&'p str>,
    now: Timestamp,
}

/// What a token says that it permits. It is read and not verified: the API has the last word.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PreflightReport {
    /// The token's claims, if it has any that can be read. Without them nothing is known, and nothing is missing.
    pub claims: Option<Claims>,
    /// What stands in the way, each with what to do about it.
    pub obstacles: Vec<PreflightIssue>,
}

impl PreflightReport {
    fn of(claims: Option<Claims>, place: &Place<'_>, wanted: &[Wanted]) -> Self {
        let mut obstacles = Vec::new();
        if let Some(claims) = &claims {
            obstacles.extend(misplaced(claims, place));
            let delegated = !claims.scopes.is_empty();
            for Wanted { what, application, delegated: scopes } in [READ].iter().chain(wanted) {
                let any_of = if delegated { scopes } else { application };
                if !any_of.iter().any(|permission| claims.permits(permission)) {
                    obstacles.push(PreflightIssue::Permission { what, any_of, delegated });
                }
            }
        }
        Self { claims, obstacles }
    }

    /// Whether nothing is known to stand in the way.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.obstacles.is_empty()
    }
}

impl fmt::Display for PreflightReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.claims, self.obstacles.as_slice()) {
            (None, _) => f.write_str("the token's claims cannot be read, so nothing is known"),
            (Some(_), []) => f.write_str("the token permits it"),
            (Some(_), obstacles) => {
                f.write_str(&obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            }
        }
    }
}

/// Whether the token is for somewhere, someone or some time else.
fn misplaced(claims: &Claims, place: &Place<'_>) -> Vec<PreflightIssue> {
    let mut obstacles = Vec::new();
    // A token that is for the service by a number, or by its application, says nothing of the cloud.
    if let Some(is) = claims.audience.as_deref().filter(|is| !is_guid(is) && !is_by_application(is)) {
        // The service has several names; a slash at the end is another one, though, and none of them.
        let same_service = !is.ends_with('/') && cloud_of(is).is_some() && cloud_of(is) == cloud_of(place.audience);
        if is != place.audience && !same_service {
            obstacles.push(PreflightIssue::Audience { is: is.to_owned(), expected: place.audience.to_owned() });
        } else if let (Some(token), Some(host)) = (cloud_of(is), cloud_of(place.base))
            && token != host
        {
            obstacles.push(PreflightIssue::Host { host: place.base.to_owned(), audience: is.to_owned() });
        }
    }
    if let (Some(is), Some(expected)) = (claims.tenant.as_deref(), place.tenant.filter(|tenant| is_guid(tenant)))
        && !is.eq_ignore_ascii_case(expected)
    {
        obstacles.push(PreflightIssue::Tenant { is: is.to_owned(), expected: expected.to_owned() });
    }
    if let Some(ended) = claims.expires_on.filter(|ends| *ends <= place.now) {
        obstacles.push(PreflightIssue::Expired { ended });
    }
    obstacles
}

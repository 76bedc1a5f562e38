//! What a token permits, before anything is asked for with it.

use std::fmt;

use defender_auth::{Claims, TokenRequest};
use defender_model::{
    Action, CollectInvestigationPackage, Isolate, LiveResponse, Offboard, RestrictCodeExecution, RunAntiVirusScan,
    StopAndQuarantineFile, Unisolate, UnrestrictCodeExecution,
};

use crate::{BoxFuture, DefenderClient, Error, ErrorKind};

/// What one operation takes: a name for it, and the permissions of which any one will do.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    what: &'static str,
    application: &'static [&'static str],
    delegated: &'static [&'static str],
}

/// Waiting, joining and recovering read the actions:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineaction-object>.
const READING: Wanted = Wanted {
    what: "reading actions, which waiting, joining and recovering need",
    application: &["Machine.Read.All", "Machine.ReadWrite.All"],
    delegated: &["Machine.Read", "Machine.ReadWrite"],
};

/// A check of the token. Nothing happens before it is awaited, and then only a token is asked for.
#[derive(Clone, Debug)]
#[must_use = "nothing is checked until this is awaited"]
pub struct Preflight {
    client: DefenderClient,
    wanted: Vec<Wanted>,
}

impl Preflight {
    pub(crate) fn new(client: DefenderClient) -> Self {
        Self { client, wanted: Vec::new() }
    }

    /// Checks for `A`. Without any, it checks for every action of the service.
    pub fn action<A: Action>(mut self) -> Self {
        self.wanted.push(wanted::<A>());
        self
    }

    /// Checks: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// [`Credential`](ErrorKind::Credential) where there is no token to look at.
    pub fn send(self) -> impl Future<Output = Result<Readiness, Error>> + Send + 'static {
        async move {
            let inner = self.client.inner();
            let token = inner.credential.token(&TokenRequest::new()).await;
            let token =
                token.map_err(|source| Error::new(ErrorKind::Credential).context("preflight").caused_by(source))?;
            let wanted = if self.wanted.is_empty() { all() } else { self.wanted };
            Ok(Readiness::of(token.claims(), &inner.audience, &wanted))
        }
    }
}

impl IntoFuture for Preflight {
    type Output = Result<Readiness, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn wanted<A: Action>() -> Wanted {
    Wanted { what: A::TYPE, application: A::PERMISSIONS, delegated: A::DELEGATED_PERMISSIONS }
}

fn all() -> Vec<Wanted> {
    vec![
        wanted::<UnrestrictCodeExecution>(),
        wanted::<RestrictCodeExecution>(),
        wanted::<Isolate>(),
        wanted::<Unisolate>(),
        wanted::<RunAntiVirusScan>(),
        wanted::<StopAndQuarantineFile>(),
        wanted::<CollectInvestigationPackage>(),
        wanted::<LiveResponse>(),
        wanted::<Offboard>(),
    ]
}

/// What a token says that it permits. It is read and not verified: the API has the last word.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Readiness {
    /// The token's claims, if it has any that can be read. Without them nothing is known, and nothing is missing.
    pub claims: Option<Claims>,
    /// What stands in the way, each with what to do about it.
    pub problems: Vec<String>,
}

impl Readiness {
    fn of(claims: Option<Claims>, audience: &str, wanted: &[Wanted]) -> Self {
        let mut problems = Vec::new();
        if let Some(claims) = &claims {
            let is = claims.audience.as_deref();
            if is.is_some_and(|is| is.trim_end_matches('/') != audience.trim_end_matches('/')) {
                problems.push(format!(
                    "the token is for `{}` and not for `{audience}`, which the API refuses with 403; check cloud and audience",
                    is.unwrap_or_default()
                ));
            }
            let delegated = !claims.scopes.is_empty();
            for Wanted { what, application, delegated: scopes } in [READING].iter().chain(wanted) {
                let any_of = if delegated { scopes } else { application };
                if !any_of.iter().any(|permission| claims.permits(permission)) {
                    problems.push(format!(
                        "{what} takes the {} permission {}; add it to the application (API `WindowsDefenderATP`) and have an \
                         administrator consent to it",
                        if delegated { "delegated" } else { "application" },
                        any_of.join(" or "),
                    ));
                }
            }
        }
        Self { claims, problems }
    }

    /// Whether nothing is known to stand in the way.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.claims, self.problems.as_slice()) {
            (None, _) => f.write_str("the token's claims cannot be read, so nothing is known"),
            (Some(_), []) => f.write_str("the token permits it"),
            (Some(_), problems) => f.write_str(&problems.join("; ")),
        }
    }
}

//! Whatever credential the environment describes.

use std::sync::Arc;

#[cfg(feature = "certificate")]
use crate::ClientCertificateCredential;
use crate::{
    ClientSecretCredential, Connect, Context, Error, ErrorKind, TokenCredential, WorkloadIdentityCredential,
    environment::{AUTHORITY, CERTIFICATE, Environment, SECRET, TOKEN_FILE},
};

/// The one credential that the environment describes, by the variables as the Azure SDKs name them.
///
/// | set | is |
/// |---|---|
/// | `AZURE_CLIENT_SECRET` | [`ClientSecretCredential`] |
/// | `AZURE_CLIENT_CERTIFICATE_PATH` | `ClientCertificateCredential` (feature `certificate`) |
/// | `AZURE_FEDERATED_TOKEN_FILE` | [`WorkloadIdentityCredential`] |
///
/// each with `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`. Nothing is tried one after the other: the same environment gives the
/// same credential or the same error, whatever is reachable. `AZURE_AUTHORITY_HOST` does not choose the authority, which is
/// the context's; where the two differ, connecting is an error. A managed identity needs no variables, and is asked for by
/// its own type.
///
/// ```no_run
/// # fn example() -> Result<(), defender_auth::Error> {
/// let credential = defender_auth::credential_from_env()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Configuration`] where none of the three is set, or more than one, or something beside it is missing; the
/// message names what it saw, and no values.
pub fn credential_from_env() -> Result<EnvironmentCredential, Error> {
    EnvironmentCredential::from_environment(&Environment::of_process())
}

/// What [`credential_from_env`] found.
#[derive(Clone, Debug)]
pub struct EnvironmentCredential {
    found: Found,
    authority: Option<String>,
}

#[derive(Clone, Debug)]
enum Found {
    Secret(ClientSecretCredential),
    #[cfg(feature = "certificate")]
    Certificate(Box<ClientCertificateCredential>),
    Workload(WorkloadIdentityCredential),
}

impl EnvironmentCredential {
    fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let wrong = |what: String| Error::new(ErrorKind::Configuration).context(what);
        let choices = [SECRET, CERTIFICATE, TOKEN_FILE];
        let set: Vec<_> = choices.into_iter().filter(|name| environment.get(name).is_some()).collect();
        let found = match set.as_slice() {
            [SECRET] => Found::Secret(ClientSecretCredential::from_environment(environment)?),
            #[cfg(feature = "certificate")]
            [CERTIFICATE] => Found::Certificate(Box::new(ClientCertificateCredential::from_environment(environment)?)),
            #[cfg(not(feature = "certificate"))]
            [CERTIFICATE] => {
                return Err(wrong(format!("{CERTIFICATE} is set; turn on the feature `certificate` of defender-auth")));
            }
            [TOKEN_FILE] => Found::Workload(WorkloadIdentityCredential::from_environment(environment)?),
            [] => return Err(wrong(format!("set one of the environment variables {}", choices.join(", ")))),
            several => {
                return Err(wrong(format!("the environment has more than one credential: {}", several.join(", "))));
            }
        };
        Ok(Self { found, authority: environment.get(AUTHORITY) })
    }
}

/// The host that an authority names, with or without a scheme before it and a slash behind it.
fn host(authority: &str) -> String {
    let authority = authority.trim();
    let without = authority.split_once("://").map_or(authority, |(_, rest)| rest);
    without.trim_end_matches('/').to_ascii_lowercase()
}

impl Connect for EnvironmentCredential {
    fn connect(self, context: &Context) -> Result<Arc<dyn TokenCredential>, Error> {
        if let Some(authority) = self.authority.filter(|authority| host(authority) != host(&context.authority)) {
            return Err(Error::new(ErrorKind::Configuration).context(format!(
                "{AUTHORITY} is `{}`, and the authority is `{}`; choose the cloud or the authority to fit, or unset it",
                authority.escape_debug(),
                context.authority
            )));
        }
        match self.found {
            Found::Secret(credential) => credential.connect(context),
            #[cfg(feature = "certificate")]
            Found::Certificate(credential) => credential.connect(context),
            Found::Workload(credential) => credential.connect(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use defender_transport::testing::{ManualClock, MockTransport};

    use super::*;
    use crate::Cloud;

    const TENANT: (&str, &str) = ("AZURE_TENANT_ID", "t");
    const CLIENT: (&str, &str) = ("AZURE_CLIENT_ID", "c");
    const SECRET: (&str, &str) = ("AZURE_CLIENT_SECRET", "canary");
    const FILE: (&str, &str) = ("AZURE_FEDERATED_TOKEN_FILE", "/canary");

    fn found(variables: &[(&str, &str)]) -> Result<EnvironmentCredential, String> {
        EnvironmentCredential::from_environment(&Environment::of(variables)).map_err(|error| error.to_string())
    }

    #[test]
    fn exactly_one_credentials_variables_make_one() {
        assert!(matches!(found(&[TENANT, CLIENT, SECRET]).unwrap().found, Found::Secret(_)));
        assert!(matches!(found(&[TENANT, CLIENT, FILE]).unwrap().found, Found::Workload(_)));
        for (variables, words) in [
            (&[TENANT, CLIENT][..], "set one of the environment variables AZURE_CLIENT_SECRET, AZURE_CLIENT_CERT"),
            (
                &[TENANT, CLIENT, SECRET, FILE],
                "more than one credential: AZURE_CLIENT_SECRET, AZURE_FEDERATED_TOKEN_FILE",
            ),
            (&[TENANT, SECRET], "AZURE_CLIENT_ID"),
            (&[FILE], "AZURE_TENANT_ID, AZURE_CLIENT_ID"),
            (
                &[TENANT, CLIENT, ("AZURE_CLIENT_CERTIFICATE_PATH", "/nonexistent/x.pem")],
                "AZURE_CLIENT_CERTIFICATE_PATH",
            ),
        ] {
            let error = found(variables).unwrap_err();
            assert!(error.contains(words) && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn an_authority_that_contradicts_the_contexts_is_an_error() {
        let context = Context::new(Arc::new(MockTransport::new()), Arc::new(ManualClock::new()), Cloud::Public);
        for (authority, fits) in [
            ("https://login.microsoftonline.com/", true),
            ("LOGIN.microsoftonline.com", true),
            ("https://login.microsoftonline.us", false),
            ("https://evil.example", false),
        ] {
            let credential = found(&[TENANT, CLIENT, SECRET, ("AZURE_AUTHORITY_HOST", authority)]).unwrap();
            assert_eq!(credential.connect(&context).is_ok(), fits, "{authority}");
        }
    }
}

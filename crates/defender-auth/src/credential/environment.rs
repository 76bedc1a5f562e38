//! The credential that the environment describes.

use std::sync::Arc;

#[cfg(feature = "certificate")]
use crate::ClientCertificateCredential;
use crate::{
    ClientSecretCredential, CredentialContext, CredentialIdentity, Error, ErrorKind, IntoCredential, TokenCredential,
    WorkloadIdentityCredential,
    env_vars::{CERTIFICATE, Environment, SECRET, TOKEN_FILE},
};

/// The one credential that the environment describes, by the variables as the Azure SDKs name them.
///
/// | set | is |
/// |---|---|
/// | `AZURE_CLIENT_SECRET` | [`ClientSecretCredential`] |
/// | `AZURE_CLIENT_CERTIFICATE_PATH` | `ClientCertificateCredential` (feature `certificate`) |
/// | `AZURE_FEDERATED_TOKEN_FILE` | [`WorkloadIdentityCredential`] |
///
/// each with `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`. No credential is tried after another: the same environment gives the
/// same credential or the same error, independent of the network. A managed identity needs no variables and has its own type,
/// [`ManagedIdentityCredential`](crate::ManagedIdentityCredential).
///
/// `AZURE_AUTHORITY_HOST`, with or without `https://` and a final slash, is the authority that issues the tokens, unless the
/// context names an authority of its own. An authority of another cloud than the context's is an error: that cloud does not
/// know the audience.
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
/// [`ErrorKind::Configuration`] if none or several of the three are set, or if the tenant or the client id is missing. The
/// message names the variables that are set, without their values.
pub fn credential_from_env() -> Result<EnvironmentCredential, Error> {
    EnvironmentCredential::from_environment(&Environment::of_process())
}

/// Credential that [`credential_from_env`] found.
#[derive(Clone, Debug)]
pub struct EnvironmentCredential(Found);

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
        let set: Vec<_> = choices.into_iter().filter(|name| environment.has(name)).collect();
        let found = match set.as_slice() {
            [SECRET] => Found::Secret(ClientSecretCredential::from_environment(environment)?),
            #[cfg(feature = "certificate")]
            [CERTIFICATE] => Found::Certificate(Box::new(ClientCertificateCredential::from_environment(environment)?)),
            #[cfg(not(feature = "certificate"))]
            [CERTIFICATE] => {
                return Err(wrong(format!("{CERTIFICATE} is set; turn on the feature `certificate` of defender-auth")));
            }
            [TOKEN_FILE] => Found::Workload(WorkloadIdentityCredential::from_environment(environment)?),
            [] => {
                let (choices, seen) = (choices.join(", "), environment.seen());
                return Err(wrong(format!("set one of the environment variables {choices}; {seen}")));
            }
            several => {
                let (several, seen) = (several.join(", "), environment.seen());
                return Err(wrong(format!("the environment has more than one credential: {several}; {seen}")));
            }
        };
        Ok(Self(found))
    }
}

impl IntoCredential for EnvironmentCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        match self.0 {
            Found::Secret(credential) => credential.into_credential(context),
            #[cfg(feature = "certificate")]
            Found::Certificate(credential) => credential.into_credential(context),
            Found::Workload(credential) => credential.into_credential(context),
        }
    }

    fn identity(&self) -> CredentialIdentity {
        match &self.0 {
            Found::Secret(credential) => credential.identity(),
            #[cfg(feature = "certificate")]
            Found::Certificate(credential) => credential.identity(),
            Found::Workload(credential) => credential.identity(),
        }
    }
}

#[cfg(test)]
mod tests {
    use defender_transport::testing::{Capture, ManualClock};
    use futures_util::FutureExt;

    use super::*;
    use crate::{Cloud, TokenRequest};

    const TENANT: (&str, &str) = ("AZURE_TENANT_ID", "t");
    const CLIENT: (&str, &str) = ("AZURE_CLIENT_ID", "c");
    const SECRET: (&str, &str) = ("AZURE_CLIENT_SECRET", "canary");
    const FILE: (&str, &str) = ("AZURE_FEDERATED_TOKEN_FILE", "/canary");

    fn found(variables: &[(&str, &str)]) -> Result<EnvironmentCredential, String> {
        EnvironmentCredential::from_environment(&Environment::of(variables)).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_of_exactly_one_credential_suffice() {
        assert!(matches!(found(&[TENANT, CLIENT, SECRET]).unwrap().0, Found::Secret(_)));
        assert!(matches!(
            found(&[TENANT, CLIENT, SECRET, ("AZURE_FEDERATED_TOKEN_FILE", " ")]).unwrap().0,
            Found::Secret(_)
        ));
        assert!(matches!(found(&[TENANT, CLIENT, FILE]).unwrap().0, Found::Workload(_)));
        for (variables, words) in [
            (&[][..], "set one of the environment variables AZURE_CLIENT_SECRET, AZURE_CLIENT_CERT"),
            (&[], "none of AZURE_* is set"),
            (&[TENANT, CLIENT], "set are AZURE_TENANT_ID, AZURE_CLIENT_ID"),
            (&[TENANT, CLIENT, ("AZURE_CLIENT_SECRET", " ")], "AZURE_CLIENT_SECRET (blank)"),
            (&[TENANT, CLIENT, ("AZURE_CLIENT_SECRET", "\0")], "AZURE_CLIENT_SECRET (not text)"),
            (&[TENANT, CLIENT, ("AZURE_USERNAME", "canary")], "AZURE_USERNAME"),
            (
                &[TENANT, CLIENT, SECRET, FILE],
                "more than one credential: AZURE_CLIENT_SECRET, AZURE_FEDERATED_TOKEN_FILE",
            ),
            (&[TENANT, CLIENT, FILE, ("AZURE_CLIENT_SECRET", "\0")], "more than one credential"),
            (
                &[TENANT, SECRET],
                "set the environment variables AZURE_CLIENT_ID; set are AZURE_TENANT_ID, AZURE_CLIENT_S",
            ),
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

    /// Token endpoint of a credential that the environment describes.
    fn asked_at(named: &str, context: impl FnOnce(CredentialContext) -> CredentialContext) -> Result<String, String> {
        let transport = Capture::answering(http::Response::new("{}"));
        let known = CredentialContext::new(Arc::new(transport.clone()), Arc::new(ManualClock::new()), Cloud::Public);
        let credential = found(&[TENANT, CLIENT, SECRET, ("AZURE_AUTHORITY_HOST", named)])?;
        let credential = credential.into_credential(&context(known)).map_err(|error| error.to_string())?;
        let _no_token = credential.token(&TokenRequest::new()).now_or_never();
        Ok(transport.only_request().uri().to_string())
    }

    #[test]
    fn authority_from_environment_is_of_this_cloud() {
        for (named, host) in [
            ("https://login.microsoftonline.com/", "login.microsoftonline.com"),
            ("https://login.microsoftonline.com", "login.microsoftonline.com"),
            ("login.microsoftonline.com", "login.microsoftonline.com"),
            ("LOGIN.microsoftonline.com/", "login.microsoftonline.com"),
            (" ", "login.microsoftonline.com"),
            ("127.0.0.1:8443", "127.0.0.1:8443"),
            ("https://127.0.0.1:8443/", "127.0.0.1:8443"),
        ] {
            let url = asked_at(named, |context| context).unwrap();
            assert_eq!(url.to_ascii_lowercase(), format!("https://{host}/t/oauth2/v2.0/token"), "{named}");
        }
        for (named, words) in [
            ("https://login.microsoftonline.us", "choose the cloud that fits"),
            ("login.chinacloudapi.cn/", "choose the cloud that fits"),
            ("http://login.microsoftonline.com", "must be a URL that begins with https://"),
            ("http://127.0.0.1:8443", "must be a URL that begins with https://"),
            ("https://login.microsoftonline.com@evil.example", "more than a scheme"),
        ] {
            let error = asked_at(named, |context| context).unwrap_err();
            assert!(error.contains(words) && !error.contains("canary"), "{named}: {error}");
        }
        let own = asked_at("https://login.microsoftonline.us", |context| context.authority("https://own.example"));
        assert_eq!(own.unwrap(), "https://own.example/t/oauth2/v2.0/token");
    }
}

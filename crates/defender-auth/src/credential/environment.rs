//! The credential that the environment describes.

use std::{ffi::OsString, sync::Arc};

#[cfg(feature = "azure-cli")]
use crate::AzureCliCredential;
#[cfg(feature = "certificate")]
use crate::ClientCertificateCredential;
use crate::{
    ClientSecretCredential, CredentialContext, CredentialIdentity, Error, ErrorKind, IntoCredential,
    ManagedIdentityCredential, TokenCredential, WorkloadIdentityCredential,
    env_vars::{CERTIFICATE, CHOICE, Environment, IDENTITY_ENDPOINT, SECRET, TOKEN_FILE},
};

/// The one credential that the environment describes, by the variables as the Azure SDKs name them.
///
/// | set | is |
/// |---|---|
/// | `AZURE_CLIENT_SECRET` | [`ClientSecretCredential`] |
/// | `AZURE_CLIENT_CERTIFICATE_PATH` | `ClientCertificateCredential` (feature `certificate`) |
/// | `AZURE_FEDERATED_TOKEN_FILE` | [`WorkloadIdentityCredential`] |
/// | none of these, and `IDENTITY_ENDPOINT` | [`ManagedIdentityCredential`], as App Service, Functions, Container Apps and Azure Arc set it |
///
/// The first three need `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`. With `AZURE_CLIENT_ID`, a managed identity is the user-assigned
/// identity of this client id, else the system-assigned identity.
///
/// `AZURE_TOKEN_CREDENTIALS` chooses one, if several of these are set or none:
///
/// | value | is |
/// |---|---|
/// | `EnvironmentCredential` | the secret or the certificate |
/// | `WorkloadIdentityCredential` | the federated token |
/// | `ManagedIdentityCredential` | the managed identity, also of a virtual machine, which sets no variables |
/// | `AzureCliCredential` | the account of `az login` (feature `azure-cli`), in the tenant `AZURE_TENANT_ID` if it is set |
///
/// No credential is tried after another: the same environment gives the same credential or the same error, independent of the
/// network. For this reason the values `dev` and `prod`, which name chains, are errors.
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
/// [`ErrorKind::Configuration`] if the variables describe no credential or several, or if the tenant or the client id is missing.
/// The message names the variables that are set, without their values.
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
    Managed(ManagedIdentityCredential),
    #[cfg(feature = "azure-cli")]
    AzureCli(AzureCliCredential),
}

impl EnvironmentCredential {
    /// As [`credential_from_env`], with the variables that `look_up` returns in place of those of the process.
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// let settings = HashMap::from([
    ///     ("AZURE_TENANT_ID", "contoso.com"),
    ///     ("AZURE_CLIENT_ID", "client-id"),
    ///     ("AZURE_CLIENT_SECRET", "secret"),
    /// ]);
    /// let look_up = |name: &str| settings.get(name).map(Into::into);
    /// let credential = defender_auth::EnvironmentCredential::from_variables(look_up)?;
    /// # Ok::<(), defender_auth::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`credential_from_env`].
    pub fn from_variables(look_up: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        Self::from_environment(&Environment::new(look_up))
    }

    fn from_environment(environment: &Environment) -> Result<Self, Error> {
        let all = [SECRET, CERTIFICATE, TOKEN_FILE];
        if !environment.has(CHOICE) {
            let has_host = environment.has(IDENTITY_ENDPOINT) && !all.iter().any(|name| environment.has(name));
            return if has_host { managed(environment) } else { only_of(environment, &all) };
        }
        let choice = environment.get(CHOICE).unwrap_or_default();
        match choice.to_ascii_lowercase().as_str() {
            "environmentcredential" => only_of(environment, &[SECRET, CERTIFICATE]),
            "workloadidentitycredential" => only_of(environment, &[TOKEN_FILE]),
            "managedidentitycredential" => managed(environment),
            #[cfg(feature = "azure-cli")]
            "azureclicredential" => {
                let tenant = environment.get(crate::env_vars::TENANT);
                let cli = tenant.iter().fold(AzureCliCredential::new(), |cli, tenant| cli.tenant(tenant.as_str()));
                Ok(Self(Found::AzureCli(cli)))
            }
            other => Err(wrong(format!(
                "{CHOICE} is `{}`; set it to {}, or unset it",
                other.chars().take(40).collect::<String>().escape_debug(),
                CHOICES.join(", ")
            ))),
        }
    }
}

/// Values of [`CHOICE`].
const CHOICES: &[&str] = &[
    "EnvironmentCredential",
    "WorkloadIdentityCredential",
    "ManagedIdentityCredential",
    #[cfg(feature = "azure-cli")]
    "AzureCliCredential",
];

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Configuration).context(what)
}

fn managed(environment: &Environment) -> Result<EnvironmentCredential, Error> {
    Ok(EnvironmentCredential(Found::Managed(ManagedIdentityCredential::from_environment(environment)?)))
}

/// Returns the credential of the one of these variables that is set.
fn only_of(environment: &Environment, choices: &[&'static str]) -> Result<EnvironmentCredential, Error> {
    let set: Vec<_> = choices.iter().copied().filter(|name| environment.has(name)).collect();
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
            let one_of =
                if choices.contains(',') { "one of the environment variables" } else { "the environment variable" };
            return Err(wrong(format!("set {one_of} {choices}; {seen}; a managed identity is chosen by {CHOICE}")));
        }
        several => {
            let (several, seen) = (several.join(", "), environment.seen());
            return Err(wrong(format!(
                "the environment has more than one credential: {several}; unset all but one, or choose by {CHOICE}; {seen}"
            )));
        }
    };
    Ok(EnvironmentCredential(found))
}

impl IntoCredential for EnvironmentCredential {
    fn into_credential(self, context: &CredentialContext) -> Result<Arc<dyn TokenCredential>, Error> {
        match self.0 {
            Found::Secret(credential) => credential.into_credential(context),
            #[cfg(feature = "certificate")]
            Found::Certificate(credential) => credential.into_credential(context),
            Found::Workload(credential) => credential.into_credential(context),
            Found::Managed(credential) => credential.into_credential(context),
            #[cfg(feature = "azure-cli")]
            Found::AzureCli(credential) => credential.into_credential(context),
        }
    }

    fn identity(&self) -> CredentialIdentity {
        match &self.0 {
            Found::Secret(credential) => credential.identity(),
            #[cfg(feature = "certificate")]
            Found::Certificate(credential) => credential.identity(),
            Found::Workload(credential) => credential.identity(),
            Found::Managed(credential) => credential.identity(),
            #[cfg(feature = "azure-cli")]
            Found::AzureCli(credential) => credential.identity(),
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

    #[test]
    fn named_credential_is_chosen() {
        let named = |name, others: &[(&'static str, &'static str)]| {
            let variables = [&[TENANT, CLIENT, SECRET, FILE, ("AZURE_TOKEN_CREDENTIALS", name)], others].concat();
            found(&variables).map(|found| found.0)
        };
        assert!(matches!(named("EnvironmentCredential", &[]).unwrap(), Found::Secret(_)));
        assert!(matches!(named(" workloadidentitycredential\n", &[]).unwrap(), Found::Workload(_)));
        assert!(matches!(named("ManagedIdentityCredential", &[]).unwrap(), Found::Managed(_)));
        #[cfg(feature = "azure-cli")]
        assert!(matches!(named("AzureCliCredential", &[]).unwrap(), Found::AzureCli(_)));
        for name in ["prod", "dev", "VisualStudioCredential", "\0"] {
            let error = named(name, &[]).unwrap_err();
            assert!(error.contains("set it to EnvironmentCredential, WorkloadIdentityCredential, Managed"), "{error}");
        }
        let error = found(&[TENANT, CLIENT, FILE, ("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")]).unwrap_err();
        assert!(error.contains("set one of the environment variables AZURE_CLIENT_SECRET, AZURE_CLIENT_CE"), "{error}");
    }

    #[test]
    fn host_of_identities_is_the_last_choice() {
        let host = [("IDENTITY_ENDPOINT", "http://127.0.0.1:1/token"), ("IDENTITY_HEADER", "canary")];
        let with = |others: &[(&'static str, &'static str)]| found(&[&host, others].concat()).map(|found| found.0);
        assert!(matches!(with(&[]).unwrap(), Found::Managed(_)));
        assert!(matches!(with(&[TENANT, CLIENT, SECRET]).unwrap(), Found::Secret(_)));
        assert!(matches!(with(&[TENANT, CLIENT, FILE]).unwrap(), Found::Workload(_)));
        assert!(found(&host[..1]).unwrap_err().contains("IDENTITY_HEADER is not"));
        // The client id alone names the user-assigned identity, and the host is that of these variables.
        let shown = format!("{:?}", with(&[CLIENT]).unwrap());
        assert!(
            shown.contains(r#"ClientId("c")"#) && shown.contains("127.0.0.1:1") && !shown.contains("canary"),
            "{shown}"
        );
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
            ("\u{feff}https://127.0.0.1:8443/\r\n\0", "127.0.0.1:8443"),
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

//! Settings of a client by the variables of the environment.

use std::ffi::OsString;

use defender_auth::{Cloud, EnvironmentCredential};

use super::{DefenderClientBuilder, base_url::base};
use crate::{DefenderClient, Error, ErrorKind};

const CLOUD: &str = "DEFENDER_CLOUD";
const BASE_URL: &str = "DEFENDER_BASE_URL";
const AUDIENCE: &str = "DEFENDER_AUDIENCE";
#[cfg(feature = "hyper")]
const CA_FILE: &str = "DEFENDER_CA_FILE";

impl DefenderClient {
    /// Returns a client with the credential and the settings of the environment: [`DefenderClientBuilder::from_env`], built. Nothing
    /// is sent.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), defender_actions::Error> {
    /// let defender = defender_actions::DefenderClient::from_env()?;
    /// let machine = defender.machines().find("ws-eng-04.contoso.com").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]. The message names the variable and the fix.
    pub fn from_env() -> Result<Self, Error> {
        DefenderClientBuilder::from_env()?.build()
    }
}

/// Settings of the environment. A method that is called later replaces the setting of its variable.
impl DefenderClientBuilder {
    /// Returns a builder with the credential and the settings of the environment: [variables](crate#environment).
    ///
    /// A variable that is blank counts as not set. The names that begin with `AZURE_` are those of the Azure SDKs;
    /// [`credential_from_env`](defender_auth::credential_from_env) has more about each. No credential is tried after another. The CA file
    /// and the proxy apply to the default transport only.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use defender_actions::DefenderClientBuilder;
    ///
    /// # fn example() -> Result<(), defender_actions::Error> {
    /// let defender = DefenderClientBuilder::from_env()?.total_timeout(Duration::from_secs(60)).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`]. The message names the variable and the fix, and never the value of a secret. If no credential
    /// is described, it names the variables that are set.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// As [`from_env`](Self::from_env), with the variables that `look_up` returns in place of those of the process: for settings
    /// from elsewhere, and for tests. The proxy is that of the process nevertheless, unless [`proxy`](Self::proxy) sets another.
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// use defender_actions::DefenderClientBuilder;
    ///
    /// let settings = HashMap::from([
    ///     ("AZURE_TENANT_ID", "contoso.com"),
    ///     ("AZURE_CLIENT_ID", "client-id"),
    ///     ("AZURE_CLIENT_SECRET", "secret"),
    ///     ("DEFENDER_CLOUD", "gcc-high"),
    /// ]);
    /// let builder = DefenderClientBuilder::from_variables(|name| settings.get(name).map(Into::into))?;
    /// # Ok::<(), defender_actions::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(look_up: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let text = |name: &str| -> Result<Option<String>, Error> {
            let text = look_up(name).map(OsString::into_string).transpose();
            let text = text.map_err(|_| wrong(format!("{name} is not text; correct it, or unset it")))?;
            Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
        };
        let credential = EnvironmentCredential::from_variables(&look_up);
        let credential = credential.map_err(|source| wrong(String::new()).caused_by(source))?;
        let mut builder = Self::new().credential(credential);
        if let Some(name) = text(CLOUD)? {
            let cloud = name.parse::<Cloud>().map_err(|_| {
                wrong(format!("{CLOUD} is {name:?}; set it to `public`, `gcc`, `gcc-high` or `dod`, or unset it"))
            })?;
            builder = builder.cloud(cloud);
        }
        if let Some(url) = text(BASE_URL)? {
            base(&url, "").map_err(|error| error.in_variable(BASE_URL))?;
            builder = builder.base_url(url);
        }
        if let Some(audience) = text(AUDIENCE)? {
            builder = builder.audience(audience);
        }
        #[cfg(feature = "hyper")]
        if let Some(path) = text(CA_FILE)? {
            builder = builder.roots(roots(&path)?);
        }
        Ok(builder)
    }
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Configuration).context(what)
}

/// Returns the roots of the platform and those in this file.
#[cfg(feature = "hyper")]
fn roots(path: &str) -> Result<defender_transport::Roots, Error> {
    let what =
        || wrong(format!("{CA_FILE} is {path:?}, which must be a readable PEM file with the certificate of a CA"));
    let pem = std::fs::read(path).map_err(|source| what().caused_by(source))?;
    defender_transport::Roots::platform().and_pem(pem).map_err(|source| what().caused_by(source))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::Mutex,
    };

    use defender_transport::testing::MockTransport;

    use super::*;

    const APPLICATION: [(&str, &str); 3] =
        [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", "canary")];

    fn built(more: &[(&str, &str)]) -> Result<DefenderClient, Error> {
        let variables: BTreeMap<_, _> = APPLICATION.iter().chain(more).copied().collect();
        let builder = DefenderClientBuilder::from_variables(|name| variables.get(name).map(Into::into))?;
        builder.transport(MockTransport::new()).build()
    }

    #[test]
    fn each_variable_sets_its_setting() {
        let settings = |more: &[(&str, &str)]| {
            let client = built(more).unwrap();
            (client.inner().base.as_str().to_owned(), client.inner().audience.clone())
        };
        let of = |base: &str, audience: &str| (base.to_owned(), audience.to_owned());
        let (public, gov) = (Cloud::Public, Cloud::GccHigh);
        let api = |base: &str| format!("{base}/api");
        assert_eq!(settings(&[]), of(&api(public.base_url()), public.audience()));
        assert_eq!(settings(&[("DEFENDER_CLOUD", " "), ("DEFENDER_BASE_URL", "")]), settings(&[]));
        assert_eq!(settings(&[("DEFENDER_CLOUD", "GCC-High\n")]), of(&api(gov.base_url()), gov.audience()));
        let own = [("DEFENDER_BASE_URL", "https://eu.example.com/"), ("DEFENDER_AUDIENCE", "https://a.example.com")];
        assert_eq!(settings(&own), of("https://eu.example.com/api", "https://a.example.com"));
    }

    #[test]
    fn bad_value_names_variable_and_fix() {
        for (variables, text) in [
            (&[("DEFENDER_CLOUD", "china")][..], r#"DEFENDER_CLOUD is "china"; set it to `public`, `gcc`,"#),
            (&[("DEFENDER_BASE_URL", "http://x")], "DEFENDER_BASE_URL: base URL `http://x` must begin with https://"),
            (&[("DEFENDER_BASE_URL", "https://x/api")], "DEFENDER_BASE_URL: base URL `https://x/api` has a path"),
            (
                &[("DEFENDER_CLOUD", "dod"), ("AZURE_AUTHORITY_HOST", "login.microsoftonline.com")],
                "AZURE_AUTHORITY_HOST is",
            ),
            (&[("AZURE_CLIENT_SECRET", "")], "set one of the environment variables AZURE_CLIENT_SECRET,"),
            (&[("AZURE_FEDERATED_TOKEN_FILE", "/x")], "more than one credential: AZURE_CLIENT_SECRET, AZURE_FED"),
            (
                &[("AZURE_TENANT_ID", "")],
                "set the environment variables AZURE_TENANT_ID; set are AZURE_TENANT_ID (blank), AZ",
            ),
            #[cfg(feature = "hyper")]
            (
                &[("DEFENDER_CA_FILE", "/nonexistent.pem")],
                "DEFENDER_CA_FILE is \"/nonexistent.pem\", which must be a readable PEM",
            ),
            #[cfg(feature = "hyper")]
            (&[("DEFENDER_CA_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))], "DEFENDER_CA_FILE is \""),
        ] {
            let error = built(variables).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            let line = error.to_string();
            assert!(line.contains(text) && !line.contains("canary"), "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn variable_that_is_not_text_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let look_up = |name: &str| match name {
            "DEFENDER_AUDIENCE" => Some(OsString::from_vec(vec![0xff])),
            _ => APPLICATION.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()),
        };
        let error = DefenderClientBuilder::from_variables(look_up).unwrap_err();
        assert!(error.to_string().contains("DEFENDER_AUDIENCE is not text; correct it, or unset it"), "{error}");
    }

    #[test]
    fn readme_has_each_variable() {
        let read = Mutex::new(BTreeSet::new());
        let _builder = DefenderClientBuilder::from_variables(|name| {
            read.lock().unwrap().insert(name.to_owned());
            APPLICATION.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        });
        let mut read = read.into_inner().unwrap();
        read.retain(|name| name.starts_with("AZURE_") || name.starts_with("DEFENDER_"));
        assert!(read.len() >= 9, "{read:?}");
        for name in read {
            assert!(include_str!("../../../README.md").contains(&format!("`{name}`")), "{name}");
        }
    }
}

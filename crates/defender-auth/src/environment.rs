//! Variables of the environment, as the Azure SDKs name them.

use crate::{Error, ErrorKind};

pub(crate) const TENANT: &str = "AZURE_TENANT_ID";
pub(crate) const CLIENT: &str = "AZURE_CLIENT_ID";
pub(crate) const SECRET: &str = "AZURE_CLIENT_SECRET";
pub(crate) const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
pub(crate) const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";
pub(crate) const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
#[cfg(feature = "certificate")]
pub(crate) const CERTIFICATE_PASSWORD: &str = "AZURE_CLIENT_CERTIFICATE_PASSWORD";
#[cfg(feature = "certificate")]
pub(crate) const CERTIFICATE_CHAIN: &str = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN";

/// Looks a variable up.
type LookUp = dyn Fn(&str) -> Option<String>;

/// The environment, or what a test puts in its place.
pub(crate) struct Environment(Box<LookUp>);

impl Environment {
    /// The process' own.
    pub(crate) fn of_process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// These variables and no others.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let known: std::collections::HashMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self(Box::new(move |name| known.get(name).cloned()))
    }

    /// The value of a variable that is set, and not blank.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }

    /// The values of all of `names`, or an error that names those that are missing, blank or not text.
    pub(crate) fn all<const N: usize>(&self, names: [&str; N]) -> Result<[String; N], Error> {
        let values = names.map(|name| self.get(name));
        let missing: Vec<_> =
            names.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
        if missing.is_empty() {
            return Ok(values.map(Option::unwrap_or_default));
        }
        Err(Error::new(ErrorKind::Configuration)
            .context(format!("set the environment variables {}", missing.join(", "))))
    }
}

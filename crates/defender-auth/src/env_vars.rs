//! Variables of the environment, as the Azure SDKs name them.

use std::ffi::OsString;

use zeroize::Zeroizing;

use crate::{Error, ErrorKind, secret::trimmed};

pub(crate) const TENANT: &str = "AZURE_TENANT_ID";
pub(crate) const CLIENT: &str = "AZURE_CLIENT_ID";
pub(crate) const SECRET: &str = "AZURE_CLIENT_SECRET";
pub(crate) const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
pub(crate) const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";
pub(crate) const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
pub(crate) const CERTIFICATE_PASSWORD: &str = "AZURE_CLIENT_CERTIFICATE_PASSWORD";
pub(crate) const CERTIFICATE_CHAIN: &str = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN";
pub(crate) const CHOICE: &str = "AZURE_TOKEN_CREDENTIALS";
pub(crate) const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";

/// Variables that an error lists as set if no credential can be made of them. The last two are of a grant that is not offered.
const TOLD: [&str; 12] = [
    CHOICE,
    IDENTITY_ENDPOINT,
    TENANT,
    CLIENT,
    SECRET,
    CERTIFICATE,
    CERTIFICATE_PASSWORD,
    CERTIFICATE_CHAIN,
    TOKEN_FILE,
    AUTHORITY,
    "AZURE_USERNAME",
    "AZURE_PASSWORD",
];

/// A value, which may be a secret: wiped when it is dropped.
type Value = Zeroizing<String>;

/// Looks a variable up; the error is for one that is no text.
type LookUp<'a> = dyn Fn(&str) -> Result<Option<Value>, ()> + 'a;

/// The environment, or its replacement.
pub(crate) struct Environment<'a>(Box<LookUp<'a>>);

impl<'a> Environment<'a> {
    /// The process' own.
    pub(crate) fn of_process() -> Self {
        Self::new(|name| std::env::var_os(name))
    }

    /// The variables that `look_up` returns.
    pub(crate) fn new(look_up: impl Fn(&str) -> Option<OsString> + 'a) -> Self {
        Self(Box::new(move |name| look_up(name).map(text).transpose()))
    }

    /// These variables and no others; `\0` stands for a value that is no text.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let known: std::collections::HashMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self(Box::new(move |name| match known.get(name) {
            Some(value) if value == "\0" => Err(()),
            value => Ok(value.cloned().map(Zeroizing::new)),
        }))
    }

    /// The value of a variable that is set, and not blank; trimmed, since one that was filled from a file may end with a newline.
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        self.untrimmed(name).map(|value| Zeroizing::new(trimmed(&value).to_owned()))
    }

    /// As [`get`](Self::get), with all that is around the value.
    pub(crate) fn untrimmed(&self, name: &str) -> Option<Value> {
        (self.0)(name).ok().flatten().filter(|value| !trimmed(value).is_empty())
    }

    /// Returns true if the variable is set, even to something that is not text.
    pub(crate) fn has(&self, name: &str) -> bool {
        (self.0)(name).map_or(true, |value| value.is_some_and(|value| !trimmed(&value).is_empty()))
    }

    /// The values of all of `names`, or an error that names those that are missing, blank or not text.
    pub(crate) fn all<const N: usize>(&self, names: [&str; N]) -> Result<[Value; N], Error> {
        let values = names.map(|name| self.get(name));
        let missing: Vec<_> =
            names.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
        if missing.is_empty() {
            return Ok(values.map(Option::unwrap_or_default));
        }
        Err(Error::new(ErrorKind::Configuration).context(format!(
            "set the environment variables {}; {}",
            missing.join(", "),
            self.seen()
        )))
    }

    /// Lists the variables that are set, by names and never by values.
    pub(crate) fn seen(&self) -> String {
        let told = TOLD.iter().filter_map(|name| match (self.0)(name) {
            Ok(None) => None,
            Ok(Some(value)) if value.trim().is_empty() => Some(format!("{name} (blank)")),
            Ok(Some(_)) => Some((*name).to_owned()),
            Err(()) => Some(format!("{name} (not text)")),
        });
        let told: Vec<_> = told.collect();
        if told.is_empty() { "none of AZURE_* is set".to_owned() } else { format!("set are {}", told.join(", ")) }
    }
}

/// The value as text.
fn text(value: OsString) -> Result<Value, ()> {
    // What is no text may be a secret nevertheless.
    value.into_string().map(Zeroizing::new).map_err(|value| drop(Zeroizing::new(value.into_encoded_bytes())))
}

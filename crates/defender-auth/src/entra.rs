//! What the token endpoint says: <https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes>.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error of Entra's token endpoint.
///
/// Branch on [`error`](Self::error); Microsoft says never to branch on the numbers or the text, which are for people.
#[derive(Clone, Deserialize, Serialize)]
pub struct EntraError {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
    #[serde(default)]
    error_codes: Vec<u32>,
    #[serde(default)]
    correlation_id: Option<String>,
    #[serde(default)]
    trace_id: Option<String>,
    #[serde(default)]
    suberror: Option<String>,
}

impl EntraError {
    /// The OAuth code, such as `invalid_client`.
    #[must_use]
    pub fn error(&self) -> &str {
        &self.error
    }

    /// The first AADSTS number, such as 7000215.
    #[must_use]
    pub fn aadsts(&self) -> Option<u32> {
        self.error_codes.first().copied().or_else(|| {
            let digits = self.error_description.as_deref()?.split_once("AADSTS")?.1;
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        })
    }

    /// What Microsoft's support asks for.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// A finer word than [`error`](Self::error), where there is one.
    #[must_use]
    pub fn suberror(&self) -> Option<&str> {
        self.suberror.as_deref()
    }

    /// What to do about it, for the commonest.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self.aadsts()? {
            7_000_215 => "the client secret is wrong; use the secret's value, not its id",
            7_000_222 => "the client secret has expired; make a new one",
            700_016 => "the application is not in this tenant; check client id, tenant and cloud",
            7_000_112 => "the application is disabled; ask the tenant's administrator",
            90_002 | 900_023 => "the tenant is not known; check the tenant id and the cloud",
            500_011 => "the tenant does not know this audience; check audience and cloud",
            70_011 | 1_002_012 => "the scope is not valid; it must be the audience followed by `/.default`",
            65_001 => "an administrator must grant consent to the application's permissions",
            _ => return None,
        })
    }

    /// The first line of the description: the rest are ids and the time.
    fn summary(&self) -> Option<&str> {
        self.error_description.as_deref()?.lines().next()
    }
}

impl fmt::Display for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)?;
        if let Some(summary) = self.summary() {
            write!(f, ", {summary}")?;
        }
        if let Some(advice) = self.advice() {
            write!(f, " What to do: {advice}.")?;
        }
        self.correlation_id.as_ref().map_or(Ok(()), |id| write!(f, " Correlation id: {id}."))
    }
}

impl fmt::Debug for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntraError")
            .field("error", &self.error)
            .field("aadsts", &self.aadsts())
            .field("suberror", &self.suberror)
            .field("correlation_id", &self.correlation_id)
            .field("trace_id", &self.trace_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_error_says_what_to_do() {
        let json = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: x"}"#;
        let error: EntraError = serde_json::from_str(json).unwrap();
        assert_eq!(error.aadsts(), Some(7_000_215));
        assert_eq!(
            error.to_string(),
            "invalid_client, AADSTS7000215: Invalid client secret provided. What to do: the client secret is wrong; use \
             the secret's value, not its id."
        );
    }
}

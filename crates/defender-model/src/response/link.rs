//! The link to a download.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A short-lived link to an investigation package or to a live response result.
///
/// The link is a secret, since it is sufficient for the download: `Debug` does not show it, it has no `Serialize`, and a request
/// to it must not have a bearer token. Sources:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-package-sas-uri>, which has a second pair of quotes inside the
/// value, and <https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result>, which has not.
///
/// ```
/// use defender_model::DownloadLink;
///
/// let link: DownloadLink = serde_json::from_str(r#"{"value": "\"https://example.com/p.zip?sig=s\""}"#)?;
/// assert_eq!(link.url(), "https://example.com/p.zip?sig=s");
/// assert!(!format!("{link:?}").contains("sig"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DownloadLink(String);

impl DownloadLink {
    /// Returns the link. Keep it out of logs.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DownloadLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DownloadLink").finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for DownloadLink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not derived: a derived error would show a link in a response of another shape. Every shape is a `Value`.
        let response = Value::deserialize(deserializer)?;
        let value = response.get("value").and_then(Value::as_str);
        let value = value.ok_or_else(|| de::Error::custom("the response has no string `value`"))?.trim();
        let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        if inside.is_empty() {
            return Err(de::Error::custom("the download link is empty"));
        }
        Ok(Self(inside.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_of_inner_quotes_is_removed() {
        let url = |json: &str| serde_json::from_str::<DownloadLink>(json).map(|link| link.0);
        assert_eq!(url(r#"{"value":"https://a/?x"}"#).unwrap(), "https://a/?x");
        assert_eq!(url(r#"{"@odata.context":"c","value":"\"https://a/?x\""}"#).unwrap(), "https://a/?x");
        assert_eq!(url(r#"{"value":"\"\"a\"\""}"#).unwrap(), "\"a\"");
        assert_eq!(url(r#"{"value":"\"a"}"#).unwrap(), "\"a");
        for none in [r#"{"value":""}"#, r#"{"value":"\"\""}"#, r#"{"value":null}"#, "{}"] {
            assert!(url(none).is_err(), "{none}");
        }
    }

    #[test]
    fn error_shows_no_link() {
        for json in [
            r#""https://a/?sig=s""#,
            r#"["https://a/?sig=s"]"#,
            r#"{"value":["https://a/?sig=s"]}"#,
            r#"{"value":{"https://a/?sig=s":1}}"#,
            r#"{"https://a/?sig=s":1}"#,
            r#"{"value":"https://a/?sig=s"#,
        ] {
            let error = serde_json::from_str::<DownloadLink>(json).unwrap_err().to_string();
            assert!(!error.contains("sig"), "{error}");
        }
    }
}

//! A link from which something can be downloaded.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A link from which something can be downloaded for a short while: an investigation package, or a result of live response.
///
/// Whoever has it can download, so it is a secret: `Debug` does not show it, it is not written back as JSON, and no bearer
/// belongs on a request to it. Sources: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-package-sas-uri>, whose
/// value is quoted once more inside its quotes, and
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result>, whose is not.
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
    /// The link. Keep it out of logs.
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
        // Not derived: the error would show a link that came in another shape. Any shape is a `Value`, so this one does not.
        let answer = Value::deserialize(deserializer)?;
        let value = answer.get("value").and_then(Value::as_str);
        let value = value.ok_or_else(|| de::Error::custom("the answer has no text as its `value`"))?.trim();
        let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        if inside.is_empty() {
            return Err(de::Error::custom("the link is empty"));
        }
        Ok(Self(inside.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_of_inner_quotes_is_taken_off_and_no_more() {
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
    fn an_error_shows_no_link() {
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

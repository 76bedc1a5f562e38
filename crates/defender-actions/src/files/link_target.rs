//! The target of a link, and its secrets.

use std::{error::Error as StdError, fmt};

use defender_model::DownloadLink;
use defender_transport::Secrets;
use http::Uri;
use percent_encoding::percent_decode_str;

use crate::client::scrub::cleaned;

/// Longest link, in bytes. Links of the store have some 500.
const LONGEST: usize = 16 << 10;
/// Shortest value that is removed from texts. Shorter ones appear in any text.
const SHORTEST_SECRET: usize = 6;

/// Target of a link. Its query is a secret, since everybody who has it can download, and no text of this type shows it.
#[derive(Clone)]
pub(crate) struct LinkTarget {
    uri: Uri,
    secrets: Secrets,
}

impl LinkTarget {
    /// Returns the target of a link, or the reason why the link is not followed.
    pub(crate) fn of(link: &DownloadLink) -> Result<Self, &'static str> {
        let url = link.url();
        if url.len() > LONGEST {
            return Err("the link is longer than 16 KiB");
        }
        // The error of the parser is dropped, since another version of the parser may show the URL.
        let uri: Uri = url.parse().map_err(|_| "the link is not a URL")?;
        if uri.scheme_str() != Some("https") {
            return Err("the link does not begin with https://");
        }
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if uri.host().is_none_or(str::is_empty) || authority.contains('@') {
            return Err("the link has no host, or has user information");
        }
        let query = uri.query().unwrap_or_default();
        let values = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .flat_map(|(_, value)| [value.to_owned(), percent_decode_str(value).decode_utf8_lossy().into_owned()]);
        let mut secrets: Vec<String> = values.chain([query.to_owned()]).collect();
        secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
        Ok(Self { uri, secrets: Secrets::new(secrets) })
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the secrets of the link, which are also found if they are encoded.
    pub(crate) fn secrets(&self) -> Secrets {
        self.secrets.clone()
    }

    /// Returns the text without the secrets of the link.
    pub(crate) fn scrubbed(&self, text: &str) -> String {
        self.secrets.redact(text).into_owned()
    }

    /// Returns the error; if it or one of its causes shows a secret, returns its text without the secret. A transport of the caller may
    /// put URLs into its errors.
    pub(crate) fn cleaned<E>(&self, error: E) -> Box<dyn StdError + Send + Sync>
    where
        E: StdError + Send + Sync + 'static,
    {
        cleaned(&self.secrets, error)
    }
}

impl fmt::Debug for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkTarget").field("host", &self.uri.host()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<LinkTarget, &'static str> {
        let response = serde_json::json!({ "value": url }).to_string();
        LinkTarget::of(&serde_json::from_str(&response).unwrap())
    }

    #[test]
    fn only_https_links_are_followed() {
        target("https://blobs.example.com/p.zip?sig=s").unwrap();
        for (url, why) in [
            ("http://blobs.example.com/p.zip?sig=canary", "https"),
            ("http://127.0.0.1/p.zip?sig=canary", "https"),
            ("file:///etc/passwd", ""),
            ("ftp://example.com/canary", "https"),
            ("/p.zip?sig=canary", "https"),
            ("https:///p.zip?sig=canary", ""),
            ("https://user:canary@example.com/p.zip", "user"),
            ("https://exa mple.com/?sig=canary", "not a URL"),
            (&format!("https://example.com/?sig={}", "canary".repeat(200_000)), "16 KiB"),
        ] {
            let refused = target(url).unwrap_err();
            assert!(refused.contains(why) && !refused.contains("canary"), "{refused}");
        }
    }

    #[test]
    fn query_of_a_link_is_never_shown() {
        let target = target("https://example.com/p.zip?sv=2019&se=2026-01-01T00%3A00%3A00Z&sig=a%2Bcanary%3D").unwrap();
        assert!(!format!("{target:?}").contains("canary"));
        let encoded = "sig%3da%252Bcanary%253d";
        for text in [
            encoded,
            "YStjYW5hcnk9",
            "a&#43;canary&#x3d;",
            "GET /p.zip?sv=2019&se=2026-01-01T00%3A00%3A00Z&sig=a%2Bcanary%3D",
            "a%2Bcanary%3D",
            "a+canary=",
        ] {
            let scrubbed = target.scrubbed(&format!("error at {text}, sorry"));
            assert!(
                !scrubbed.contains("canary") && !scrubbed.contains("YStjYW5hcn") && scrubbed.contains(", sorry"),
                "{scrubbed}"
            );
        }
        let error = target.cleaned(std::io::Error::other("sending to ?sig=a+canary= failed"));
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert_eq!(target.cleaned(std::io::Error::other("reset")).to_string(), "reset");
    }
}

//! The base URL of a client.

use http::Uri;

use crate::{Error, ErrorKind};

/// Returns the base URL with the prefix, or the error of an invalid one.
pub(super) fn base(base_url: &str, prefix: &str) -> Result<Uri, Error> {
    let wrong = |what: String| Error::new(ErrorKind::Configuration).context(what);
    // The URL is left out: it may hold a password.
    if base_url.contains('@') {
        return Err(wrong(
            "base URL has a user name or a password, which stand before `@`; remove them, and set `.credential(..)`"
                .to_owned(),
        ));
    }
    let host = base_url.trim_end_matches('/');
    let uri: Uri =
        host.parse().map_err(|source| wrong(format!("base URL `{base_url}` is not a URL")).caused_by(source))?;
    if uri.path() != "/" && !uri.path().is_empty() || uri.query().is_some() {
        return Err(wrong(format!(
            "base URL `{base_url}` has a path; give only the host, and set the path with `.prefix(..)`"
        )));
    }
    if uri.scheme_str() != Some("https") || uri.host().is_none_or(str::is_empty) {
        return Err(wrong(format!("base URL `{base_url}` must begin with https:// and have a host")));
    }
    let inside = prefix.trim_matches('/');
    let is_path = |segment: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(allowed)
    };
    if !inside.is_empty() && !inside.split('/').all(is_path) {
        return Err(wrong(format!("prefix `{prefix}` must be a path such as `/api`")));
    }
    format!("{host}/{inside}")
        .parse()
        .map_err(|source| wrong(format!("base URL `{base_url}` with prefix `{prefix}`")).caused_by(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_url_is_host_and_prefix_is_path() {
        for (url, prefix, whole) in [
            ("https://api.example.com", "/api", "https://api.example.com/api"),
            ("https://api.example.com/", "api/v1.0/", "https://api.example.com/api/v1.0"),
            ("https://127.0.0.1:8443", "", "https://127.0.0.1:8443/"),
        ] {
            assert_eq!(base(url, prefix).unwrap(), whole);
        }
        for (url, prefix, message) in [
            ("http://api.example.com", "/api", "must begin with https://"),
            ("api.example.com", "/api", "must begin with https://"),
            ("https://", "/api", "and have a host"),
            ("https://a b", "/api", "is not a URL"),
            ("https://api.example.com/api", "/api", "has a path"),
            ("https://api.example.com?x", "/api", "has a path"),
            ("https://api.example.com", "/../x", "must be a path"),
            ("https://api.example.com", "/a?b", "must be a path"),
        ] {
            let error = base(url, prefix).unwrap_err();
            assert!(error.to_string().contains(message), "{url} {prefix}: {error}");
        }
    }

    #[test]
    fn refused_url_shows_no_password() {
        for url in [
            "https://svc:canary@api.example.com",
            "http://svc:canary@api.example.com",
            "https://svc:canary@api.example.com/api?x",
            "https://svc:can ary@api.example.com",
            "svc:canary@api.example.com",
        ] {
            let error = base(url, "/api").unwrap_err();
            let told = format!("{error} {error:?} {error:#}");
            assert!(told.contains("user name or a password") && !told.contains("can"), "{told}");
        }
    }
}

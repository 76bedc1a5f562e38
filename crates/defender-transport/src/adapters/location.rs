//! Resolution of a `Location`.

use http::{Uri, uri::Authority};

/// The URL that `reference` means on a page of `from`: RFC 3986, 5.2, without its fragment.
pub(crate) fn resolved(from: &Uri, reference: &str) -> Option<Uri> {
    let reference = reference.split('#').next().unwrap_or_default();
    let before_path = reference.split(['/', '?']).next().unwrap_or_default();
    if before_path.contains(':') {
        return reference.parse::<Uri>().ok().filter(|absolute| absolute.scheme().is_some());
    }
    let scheme = from.scheme_str()?;
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}").parse().ok();
    }
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let authority: &Authority = from.authority()?;
    let path_and_query = match (path, query) {
        ("", None) => from.path_and_query()?.to_string(),
        ("", Some(query)) => format!("{}?{query}", from.path()),
        _ => {
            let whole = if path.starts_with('/') { path.to_owned() } else { beside(from.path(), path) };
            let path = without_dots(&whole);
            query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
        }
    };
    Uri::builder().scheme(scheme).authority(authority.clone()).path_and_query(path_and_query).build().ok()
}

/// `path` in the folder of `page`.
fn beside(page: &str, path: &str) -> String {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{path}")
}

/// The path without its `.` and `..`: RFC 3986, 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    if ends_in_folder {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_resolves_as_in_rfc_3986() {
        let from: Uri = "https://example.com/b/c/d?q".parse().unwrap();
        for (reference, path) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("?y", "/b/c/d?y"),
            ("g?y", "/b/c/g?y"),
            ("#s", "/b/c/d?q"),
            ("g#s", "/b/c/g"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../../g", "/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            ("..g", "/b/c/..g"),
            ("./g/.", "/b/c/g/"),
            ("g/../h", "/b/c/h"),
            ("g?y/../x", "/b/c/g?y/../x"),
            ("//example.com/g", "/g"),
        ] {
            let found = resolved(&from, reference).unwrap();
            assert_eq!(found.path_and_query().unwrap().as_str(), path, "{reference}");
            assert_eq!((found.scheme_str(), found.host()), (Some("https"), Some("example.com")), "{reference}");
        }
    }
}

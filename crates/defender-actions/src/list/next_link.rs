//! Paths of the next pages of a list.

use std::borrow::Cow;

use percent_encoding::percent_encode_byte;

/// Returns the link as a path of the API. Relative links are resolved and invalid characters are encoded, because other clients have
/// received both (azure-sdk-for-go#18809, simple-odata-client#932). A relative link that does not lead to the list itself is returned
/// unchanged, and is refused later.
pub(super) fn resolved<'l>(link: &'l str, prefix: &str, from: &str) -> Cow<'l, str> {
    let link = encoded(link.trim());
    if link.starts_with("//") {
        return Cow::Owned(format!("https:{link}"));
    }
    let (path, query) = link.split_once('?').unwrap_or((&link, ""));
    if path.contains("://") || query.is_empty() {
        return link;
    }
    let list = from.split('?').next().unwrap_or_default();
    let relative = path.strip_prefix("./").unwrap_or(path);
    let whole = format!("{prefix}{list}");
    let names = [list, list.trim_start_matches('/'), whole.trim_start_matches('/')].into_iter();
    let mut names = names.chain(list.rsplit('/').next());
    let is_list = relative.is_empty() || names.any(|name| name.eq_ignore_ascii_case(relative));
    if is_list { Cow::Owned(format!("{whole}?{query}")) } else { link }
}

/// Percent-encodes the invalid characters of a link, and removes line ends and tabs.
fn encoded(link: &str) -> Cow<'_, str> {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !br#""<>^`{|}"#.contains(&byte);
    if link.bytes().all(is_allowed) {
        return Cow::Borrowed(link);
    }
    let mut encoded = String::with_capacity(link.len());
    for byte in link.bytes() {
        match byte {
            b'\t' | b'\r' | b'\n' => {}
            byte if is_allowed(byte) => encoded.push(char::from(byte)),
            byte => encoded.push_str(percent_encode_byte(byte)),
        }
    }
    Cow::Owned(encoded)
}

/// Returns the same path with another `$skip` in its query.
pub(super) fn skipping(path: &str, rows: u64) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let others = query.split('&').filter(|option| !option.is_empty() && !option.starts_with("$skip="));
    let skip = format!("$skip={rows}");
    format!("{path}?{}", others.chain([skip.as_str()]).collect::<Vec<_>>().join("&"))
}

/// Returns the numeric value of a query option of the path, such as `$top`.
pub(super) fn option_value(path: &str, option: &str) -> Option<u64> {
    let (_, query) = path.split_once('?')?;
    query.split('&').find_map(|part| part.strip_prefix(option)?.strip_prefix('=')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_link_resolves_to_list() {
        for (link, path) in [
            ("?$skip=2", "/api/machineactions?$skip=2"),
            ("machineactions?$skip=2", "/api/machineactions?$skip=2"),
            ("MachineActions?$skip=2", "/api/machineactions?$skip=2"),
            (" /api/machineactions?$filter=a eq b ", "/api/machineactions?$filter=a%20eq%20b"),
            ("https://x/api/machineactions?$skip=2", "https://x/api/machineactions?$skip=2"),
            ("./machineactions?$skip=2", "/api/machineactions?$skip=2"),
            ("api/machineactions?$skip=2", "/api/machineactions?$skip=2"),
            ("/machineactions?$skip=2", "/api/machineactions?$skip=2"),
            ("/api/v1.0/machineactions?$skip=2", "/api/v1.0/machineactions?$skip=2"),
            ("//x/api/machineactions?$skip=2", "https://x/api/machineactions?$skip=2"),
            ("?$filter=a eq 'ä|\"b\"'\r\n", "/api/machineactions?$filter=a%20eq%20'%C3%A4%7C%22b%22'"),
            ("?next=https://x/y&$sk\r\nip=2", "/api/machineactions?next=https://x/y&$skip=2"),
            ("", ""),
            ("?", "?"),
            ("machines?$skip=2", "machines?$skip=2"),
            ("../secrets?$skip=2", "../secrets?$skip=2"),
            ("machineactions", "machineactions"),
            ("not a link", "not%20a%20link"),
        ] {
            assert_eq!(resolved(link, "/api", "/machineactions?$top=2"), path, "{link}");
        }
    }
}

//! The path of a list's next page.

use std::borrow::Cow;

/// Returns the link as a path of the API: relative ones are resolved, and blanks are encoded, as others have met both
/// (azure-sdk-for-go#18809, simple-odata-client#932). A relative link leads to the list itself, or it is left as it is and refused.
pub(super) fn rooted<'l>(link: &'l str, prefix: &str, from: &str) -> Cow<'l, str> {
    let link = link.trim();
    let link = if link.contains(' ') { Cow::Owned(link.replace(' ', "%20")) } else { Cow::Borrowed(link) };
    if link.starts_with('/') || link.contains("://") {
        return link;
    }
    let list = from.split('?').next().unwrap_or_default();
    let (name, query) = link.split_once('?').unwrap_or((&link, ""));
    let is_list = name.is_empty() || list.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(name));
    if is_list && !query.is_empty() { Cow::Owned(format!("{prefix}{list}?{query}")) } else { link }
}

/// Returns the same path with another `$skip` in its query.
pub(super) fn skipping(path: &str, rows: u64) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let kept = query.split('&').filter(|option| !option.is_empty() && !option.starts_with("$skip="));
    let skip = format!("$skip={rows}");
    format!("{path}?{}", kept.chain([skip.as_str()]).collect::<Vec<_>>().join("&"))
}

/// Returns the number that an option of the path's query has, such as `$top`.
pub(super) fn number(path: &str, option: &str) -> Option<u64> {
    let (_, query) = path.split_once('?')?;
    query.split('&').find_map(|part| part.strip_prefix(option)?.strip_prefix('=')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_link_leads_to_the_list_itself() {
        for (link, path) in [
            ("?$skip=2", "/api/machineactions?$skip=2"),
            ("machineactions?$skip=2", "/api/machineactions?$skip=2"),
            ("MachineActions?$skip=2", "/api/machineactions?$skip=2"),
            (" /api/machineactions?$filter=a eq b ", "/api/machineactions?$filter=a%20eq%20b"),
            ("https://x/api/machineactions?$skip=2", "https://x/api/machineactions?$skip=2"),
            ("machines?$skip=2", "machines?$skip=2"),
            ("../secrets?$skip=2", "../secrets?$skip=2"),
            ("machineactions", "machineactions"),
            ("not a link", "not%20a%20link"),
        ] {
            assert_eq!(rooted(link, "/api", "/machineactions?$top=2"), path, "{link}");
        }
    }
}

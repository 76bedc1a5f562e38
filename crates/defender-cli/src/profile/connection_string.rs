//! Connection strings of databases, such as `host=db user=jo password=…`: pairs of names and values, and no path.

/// Names that a path does not have, in lower case.
const NAMES: [&str; 10] =
    ["dbname", "host", "hostaddr", "passfile", "port", "pwd", "server", "service", "user", "username"];
/// Names of passwords, in lower case.
const PASSWORDS: [&str; 3] = ["password", "passwd", "sslpassword"];

/// Returns whether a text is a connection string.
pub(crate) fn is_connection_string(text: &str) -> bool {
    has_password(text) || names(text).any(|name| NAMES.contains(&name.as_str()))
}

/// Returns whether a pair of a connection string, or of the query of a URL, is a password.
pub(crate) fn has_password(text: &str) -> bool {
    names(text).any(|name| PASSWORDS.contains(&name.as_str()))
}

/// Returns a URL in lower case, with its `:` and `/` as they are.
pub(crate) fn decoded(url: &str) -> String {
    url.to_ascii_lowercase().replace("%3a", ":").replace("%2f", "/")
}

/// Returns what follows the scheme in a [`decoded`] URL of PostgreSQL, with its slashes if it has them.
pub(crate) fn rest_of_postgres(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    matches!(scheme.trim(), "postgres" | "postgresql").then_some(rest)
}

/// Returns the word before each `=`, in lower case. Blanks may be around the `=`.
fn names(text: &str) -> impl Iterator<Item = String> {
    let separator = |c: char| c.is_whitespace() || ";?&#".contains(c);
    let before = text.split_inclusive('=').filter_map(|part| part.strip_suffix('='));
    before.filter_map(move |part| part.trim_end().rsplit(separator).next().map(str::to_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_string_is_no_path() {
        for text in [
            "host=db.example dbname=r user=u password=p",
            "hostaddr = 10.0.0.1",
            "sslmode=require USER=u",
            "Server=db;Database=r;User Id=u;Password=p",
            "service=quota",
            "password='a b'",
        ] {
            assert!(is_connection_string(text), "{text}");
        }
        for text in ["runs.db", "/srv/host=a/runs.db", "./user=jo.db", "C:\\Users\\jo\\runs.db", "/a b/x=1.db", ""] {
            assert!(!is_connection_string(text), "{text}");
        }
    }
}

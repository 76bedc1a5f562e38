//! The URL of a database.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

/// A URL, with the settings of TLS that the client of `PostgreSQL` itself knows and tokio-postgres does not. It prints without user and
/// password.
pub(super) struct Address {
    config: Config,
    root_certificate: Option<PathBuf>,
}

impl Address {
    /// Reads a URL. An error has nothing of it, since a password may have any form.
    pub(super) fn read(url: &str) -> Result<Self, String> {
        let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let (path, query) = match rest {
            Some(rest) => {
                check(rest)?;
                url.split_once('?').unwrap_or((url, ""))
            }
            // Pairs of names and values.
            None => (url, ""),
        };
        let (mut root_certificate, mut is_plain_text, mut kept) = (None, false, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslrootcert", file)) => root_certificate = Some(PathBuf::from(file)),
                Some(("sslmode", "disable")) => is_plain_text = true,
                // The certificate is always checked.
                Some(("sslmode", "allow" | "prefer" | "require" | "verify-ca" | "verify-full")) => {}
                Some(("sslmode", _)) => {
                    return Err("`sslmode` must be `disable`, `require` or `verify-full`".to_owned());
                }
                _ => kept.push(pair),
            }
        }
        let url = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
        let mut config: Config = url.parse().map_err(|error| format!("the URL cannot be read ({error})"))?;
        if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.contains('@'))) {
            return Err(UNQUOTED.to_owned());
        }
        let is_local = config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)));
        config.ssl_mode(if is_plain_text || is_local { SslMode::Disable } else { SslMode::Require });
        Ok(Self { config, root_certificate })
    }

    pub(super) fn root_certificate(&self) -> Option<&Path> {
        self.root_certificate.as_deref()
    }

    pub(super) fn into_config(self) -> Config {
        self.config
    }
}

const UNQUOTED: &str = "user, password or an option of the URL has an `@` or a `?`; write them as `%40` and `%3F`";

/// Refuses a URL in which a part of the password could be read as host or database, both of which are printed.
fn check(rest: &str) -> Result<(), String> {
    let Some((user, place)) = rest.split_once('@') else { return Ok(()) };
    if user.contains('?') || place.contains('@') { Err(UNQUOTED.to_owned()) } else { Ok(()) }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            match host {
                Host::Tcp(host) => {
                    let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
                    write!(f, "{host}:{port}")?;
                }
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{}", path.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().or(self.config.get_user()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        Address::read(url).unwrap().config.get_ssl_mode()
    }

    #[test]
    fn tls_is_required_unless_disabled() {
        for query in ["", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-full&connect_timeout=3"] {
            assert_eq!(mode(&format!("postgres://u:p@db.example/quota{query}")), SslMode::Require, "{query}");
        }
        assert_eq!(mode("postgres://u:p@db.example/quota?sslmode=disable"), SslMode::Disable);
        assert!(Address::read("postgres://db.example/quota?sslmode=none").is_err());
    }

    #[test]
    fn root_certificate_is_read_from_the_url() {
        let address = Address::read("postgres://db/quota?sslrootcert=/etc/ca.pem&application_name=x").unwrap();
        assert_eq!(address.root_certificate(), Some(Path::new("/etc/ca.pem")));
        assert_eq!(address.config.get_application_name(), Some("x"));
    }

    #[test]
    fn address_is_printed_without_password() {
        let printed = |url| Address::read(url).unwrap().to_string();
        assert_eq!(printed("postgres://user:hunter2@db.example:5433/quota"), "db.example:5433/quota");
        assert_eq!(printed("postgres://user:hunter2@a,b:5433/quota"), "a:5432,b:5433/quota");
        let error = Address::read("postgres://user:hunter2@db.example:port/quota").err().unwrap();
        assert!(!error.contains("hunter2"), "{error}");
    }
    /// Each of these passwords has characters that must be encoded.
    #[test]
    fn part_of_a_password_is_not_printed() {
        for url in [
            "postgres://u:hun@ter2@db.example/quota",
            "postgres://u:hun@/ter2@db.example/quota",
            "postgres://u:hun@?ter2@db.example/quota",
            "postgres://u:hun?ter2@db.example/quota",
            "postgres://u:hun?sslmode=disable&ter2@db.example/quota",
            "postgres://u:hun%40ter2@ter2%40db.example/quota",
            "postgres://db.example/quota?user=u&password=hun@ter2",
            "postgres://u@db.example/quota?password=hun@ter2",
            "postgres://db.example/quota?user=u&password=hun&ter2=",
            "postgres://db.example/quota?user=u&password=hun&ter2",
            "host=db.example user=u password=hun ter2=",
            "host=db.example user=u password=hun ter2",
        ] {
            let error = Address::read(url).err().unwrap();
            assert!(!error.contains("hun") && !error.contains("ter2"), "{url}: {error}");
        }
        for url in [
            "postgres://u:hun%40te%3Fr2@db.example/quota",
            "postgres://u:hun/ter2@db.example/quota",
            "postgres://u:hun#ter2@db.example/quota",
            "postgres://db.example/quota?user=u&password=hun%40ter2",
            "host=db.example dbname=quota user=u password=hun@ter2?sslmode=disable",
        ] {
            let address = Address::read(url).unwrap();
            assert_eq!(address.to_string(), "db.example:5432/quota", "{url}");
            assert_eq!(address.config.get_ssl_mode(), SslMode::Require, "{url}");
        }
    }
}

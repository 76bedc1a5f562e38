//! Hosts that are reached without a proxy.

use std::net::IpAddr;

/// A list such as `NO_PROXY` has.
#[derive(Clone, Debug, Default)]
pub(super) struct Exceptions(Vec<Exception>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    host: Host,
    /// Any, if none.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// This name and all names under it, in lower case.
    Name(String),
    /// The addresses that begin with these bits.
    Network {
        address: IpAddr,
        prefix: u8,
    },
}

impl Exceptions {
    /// Adds the entries of `list`, which commas or blanks separate. An entry in none of the forms is a name that no host has.
    pub(super) fn add(&mut self, list: &str) {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        self.0.extend(entries.map(Exception::parse));
    }

    pub(super) fn extend(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    /// Returns true if the host of a URL, as it stands there, is an exception.
    pub(super) fn contain(&self, host: &str, port: u16) -> bool {
        let address = address(host);
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        self.0.iter().any(|exception| {
            exception.port.is_none_or(|own| own == port)
                && match (&exception.host, address) {
                    (Host::Any, _) => true,
                    (Host::Network { address, prefix }, Some(host)) => begins_with(host, *address, *prefix),
                    (Host::Name(suffix), None) => {
                        name.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                    }
                    _ => false,
                }
        })
    }
}

impl Exception {
    fn parse(entry: &str) -> Self {
        if let Some(host) = network(entry) {
            return Self { host, port: None };
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => port.parse().map_or((entry, None), |port| (host, Some(port))),
            None => (entry, None),
        };
        let host = match host {
            "*" => Host::Any,
            _ => network(host).unwrap_or_else(|| {
                let name = host.strip_prefix('*').unwrap_or(host).trim_matches('.');
                Host::Name(name.to_ascii_lowercase())
            }),
        };
        Self { host, port }
    }
}

/// An address, in brackets or not, or a network.
fn network(text: &str) -> Option<Host> {
    if let Some(address) = address(text) {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        return Some(Host::Network { address, prefix });
    }
    let (address, prefix) = text.split_once('/')?;
    let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse().ok()?);
    let bits = if address.is_ipv4() { 32 } else { 128 };
    (prefix <= bits).then_some(Host::Network { address, prefix })
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn begins_with(host: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let differ = match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => u128::from(host.to_bits() ^ network.to_bits()) << 96,
        (IpAddr::V6(host), IpAddr::V6(network)) => host.to_bits() ^ network.to_bits(),
        _ => return false,
    };
    differ.leading_zeros() >= u32::from(prefix)
}

/// Returns true if the host of a URL is this machine, by its name or its address.
pub(super) fn is_loopback(host: &str) -> bool {
    address(host).map_or_else(|| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_match_their_hosts_only() {
        for (list, host, port, excepted) in [
            ("", "a.example", 443, false),
            (",, ,", "a.example", 443, false),
            ("a.example", "a.example", 443, true),
            ("A.Example", "a.eXample", 443, true),
            ("a.example", "x.a.example", 443, true),
            ("a.example", "xa.example", 443, false),
            ("a.example", "a.example.evil", 443, false),
            ("a.example", "example", 443, false),
            ("a.example.", "a.example", 443, true),
            ("a.example", "a.example.", 443, true),
            (".a.example", "x.a.example", 443, true),
            (".a.example", "a.example", 443, true),
            (".a.example", "xa.example", 443, false),
            ("*.a.example", "x.a.example", 443, true),
            ("b.example, a.example", "a.example", 443, true),
            ("b.example a.example", "a.example", 443, true),
            ("a.example:8443", "a.example", 8443, true),
            ("a.example:8443", "a.example", 443, false),
            (".a.example:8443", "x.a.example", 8443, true),
            ("*", "anything.example", 1, true),
            ("*", "[::1]", 1, true),
            ("*:8443", "anything.example", 443, false),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("10.1.2.3", "10.1.2.30", 443, false),
            ("10.1.2.3:8443", "10.1.2.3", 8443, true),
            ("10.1.2.3:8443", "10.1.2.3", 443, false),
            ("10.0.0.0/8", "10.255.0.1", 443, true),
            ("10.0.0.0/8", "11.0.0.1", 443, false),
            ("10.0.0.0/0", "11.0.0.1", 443, true),
            ("10.0.0.1/32", "10.0.0.1", 443, true),
            ("10.0.0.1/32", "10.0.0.0", 443, false),
            ("10.0.0.0/33", "10.0.0.0", 443, false),
            ("10.0.0.0/8", "10.example", 443, false),
            ("10.0.0.0/8", "[::1]", 443, false),
            ("::1", "[::1]", 443, true),
            ("[::1]", "[::1]", 443, true),
            ("[::1]:8443", "[::1]", 8443, true),
            ("[::1]:8443", "[::1]", 443, false),
            ("fd00::/8", "[fd12::1]", 443, true),
            ("fd00::/8", "[fe12::1]", 443, false),
            ("::/0", "[fe12::1]", 443, true),
            ("10.0.0.0/8", "[::ffff:10.0.0.1]", 443, true),
            ("3", "10.1.2.3", 443, false),
        ] {
            let mut exceptions = Exceptions::default();
            exceptions.add(list);
            assert_eq!(exceptions.contain(host, port), excepted, "`{list}` and {host}:{port}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_address() {
        for (host, is) in [
            ("localhost", true),
            ("LocalHost", true),
            ("127.1.2.3", true),
            ("[::1]", true),
            ("10.0.0.1", false),
            ("localhost.example", false),
        ] {
            assert_eq!(is_loopback(host), is, "{host}");
        }
    }
}

//! Hosts that may be reached over http without TLS.

use std::net::IpAddr;

use http::uri::Authority;

/// Hosts to which a transport may speak http without TLS. Everywhere else a URL must begin with https.
///
/// Plain http never goes through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlainHttp {
    /// Nowhere. The default.
    #[default]
    Refused,
    /// To this machine: `localhost`, 127.0.0.0/8 and `[::1]`. Meant for tests.
    Loopback,
    /// To this machine and to 169.254.0.0/16, which is its own link: the endpoint that gives out the identity of a machine in
    /// a cloud is there, and speaks nothing else. Meant for that endpoint alone.
    LinkLocal,
}

impl PlainHttp {
    /// Returns true if a URL may name this host.
    pub(crate) fn allows(self, host: &Authority) -> bool {
        let host = host.host();
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(address) => self.allows_address(address),
            Err(_) => self != Self::Refused && host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Returns true if a connection may be to this address: a name may resolve to any.
    pub(crate) fn allows_address(self, address: IpAddr) -> bool {
        let is_link_local = matches!(address, IpAddr::V4(address) if address.is_link_local());
        match self {
            Self::Refused => false,
            Self::Loopback => address.is_loopback(),
            Self::LinkLocal => address.is_loopback() || is_link_local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_allowed_addresses_only() {
        for (host, loopback, link_local) in [
            ("localhost", true, true),
            ("LOCALHOST:8080", true, true),
            ("127.0.0.1", true, true),
            ("127.9.9.9:1", true, true),
            ("[::1]:1", true, true),
            ("169.254.169.254", false, true),
            ("169.254.130.4:8081", false, true),
            ("169.253.169.254", false, false),
            ("10.0.0.1", false, false),
            ("192.168.0.1", false, false),
            ("[fe80::1]", false, false),
            ("[::ffff:10.0.0.1]", false, false),
            ("0.0.0.0", false, false),
            ("localhost.evil.example", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("example.com", false, false),
        ] {
            let host = Authority::from_static(host);
            assert!(!PlainHttp::Refused.allows(&host), "{host}");
            assert_eq!(PlainHttp::Loopback.allows(&host), loopback, "{host}");
            assert_eq!(PlainHttp::LinkLocal.allows(&host), link_local, "{host}");
        }
    }
}

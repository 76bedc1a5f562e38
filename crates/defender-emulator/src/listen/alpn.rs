//! The versions of HTTP that a connection may have.

/// The versions of HTTP that the TLS handshake offers (ALPN). The real service offers both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlpnProtocols {
    /// HTTP/2 and HTTP/1.1, at the client's choice. The default.
    #[default]
    Both,
    /// HTTP/1.1 alone, as through many companies' proxies.
    Http1,
    /// HTTP/2 alone.
    Http2,
}

impl AlpnProtocols {
    /// As the handshake has it.
    pub(crate) fn protocols(self) -> Vec<Vec<u8>> {
        let (http_1, http_2) = (b"http/1.1".to_vec(), b"h2".to_vec());
        match self {
            Self::Both => vec![http_2, http_1],
            Self::Http1 => vec![http_1],
            Self::Http2 => vec![http_2],
        }
    }
}

//! Errors of a connection that was not opened, as text.

use std::{
    error::Error as StdError,
    fmt, io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{causes::chain, dial::BoxError, handshake};
use crate::{Error, ErrorKind};

/// Reason for which a connection was not opened. No secret is in it: only hosts, times and what the other side refused.
///
/// On its way through a pool of connections it is handed on as a reference, so its cause is taken out of it at the end.
#[derive(Debug)]
pub(crate) struct ConnectError {
    words: String,
    is_late: bool,
    /// Another attempt would end in the same way.
    is_permanent: bool,
    cause: Mutex<Option<BoxError>>,
}

impl ConnectError {
    /// Makes an error of `words` alone, without a cause.
    pub(crate) fn because(words: impl Into<String>) -> Self {
        Self { words: words.into(), is_late: false, is_permanent: false, cause: Mutex::default() }
    }

    /// The same, and another attempt would end in the same way.
    pub(crate) fn permanent(self) -> Self {
        Self { is_permanent: true, ..self }
    }

    /// It had not come about when the time was over.
    pub(crate) fn late(what: &str, limit: Duration) -> Self {
        Self { is_late: true, ..Self::because(format!("{what} within {limit:?}")) }
    }

    /// No bytes go there at all.
    pub(crate) fn unreached(cause: BoxError) -> Self {
        let io = io_kind(&*cause);
        let words = if chain(&*cause).any(<dyn StdError>::is::<DnsError>) {
            "its name cannot be resolved; check the name, the network and the DNS server"
        } else {
            match io {
                Some(io::ErrorKind::ConnectionRefused) => "the connection was refused; check the port and the firewall",
                Some(io::ErrorKind::TimedOut) => "it did not respond in time; check the firewall and the proxy",
                Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                    "no way leads there; check the network"
                }
                _ => "the connection failed",
            }
        };
        Self { is_late: io == Some(io::ErrorKind::TimedOut), ..Self::because(words).by(cause) }
    }

    /// The bytes go there, and TLS does not come about.
    pub(crate) fn without_tls(cause: BoxError) -> Self {
        let words = handshake::words(&*cause).unwrap_or_else(|| match io_kind(&*cause) {
            Some(
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe,
            ) => "the other side ended the connection during the TLS handshake",
            _ => "the TLS handshake failed",
        });
        let is_permanent = handshake::is_permanent(&*cause);
        Self { is_permanent, ..Self::because(words) }.by(cause)
    }

    /// The same, caused by this.
    pub(crate) fn by(self, cause: BoxError) -> Self {
        Self { cause: Mutex::new(Some(cause)), ..self }
    }

    /// The same, and it is about this one.
    pub(crate) fn of(self, whom: &str) -> Self {
        Self { words: format!("{whom}: {}", self.words), ..self }
    }

    /// Converts it to the transport's error for the connection to `host`.
    pub(crate) fn told(&self, host: &str) -> Error {
        let error = Error::new(ErrorKind::Connect).context(format!("to {host}: {self}"));
        let error = if self.is_late { error.for_being_late() } else { error };
        let error = if self.is_permanent { error.permanent() } else { error };
        match self.cause.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(cause) => error.caused_by(cause),
            None => error,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl StdError for ConnectError {}

/// A name that has no address.
#[derive(Debug)]
pub(crate) struct DnsError(pub(crate) io::Error);

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name cannot be resolved")
    }
}

impl StdError for DnsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// The innermost kind that an `io::Error` of the chain has.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    chain(error).filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_error_keeps_cause_without_repeating_it() {
        for (kind, words, late) in [
            (io::ErrorKind::ConnectionRefused, "the connection was refused; check the port and the firewall", false),
            (io::ErrorKind::TimedOut, "it did not respond in time; check the firewall and the proxy", true),
            (io::ErrorKind::NetworkUnreachable, "no way leads there; check the network", false),
            (io::ErrorKind::Other, "the connection failed", false),
        ] {
            let error =
                ConnectError::unreached(io::Error::new(kind, "told by the system").into()).told("api.example:1");
            assert_eq!(error.to_string(), format!("could not connect: to api.example:1: {words}"));
            assert_eq!((error.kind(), error.never_sent(), error.is_timeout()), (ErrorKind::Connect, true, late));
            assert_eq!(error.source().unwrap().to_string(), "told by the system");
        }
        let unresolved = ConnectError::unreached(DnsError(io::Error::other("no such name")).into());
        assert_eq!(
            unresolved.of("the proxy p:1").to_string(),
            "the proxy p:1: its name cannot be resolved; check the name, the network and the DNS server"
        );
    }
}

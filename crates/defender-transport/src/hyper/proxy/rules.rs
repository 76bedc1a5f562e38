//! Hosts that are reached through a proxy.

use http::Uri;

use super::{
    endpoint::Endpoint,
    exceptions::{self, Exceptions},
};

/// Hosts, and the proxy through which each is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(super) through: Option<Endpoint>,
    pub(super) except: Exceptions,
    /// True if this machine is reached without the proxy.
    pub(super) spares_loopback: bool,
}

impl Rules {
    /// The proxy for a connection to `to`.
    pub(crate) fn proxy_for(&self, to: &Uri) -> Option<&Endpoint> {
        // The identity of a machine is given out over plain http, and a proxy's own would be given instead.
        let is_https = to.scheme_str() == Some("https");
        let endpoint = self.through.as_ref().filter(|_| is_https)?;
        let host = to.host()?;
        let is_spared = self.spares_loopback && exceptions::is_loopback(host);
        let is_excepted = self.except.contain(host, to.port_u16().unwrap_or(443));
        (!is_spared && !is_excepted).then_some(endpoint)
    }
}

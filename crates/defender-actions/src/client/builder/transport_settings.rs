//! Settings of the default transport of a client.

use std::time::Duration;

use defender_transport::{ClientIdentity, Crypto, HyperTransportBuilder, Proxy, Roots};

use super::DefenderClientBuilder;

/// Settings of the default transport. They have no effect if [`transport`](DefenderClientBuilder::transport) sets another one.
impl DefenderClientBuilder {
    /// Sets the application's own part of the `User-Agent`, such as `contoso-soar/2.1`.
    pub fn application(self, application: impl Into<String>) -> Self {
        self.hyper(|hyper| hyper.application(application))
    }

    /// Sets the certificate authorities that a server's certificate may come from. Default: those of the platform.
    pub fn roots(self, roots: Roots) -> Self {
        self.hyper(|hyper| hyper.roots(roots))
    }

    /// Sets the cryptography of TLS. Default: the provider that the process has installed, else aws-lc-rs, else ring.
    pub fn crypto(self, crypto: Crypto) -> Self {
        self.hyper(|hyper| hyper.crypto(crypto))
    }

    /// Sets the proxy of all connections. Default: the environment's, by `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    pub fn proxy(self, proxy: Proxy) -> Self {
        self.hyper(|hyper| hyper.proxy(proxy))
    }

    /// Sets the client certificate, for servers or gateways that request one. Default: none.
    pub fn client_identity(self, identity: ClientIdentity) -> Self {
        self.hyper(|hyper| hyper.client_identity(identity))
    }

    /// Sets the time limit of opening a connection: DNS, TCP, proxy and TLS together. Default: 10 s.
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        self.hyper(|hyper| hyper.connect_timeout(connect_timeout))
    }

    /// Sets the time after which an unused connection is closed. Default: 60 s.
    pub fn pool_idle(self, pool_idle: Duration) -> Self {
        self.hyper(|hyper| hyper.pool_idle(pool_idle))
    }

    fn hyper(mut self, set: impl FnOnce(HyperTransportBuilder) -> HyperTransportBuilder) -> Self {
        self.hyper = set(self.hyper);
        self
    }
}

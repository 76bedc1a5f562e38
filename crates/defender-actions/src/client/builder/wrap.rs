//! Layers of the caller around the transport of a client.

use std::sync::Arc;

use defender_transport::Transport;

use super::DefenderClientBuilder;

impl DefenderClientBuilder {
    /// Wraps the transport into a layer of your own, such as one that logs or counts. It sees each attempt as it is sent, with the
    /// token, also the requests for tokens and the downloads. The layer of a second call is around that of the first.
    ///
    /// The default transport and that of [`transport`](Self::transport) are wrapped, and the one for managed identities, so that the
    /// function may be called twice.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use defender_actions::{DefenderClient, auth::StaticCredential, transport::{Body, Error, Transport}};
    ///
    /// #[derive(Debug)]
    /// struct Printing(Arc<dyn Transport>);
    ///
    /// #[async_trait::async_trait]
    /// impl Transport for Printing {
    ///     async fn send(&self, request: http::Request<bytes::Bytes>) -> Result<http::Response<Body>, Error> {
    ///         println!("{} {}", request.method(), request.uri().path()); // the query of a download link is a secret
    ///         self.0.send(request).await
    ///     }
    /// }
    ///
    /// # fn example() -> Result<(), defender_actions::Error> {
    /// let builder = DefenderClient::builder().credential(StaticCredential::new("eyJ0…")).wrap_transport(Printing);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wrap_transport<T, F>(mut self, layer: F) -> Self
    where
        T: Transport + 'static,
        F: Fn(Arc<dyn Transport>) -> T + Send + 'static,
    {
        self.wraps.push(Box::new(move |inner| Arc::new(layer(inner))));
        self
    }
}

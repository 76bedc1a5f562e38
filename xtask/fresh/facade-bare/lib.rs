//! The facade with no feature: the program brings the transport. There is no hyper and no TLS in the tree.

use defender_actions::{DefenderClient, Error, auth::ClientSecretCredential, transport::Transport};

/// A client over the program's own transport.
pub fn client(
    transport: impl Transport + 'static,
    credential: ClientSecretCredential,
    base_url: &str,
) -> Result<DefenderClient, Error> {
    DefenderClient::builder().transport(transport).credential(credential).base_url(base_url).authority(base_url).build()
}

//! Parts of a transport, shared by its pools and connections.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use rustls::ClientConfig;

use super::{PlainHttp, dial::Dial, proxy::Rules};
use crate::Clock;

/// Parts of a transport.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) dial: Arc<dyn Dial>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) proxy: Rules,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) user_agent: HeaderValue,
    pub(super) plain_http: PlainHttp,
    pub(super) connect_timeout: Duration,
    pub(super) pool_idle: Duration,
    /// Of a response, in bytes.
    pub(super) max_head: u32,
    /// Of a response in HTTP/1.1; hyper's own limit, if none.
    pub(super) max_headers: Option<usize>,
}

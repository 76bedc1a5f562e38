//! Answers that come compressed though nobody asked.

use std::{io::Write, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use flate2::{
    Compression,
    write::{DeflateEncoder, ZlibEncoder},
};
use http::{
    HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};

use crate::{http::slow_body::SlowBody, service::Service};

/// Whether the API's answers come with `Content-Encoding: deflate`, whatever the request accepts.
///
/// The service has been seen to send it. The word has two readings in the wild, so a client must take both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deflate {
    /// Not compressed. The default.
    #[default]
    Off,
    /// In the zlib format of RFC 1950, which is what RFC 9110, 8.4.1.2 means by the word.
    Zlib,
    /// As a bare stream of RFC 1951, which some servers send under the same word.
    Raw,
}

impl Deflate {
    fn pack(self, plain: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Off => None,
            Self::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain).and_then(|()| encoder.finish()).ok()
            }
            Self::Raw => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain).and_then(|()| encoder.finish()).ok()
            }
        }
    }
}

/// Compresses an answer, if the emulator was told to.
///
/// Its length is not announced, so that before HTTP/2 it comes in chunks, as the service has been seen to send it.
pub(crate) async fn compress(service: &Service, response: Response) -> Response {
    let deflate = service.settings.deflate;
    if deflate == Deflate::Off {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // The body was made here in one piece, so that reading it cannot fail.
    let plain = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Some(packed) = deflate.pack(&plain) else {
        return Response::from_parts(head, Body::from(plain));
    };
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("deflate"));
    Response::from_parts(head, Body::new(SlowBody::unannounced(packed.into(), Arc::clone(&service.clock))))
}

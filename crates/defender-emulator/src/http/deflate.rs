//! Responses that are compressed without a request for it.

use std::{io::Write, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use defender_transport::Clock;
use flate2::{
    Compression,
    write::{DeflateEncoder, ZlibEncoder},
};
use http::{
    HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};

use crate::{http::slow_body::SlowBody, settings::Deflate};

fn packed(deflate: Deflate, plain: &[u8]) -> Option<Vec<u8>> {
    match deflate {
        Deflate::Off => None,
        Deflate::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).and_then(|()| encoder.finish()).ok()
        }
        Deflate::Raw => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).and_then(|()| encoder.finish()).ok()
        }
    }
}

/// Compresses a response, if that is chosen.
///
/// Its length is not announced, so that HTTP/1.1 sends chunks, as the service has been seen to do.
pub(crate) async fn compress(deflate: Deflate, clock: &Arc<dyn Clock>, response: Response) -> Response {
    if deflate == Deflate::Off {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // The body was made here in one piece, so that reading it cannot fail.
    let plain = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Some(packed) = packed(deflate, &plain) else {
        return Response::from_parts(head, Body::from(plain));
    };
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("deflate"));
    Response::from_parts(head, Body::new(SlowBody::unannounced(packed.into(), Arc::clone(clock))))
}

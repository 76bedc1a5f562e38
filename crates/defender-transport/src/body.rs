//! The body of a response: a stream of bytes that ends well or with our own error.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};

#[cfg(feature = "hyper")]
use crate::hyper::HyperBody;
use crate::{Error, ErrorKind};

/// The body of a response, from any transport or mock.
///
/// It is an [`http_body::Body`], so that adapters can wrap it. Most callers want [`collect`](Self::collect), which reads
/// it whole under a limit; a download wants [`into_stream`](Self::into_stream).
///
/// ```
/// use defender_transport::Body;
///
/// let from_text = Body::from(r#"{"value":[]}"#);
/// let from_bytes = Body::from(vec![0x1f, 0x8b]);
/// # let _ = (from_text, from_bytes);
/// ```
pub struct Body(Kind);

enum Kind {
    /// There already, in one piece, which is the most frequent kind and is not boxed.
    Whole(Whole),
    /// From our own transport, which is the next most frequent.
    #[cfg(feature = "hyper")]
    Wire(HyperBody),
    Wrapped(Pin<Box<dyn HttpBody<Data = Bytes, Error = Error> + Send>>),
}

impl Body {
    /// Wraps any body whose error can be converted to ours.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error = Error> + Send + 'static,
    {
        Self(Kind::Wrapped(Box::pin(body)))
    }

    /// A body of no bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// Returns true if the body is there already, in one piece of at most `limit` bytes.
    pub(crate) fn is_whole_within(&self, limit: usize) -> bool {
        matches!(&self.0, Kind::Whole(Whole(whole)) if whole.as_ref().map_or(0, Bytes::len) <= limit)
    }

    /// The bytes of a body that is there already, in one piece, as [`Buffered`](crate::Buffered) leaves it; `None` of one that
    /// is still to be read.
    #[must_use]
    pub fn as_whole(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Whole(Whole(whole)) => Some(whole.as_deref().unwrap_or_default()),
            #[cfg(feature = "hyper")]
            Kind::Wire(_) => None,
            Kind::Wrapped(_) => None,
        }
    }

    /// Reads the whole body, if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] as soon as it is known that there are more than `limit` bytes, by the announced length if
    /// there is one; otherwise the error with which the body broke off.
    pub async fn collect(self, limit: usize) -> Result<Bytes, Error> {
        let mut body = self;
        if let Kind::Whole(Whole(whole)) = &mut body.0 {
            let whole = whole.take().unwrap_or_default();
            return if whole.len() > limit { Err(too_large(limit)) } else { Ok(whole) };
        }
        // The response to a HEAD over HTTP/2 has ended, and announces the length that a GET would have.
        if !body.is_end_stream() && body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(too_large(limit));
        }
        let mut first = Bytes::new();
        let mut whole = Vec::new(); // With the first in it, once there is a second.
        // Many bodies know their last piece, and asking once more might have to wait to learn that this was the last.
        while !body.is_end_stream() {
            let polled = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            let Some(frame) = polled else { break };
            let Ok(data) = frame?.into_data() else { continue };
            let so_far = first.len().max(whole.len());
            if data.len() > limit.saturating_sub(so_far) {
                return Err(too_large(limit));
            }
            if first.is_empty() {
                first = data; // Most bodies are one frame, and then nothing is copied.
                continue;
            }
            let needed = so_far.saturating_add(data.len());
            if needed > whole.capacity() {
                let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
                whole.reserve_exact(room(needed, announced, limit).saturating_sub(whole.len()));
            }
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&data);
        }
        Ok(if whole.is_empty() { first } else { whole.into() })
    }

    /// The body as a stream of its pieces, in the sizes in which the transport gave them.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        Pieces(self)
    }
}

/// Most room that is made for bytes that are only announced.
const AHEAD: usize = 16 << 20;

/// Room to make if so many bytes are `needed`.
///
/// Announced bytes get their room at once, so that a large body is copied once; up to a bound, since they may never come.
/// Otherwise the room is a half of the limit, or a half of that, and so on: while the bytes move from one to the next, both
/// together are at most one and a half times the limit. Doubling from anywhere would take up to three times.
fn room(needed: usize, announced: usize, limit: usize) -> usize {
    let mut step = limit;
    while step / 2 >= needed.max(1) {
        step /= 2;
    }
    needed.saturating_add(announced.min(AHEAD)).min(limit).max(step)
}

fn too_large(limit: usize) -> Error {
    Error::new(ErrorKind::TooLarge).context(format!("the response's body is larger than {limit} bytes"))
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.0 {
            Kind::Whole(body) => Pin::new(body).poll_frame(context),
            #[cfg(feature = "hyper")]
            Kind::Wire(body) => Pin::new(body).poll_frame(context),
            Kind::Wrapped(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(body) => body.is_end_stream(),
            #[cfg(feature = "hyper")]
            Kind::Wire(body) => body.is_end_stream(),
            Kind::Wrapped(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(body) => body.size_hint(),
            #[cfg(feature = "hyper")]
            Kind::Wire(body) => body.size_hint(),
            Kind::Wrapped(body) => body.size_hint(),
        }
    }
}

#[cfg(feature = "hyper")]
impl From<HyperBody> for Body {
    fn from(body: HyperBody) -> Self {
        Self(Kind::Wire(body))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Whole(Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

/// A body that is there already, in one piece.
struct Whole(Option<Bytes>);

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.0.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}

struct Pieces(Body);

impl Stream for Pieces {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut self.0).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    Err(_trailers) => continue,
                },
                Some(Err(error)) => Some(Err(error)),
                None => None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    #[test]
    fn body_at_limit_is_read_whole() {
        let read = Body::from("hello").collect(5).now_or_never().unwrap().unwrap();
        assert_eq!(read, "hello");
    }

    #[test]
    fn body_over_limit_is_refused() {
        let refused = Body::from("hello").collect(4).now_or_never().unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn buffer_growth_stays_under_twice_the_limit() {
        for limit in [1, 1_000, 4 << 20, usize::MAX] {
            let mut before = 0_usize;
            for bits in 0..usize::BITS {
                let needed = (1_usize << bits).min(limit);
                let room = room(needed, 0, limit);
                assert!((needed..=limit).contains(&room), "{room} for {needed} of {limit}");
                assert!(room == before || before <= limit / 2, "{before} beside {room} of {limit}");
                before = room;
            }
        }
        assert_eq!(room(100, 900, 4_000), 1_000);
        assert_eq!(room(100, usize::MAX, usize::MAX), 100 + AHEAD);
        assert_eq!(room(3_900, 900, 4_000), 4_000);
    }

    #[test]
    fn pieces_are_read_in_order_to_limit() {
        struct Counting(u8);
        impl HttpBody for Counting {
            type Data = Bytes;
            type Error = Error;

            fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
                self.0 += 1;
                // Empty pieces come too, the first among them.
                let piece = if self.0 % 3 == 1 { Bytes::new() } else { Bytes::from(vec![self.0; 2]) };
                Poll::Ready((self.0 < 10).then(|| Ok(Frame::data(piece))))
            }
        }
        let read = |limit| Body::new(Counting(0)).collect(limit).now_or_never().unwrap();
        assert_eq!(read(12).unwrap(), [2, 2, 3, 3, 5, 5, 6, 6, 8, 8, 9, 9].as_slice());
        assert_eq!(read(11).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(read(1).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn an_empty_body_ends_at_once() {
        assert!(Body::empty().is_end_stream());
        assert_eq!(Body::empty().collect(0).now_or_never().unwrap().unwrap(), "");
    }

    #[test]
    fn a_stream_gives_the_same_bytes() {
        let pieces: Vec<_> = Body::from("hello").into_stream().collect().now_or_never().unwrap();
        assert_eq!(pieces.into_iter().map(Result::unwrap).collect::<Vec<_>>(), ["hello"]);
    }
}

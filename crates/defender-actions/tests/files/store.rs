//! An API and the store behind its links, with configurable faults.

use std::{
    collections::VecDeque,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use defender_actions::{
    ActionHandle, DefenderClient, LiveResponseResult,
    auth::StaticCredential,
    transport::{
        Body, Error, ErrorKind,
        testing::{Capture, ManualClock},
    },
};
use http::{Request, Response, header};
use http_body::{Body as HttpBody, Frame};
use serde_json::json;

/// The secret part of every link.
pub(crate) const CANARY: &str = "canary-7f3a";
pub(crate) const LINK: &str = "https://blobs.example.com/p.zip?sv=2019&sig=canary-7f3a%2B";

/// Response of the store to a request.
pub(crate) type Respond = Box<dyn Fn(&Request<Bytes>) -> Response<Body> + Send>;

type Responses = Mutex<VecDeque<Respond>>;

/// API with the succeeded action `a1`, and a store with one response after another.
pub(crate) struct Store {
    pub(crate) transport: Capture,
    pub(crate) clock: ManualClock,
    pub(crate) defender: DefenderClient,
}

impl Store {
    /// Responses of the store in order; the last one repeats.
    pub(crate) fn new<const N: usize>(responses: [Respond; N]) -> Self {
        Self::with_link(LINK, "RunScript", responses)
    }

    /// Store with another link and another kind of command.
    pub(crate) fn with_link<const N: usize>(link: &str, command: &str, responses: [Respond; N]) -> Self {
        let responses: Responses = Mutex::new(responses.into_iter().collect());
        let link = json!({ "value": link }).to_string();
        let record = json!({"id": "a1", "status": "Succeeded", "commands": [
            {"index": 0, "commandStatus": "Completed", "command": {"type": command}}
        ]})
        .to_string();
        let transport = Capture::with(move |request| {
            let path = request.uri().path();
            if request.uri().host() == Some("api.security.microsoft.com") {
                let is_link = path.contains("getPackageUri") || path.contains("DownloadLink");
                return Ok(Response::new(Body::from(if is_link { link.clone() } else { record.clone() })));
            }
            let mut responses = responses.lock().unwrap();
            let response = if responses.len() > 1 { responses.pop_front() } else { None };
            Ok(match response {
                Some(response) => response(request),
                None => responses[0](request),
            })
        });
        let clock = ManualClock::new();
        let defender = DefenderClient::builder()
            .credential(StaticCredential::new("t"))
            .transport(transport.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { transport, clock, defender }
    }

    pub(crate) fn action(&self) -> ActionHandle {
        self.defender.action("a1".parse().unwrap())
    }

    pub(crate) fn result(&self) -> LiveResponseResult {
        self.action().result(0)
    }

    pub(crate) async fn run<F: Future>(&self, future: F) -> F::Output {
        crate::support::driven(&self.clock, future).await
    }

    /// Requests to the store. Asserts that none has a token.
    pub(crate) fn requests(&self) -> Vec<Request<Bytes>> {
        let mut requests = self.transport.requests();
        requests.retain(|request| request.uri().host() != Some("api.security.microsoft.com"));
        assert!(requests.iter().all(|request| !request.headers().contains_key(header::AUTHORIZATION)));
        requests
    }

    /// Ranges that were requested from the store.
    pub(crate) fn ranges(&self) -> Vec<String> {
        let range = |request: &Request<Bytes>| {
            request.headers().get(header::RANGE).map_or_else(String::new, |range| range.to_str().unwrap().to_owned())
        };
        self.requests().iter().map(range).collect()
    }

    /// Number of links that were requested.
    pub(crate) fn links(&self) -> usize {
        self.transport.requests().iter().filter(|request| request.uri().path().contains("getPackageUri")).count()
    }
}

/// Bytes without a repetition.
pub(crate) fn content(size: usize) -> Bytes {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect::<Vec<u8>>().into()
}

/// Store that follows the standard: ranges, a tag, a length. With `Some`, it breaks off after this many bytes.
pub(crate) fn good(content: Bytes, breaks: Option<usize>) -> Respond {
    Box::new(move |request| {
        let size = content.len();
        let tag = request.headers().get(header::IF_RANGE).is_none_or(|tag| tag == "\"one\"");
        let range = request.headers().get(header::RANGE).filter(|_| tag);
        let first: Option<usize> = range.map(|range| {
            range
                .to_str()
                .unwrap()
                .strip_prefix("bytes=")
                .and_then(|range| range.strip_suffix('-'))
                .unwrap()
                .parse()
                .unwrap()
        });
        let response = Response::builder().header(header::ETAG, "\"one\"");
        let (response, rest): (_, Bytes) = match first {
            Some(first) => {
                let range = format!("bytes {first}-{}/{size}", size - 1);
                (response.status(206).header(header::CONTENT_RANGE, range), content.slice(first..))
            }
            None => (response.header(header::CONTENT_LENGTH, size), content.clone()),
        };
        response.body(pieces(rest, breaks)).unwrap()
    })
}

/// One response for all requests.
pub(crate) fn always(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    content: impl Into<Bytes>,
) -> Respond {
    let content = content.into();
    Box::new(move |_| {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(pieces(content.clone(), None)).unwrap()
    })
}

/// Body in chunks of 1,000 bytes. With `Some`, it breaks off after this many bytes.
pub(crate) fn pieces(content: Bytes, breaks: Option<usize>) -> Body {
    Body::new(Pieces { content, left: breaks })
}

struct Pieces {
    content: Bytes,
    left: Option<usize>,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.left == Some(0) {
            return Poll::Ready(Some(Err(Error::new(ErrorKind::Interrupted).context("as the test wants it"))));
        }
        let size = self.content.len().min(self.left.unwrap_or(usize::MAX)).min(1_000);
        if size == 0 {
            return Poll::Ready(None);
        }
        self.left = self.left.map(|left| left - size);
        Poll::Ready(Some(Ok(Frame::data(self.content.split_to(size)))))
    }
}

/// Temporary folder that is removed on drop.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("files-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Names in the folder, hidden ones included.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writer that shares the bytes that it was given.
#[derive(Clone, Default)]
pub(crate) struct Written(pub(crate) Arc<Mutex<Vec<u8>>>);

impl tokio::io::AsyncWrite for Written {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        // Writes less than offered, as a writer may.
        let some = &bytes[..bytes.len().min(700)];
        self.0.lock().unwrap().extend_from_slice(some);
        Poll::Ready(Ok(some.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

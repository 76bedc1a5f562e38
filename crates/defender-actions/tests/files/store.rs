//! The API and the store behind its links, as strange as a test needs them.

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

/// What is secret of every link.
pub(crate) const CANARY: &str = "canary-7f3a";
pub(crate) const LINK: &str = "https://blobs.example.com/p.zip?sv=2019&sig=canary-7f3a%2B";

/// What the store answers.
pub(crate) type Answering = Box<dyn Fn(&Request<Bytes>) -> Response<Body> + Send>;

type Answers = Mutex<VecDeque<Answering>>;

/// An API whose action `a1` has ended well, and a store that gives one answer after another.
pub(crate) struct Store {
    pub(crate) wire: Capture,
    pub(crate) clock: ManualClock,
    pub(crate) defender: DefenderClient,
}

impl Store {
    /// The store's answers, in their order; the last one stays.
    pub(crate) fn new<const N: usize>(answers: [Answering; N]) -> Self {
        Self::with_link(LINK, "RunScript", answers)
    }

    /// With another link, and another kind of command.
    pub(crate) fn with_link<const N: usize>(link: &str, command: &str, answers: [Answering; N]) -> Self {
        let answers: Answers = Mutex::new(answers.into_iter().collect());
        let link = json!({ "value": link }).to_string();
        let record = json!({"id": "a1", "status": "Succeeded", "commands": [
            {"index": 0, "commandStatus": "Completed", "command": {"type": command}}
        ]})
        .to_string();
        let wire = Capture::with(move |request| {
            let path = request.uri().path();
            if request.uri().host() == Some("api.security.microsoft.com") {
                let is_link = path.contains("getPackageUri") || path.contains("DownloadLink");
                return Ok(Response::new(Body::from(if is_link { link.clone() } else { record.clone() })));
            }
            let mut answers = answers.lock().unwrap();
            let answer = if answers.len() > 1 { answers.pop_front() } else { None };
            Ok(match answer {
                Some(answer) => answer(request),
                None => answers[0](request),
            })
        });
        let clock = ManualClock::new();
        let defender = DefenderClient::builder()
            .credential(StaticCredential::new("t"))
            .transport(wire.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { wire, clock, defender }
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

    /// What the store was asked, and no token with any of it.
    pub(crate) fn asked(&self) -> Vec<Request<Bytes>> {
        let mut asked = self.wire.requests();
        asked.retain(|request| request.uri().host() != Some("api.security.microsoft.com"));
        assert!(asked.iter().all(|request| !request.headers().contains_key(header::AUTHORIZATION)));
        asked
    }

    /// The ranges that the store was asked for.
    pub(crate) fn ranges(&self) -> Vec<String> {
        let range = |request: &Request<Bytes>| {
            request.headers().get(header::RANGE).map_or_else(String::new, |range| range.to_str().unwrap().to_owned())
        };
        self.asked().iter().map(range).collect()
    }

    /// How many links were asked for.
    pub(crate) fn links(&self) -> usize {
        self.wire.requests().iter().filter(|request| request.uri().path().contains("getPackageUri")).count()
    }
}

/// Bytes that repeat nowhere.
pub(crate) fn content(size: usize) -> Bytes {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect::<Vec<u8>>().into()
}

/// A store that keeps to the standard: ranges, a tag, a length; and breaks off after so many bytes, if it is told to.
pub(crate) fn good(content: Bytes, breaks: Option<usize>) -> Answering {
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
        let answer = Response::builder().header(header::ETAG, "\"one\"");
        let (answer, rest): (_, Bytes) = match first {
            Some(first) => {
                let range = format!("bytes {first}-{}/{size}", size - 1);
                (answer.status(206).header(header::CONTENT_RANGE, range), content.slice(first..))
            }
            None => (answer.header(header::CONTENT_LENGTH, size), content.clone()),
        };
        answer.body(pieces(rest, breaks)).unwrap()
    })
}

/// An answer that is the same whatever is asked.
pub(crate) fn always(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    content: impl Into<Bytes>,
) -> Answering {
    let content = content.into();
    Box::new(move |_| {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        answer.body(pieces(content.clone(), None)).unwrap()
    })
}

/// A body in pieces of 1,000 bytes, which breaks off after so many bytes, if it does.
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

/// A folder of the test's own, gone at its end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("files-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The names in it, hidden ones too.
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

/// A writer that counts, and shares what it was given.
#[derive(Clone, Default)]
pub(crate) struct Written(pub(crate) Arc<Mutex<Vec<u8>>>);

impl tokio::io::AsyncWrite for Written {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        // Less than it is offered, as a writer may.
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

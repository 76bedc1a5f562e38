//! The transport of a worker: the real one, with a name on each request, and notes of requests and responses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_transport::{Body, Clock, Error, HyperTransport, Transport};
use http::{HeaderValue, Method, Request, Response};

use super::{
    journal::{Event, Journal, tell},
    notes::Note,
    plan::Stand,
};

tokio::task_local! {
    /// Of which submission the requests of this task are.
    pub(super) static POSTING: Posting;
}

/// A submission, or a cancellation, whose POSTs are about to be sent.
#[derive(Clone, Debug)]
pub(super) struct Posting {
    tag: String,
    stand: Option<Stand>,
    count: Arc<AtomicU32>,
}

impl Posting {
    pub(super) fn of(tag: String, stand: Option<Stand>) -> Self {
        Self { tag, stand, count: Arc::default() }
    }
}

/// The real transport, watched.
#[derive(Debug)]
pub(super) struct Watched {
    wire: HyperTransport,
    journal: Arc<Journal>,
    incarnation: u32,
    others: AtomicU32,
    /// The longest time that a response was on its way, in milliseconds.
    slowest: AtomicU64,
}

impl Watched {
    pub(super) fn new(wire: HyperTransport, journal: Arc<Journal>, incarnation: u32) -> Self {
        Self { wire, journal, incarnation, others: AtomicU32::new(0), slowest: AtomicU64::new(0) }
    }

    /// The name of a request: its submission's, and the how many-eth of it; of what is no POST of an action, this process's.
    fn name(&self, posting: Option<&Posting>) -> String {
        let next = |count: &AtomicU32| count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        match posting {
            Some(posting) => format!("{}.{}", posting.tag, next(&posting.count)),
            None => format!("w{}.{}", self.incarnation, next(&self.others)),
        }
    }

    /// Notes the time that a response was on its way, if none was longer.
    fn note_time(&self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if self.slowest.fetch_max(millis, Ordering::Relaxed) < millis {
            self.journal.write(Event::Late { seconds: took.as_secs_f64() });
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Transport for Watched {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let is_post = *request.method() == Method::POST && request.uri().path().starts_with("/api/machine");
        let posting = if is_post { POSTING.try_with(Clone::clone).ok() } else { None };
        let id = self.name(posting.as_ref());
        if let Ok(value) = HeaderValue::try_from(id.as_str()) {
            request.headers_mut().insert("client-request-id", value);
        }
        let mut unanswered = Unanswered { journal: &self.journal, id: Some(id.clone()) };
        let stand = posting.as_ref().and_then(|posting| posting.stand);
        if posting.is_some() {
            self.journal.write(Event::Departed { id: id.clone() });
            if stand == Some(Stand::Departed) {
                tell(&Note::Stands(Stand::Departed));
            }
        }
        let began = self.journal.clock.elapsed();
        let answer = self.wire.send(request).await?;
        self.note_time(self.journal.clock.elapsed().saturating_sub(began));
        unanswered.id = None;
        if posting.is_some() {
            if stand == Some(Stand::Answered) {
                tell(&Note::Stands(Stand::Answered));
            }
            if matches!(stand, Some(Stand::Answered | Stand::Departed)) {
                stand_still();
            }
            self.journal.write(Event::Answered { id, status: answer.status().as_u16() });
        }
        Ok(answer)
    }
}

/// An attempt without a response. If it is dropped before it has one, it is written down.
struct Unanswered<'t> {
    journal: &'t Journal,
    id: Option<String>,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.journal.write(Event::GaveUp { id });
        }
    }
}

/// Stands still, the whole process, until it is killed: nothing that has come is written down any more.
pub(super) fn stand_still() {
    loop {
        std::thread::park();
    }
}

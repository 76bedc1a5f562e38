//! A service in memory.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_transport::{Body, Clock, Error, ErrorKind, Transport, testing::ManualClock};
use http::{Method, Request, Response};
use jiff::Timestamp;

/// Comment of each action.
pub(crate) const COMMENT: &str = "Machine was cleaned and validated";

/// Time for which an action is pending.
const PENDING: Duration = Duration::from_secs(60);
/// Rows of a page.
const ROWS: usize = 10_000;

#[derive(Clone, Debug)]
pub(crate) struct Service {
    clock: ManualClock,
    /// Machine and creation of each action.
    actions: Arc<Mutex<Vec<(String, Timestamp)>>>,
    /// The last page, so that making it is counted once.
    last_page: Arc<Mutex<Option<(PageKey, Bytes)>>>,
    loses_responses: Arc<AtomicBool>,
}

/// First row of a page, number of actions, and time.
type PageKey = (usize, usize, Timestamp);

/// Returns the id of an action by its number.
pub(crate) fn action_id(number: usize) -> String {
    format!("5382f7ea-7557-4ab7-9782-{number:012x}")
}

impl Service {
    pub(crate) fn new(clock: ManualClock) -> Self {
        Self { clock, actions: Arc::default(), last_page: Arc::default(), loses_responses: Arc::default() }
    }

    /// Creates so many actions.
    pub(crate) fn create(&self, count: usize) {
        let now = self.clock.now();
        self.actions().extend((0..count).map(|number| (format!("{number:040x}"), now)));
    }

    /// Loses the response to each action from now on, after the action was created.
    pub(crate) fn lose_responses(&self) {
        self.loses_responses.store(true, Ordering::Relaxed);
    }

    fn actions(&self) -> MutexGuard<'_, Vec<(String, Timestamp)>> {
        self.actions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, number: usize, machine: &str, created: Timestamp) -> String {
        let age = self.clock.now().duration_since(created);
        let status = if age.unsigned_abs() < PENDING { "Pending" } else { "Succeeded" };
        format!(
            concat!(
                r#"{{"id":"{id}","type":"RestrictCodeExecution","title":null,"requestor":"Contoso Response","#,
                r#""requestorComment":"{comment}","status":"{status}","machineId":"{machine}","computerDnsName":null,"#,
                r#""creationDateTimeUtc":"{created:.7}","lastUpdateDateTimeUtc":"{created:.7}","cancellationRequestor":null,"#,
                r#""cancellationComment":null,"cancellationDateTimeUtc":null,"errorHResult":0,"scope":null,"externalId":null,"#,
                r#""requestSource":"PublicApi","relatedFileInfo":null,"commands":[],"troubleshootInfo":null}}"#,
            ),
            id = action_id(number),
            comment = COMMENT,
            status = status,
            machine = machine,
            created = created,
        )
    }

    /// Returns a page of the list, which begins after so many rows.
    fn page(&self, skip: usize) -> Bytes {
        let (actions, mut last) = (self.actions(), self.last_page.lock().unwrap_or_else(PoisonError::into_inner));
        let key = (skip, actions.len(), self.clock.now());
        if let Some((_, page)) = last.as_ref().filter(|(last, _)| *last == key) {
            return page.clone();
        }
        let rows = actions.iter().enumerate().skip(skip).take(ROWS);
        let rows: Vec<_> = rows.map(|(number, (machine, created))| self.record(number, machine, *created)).collect();
        let page = Bytes::from(format!(r#"{{"value":[{}]}}"#, rows.join(",")));
        *last = Some((key, page.clone()));
        page
    }

    /// Creates an action on the machine of a path.
    fn act(&self, path: &str) -> String {
        let machine = path.split('/').nth(3).unwrap_or_default();
        let (mut actions, now) = (self.actions(), self.clock.now());
        actions.push((machine.to_owned(), now));
        self.record(actions.len().saturating_sub(1), machine, now)
    }

    /// Returns the record of the action of a path. Nothing is known of its creation.
    fn read(&self, path: &str) -> String {
        let number = path.rsplit('-').next().and_then(|number| usize::from_str_radix(number, 16).ok());
        self.record(number.unwrap_or_default(), "m1", self.clock.now())
    }
}

#[async_trait]
impl Transport for Service {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let (status, body) = if request.method() == Method::POST {
            let body = self.act(path);
            if self.loses_responses.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Interrupted));
            }
            (201, Body::from(body))
        } else if path.ends_with("/machineactions") {
            let skip = query.split('&').find_map(|option| option.strip_prefix("$skip=")?.parse().ok());
            (200, Body::from(self.page(skip.unwrap_or_default())))
        } else {
            (200, Body::from(self.read(path)))
        };
        let date = self.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let response = Response::builder().status(status).header("odata-version", "4.0").header("date", date);
        let response = response.header("content-type", "application/json; odata.metadata=minimal");
        Ok(response.body(body).unwrap_or_default())
    }
}

//! Lists of candidates: the shared list of all lost submissions, and the filtered list of one submission.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use defender_model::MachineAction;
use defender_transport::Clock;
use futures_util::{
    TryStreamExt,
    future::{Either, select},
};
use jiff::SignedDuration;
use serde_json::Value;

use crate::{
    DefenderClient, Error, ErrorKind,
    client::service_clock::Moment,
    list::List,
    submit::shared_search::{Candidates, Participant, Row, SharedSearch},
};

/// Time limit of a list, its wait in the client's own queue included.
const LIST_TIMEOUT: Duration = Duration::from_secs(300);

impl Participant<'_> {
    /// Returns the rows of a list of all actions that was requested at `not_before` or later. `None`: the search that reads for all has
    /// not ended in the time of a list, perhaps because nobody polls it.
    pub(crate) async fn shared_list(
        &self,
        client: &DefenderClient,
        not_before: SignedDuration,
    ) -> Result<Option<Candidates>, Error> {
        loop {
            if let Some(outcome) = self.take(not_before) {
                return outcome.map(Some);
            }
            let (reader, time) = (pin!(self.search.reader.lock()), client.inner().clock.sleep(LIST_TIMEOUT));
            let Either::Left((reader, _)) = select(reader, time).await else { return Ok(None) };
            if let Some(outcome) = self.take(not_before) {
                return outcome.map(Some);
            }
            read_for_all(self.search, client).await;
            drop(reader);
        }
    }
}

/// Reads one list for all current searches.
async fn read_for_all(search: &SharedSearch, client: &DefenderClient) {
    let clock = &*client.inner().clock;
    // Searches that start at this moment share the list.
    yield_once().await;
    let pause = search.pause(Moment::now(clock).elapsed);
    if !pause.is_zero() {
        clock.sleep(pause).await;
    }
    let start = Moment::now(clock).elapsed;
    let Some(from) = search.start_list(start) else { return };
    let list = client.actions().filter(MachineAction::CREATION_DATE_TIME_UTC.ge(from));
    let outcome = read(list, clock, |row| search.distribute(&row)).await;
    search.finish_list(start, &outcome);
}

/// Lets the other ready futures run first.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Reads a list of one submission and returns the rows that `is_candidate` selects.
pub(crate) async fn own_list(
    client: &DefenderClient,
    list: List<MachineAction>,
    is_candidate: impl Fn(&Row) -> bool + Sync,
) -> Result<Candidates, Error> {
    let candidates = Mutex::new(Candidates::default());
    let lock = || candidates.lock().unwrap_or_else(PoisonError::into_inner);
    let add = |row: Row| {
        if is_candidate(&row) {
            lock().push(row);
        }
    };
    read(list, &*client.inner().clock, add).await?;
    Ok(std::mem::take(&mut *lock()))
}

/// Reads a list to its end, page by page, and stores no row.
async fn read(list: List<MachineAction>, clock: &dyn Clock, add: impl Fn(Row) + Sync) -> Result<(), Error> {
    let mut pages = list.pages();
    let all = pin!(async {
        while let Some(page) = pages.try_next().await? {
            for record in page.value {
                add(Row { record, raw: None });
            }
            for row in page.unreadable {
                add(unreadable(row.raw)?);
            }
        }
        Ok(())
    });
    match select(all, clock.sleep(LIST_TIMEOUT)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(((), _)) => Err(Error::new(ErrorKind::Interrupted)
            .context("GET /machineactions")
            .caused_by("the list took longer than five minutes")),
    }
}

/// Decodes machine, type and creation of a row that does not decode as a whole.
fn unreadable(raw: Value) -> Result<Row, Error> {
    let mut fields = serde_json::Map::new();
    fields.insert("id".to_owned(), Value::from("unreadable"));
    for name in ["machineId", "type", "creationDateTimeUtc"] {
        if let Some(value) = raw.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    match serde_json::from_value(Value::Object(fields)) {
        Ok(record) => Ok(Row { record, raw: Some(raw) }),
        // A record with an id decodes for any values of its other fields.
        Err(source) => {
            let error = Error::new(ErrorKind::InvalidResponse).context("a row of GET /machineactions");
            Err(error.caused_by(source).with_row(raw))
        }
    }
}

//! Lists, page by page.

pub(crate) mod dedup;

mod next_link;
mod pages;
mod progress;

use std::{borrow::Cow, ops::ControlFlow, time::Duration};

use bytes::Bytes;
use defender_model::{Filter, LibraryFile, Machine, MachineAction, Order, Page, Query, Resource, UnreadableRow};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use self::{pages::Next, progress::Progress};
use crate::{
    BoxStream, DefenderClient, Error, ErrorKind, Request,
    client::{
        Inner,
        call::{Call, JSON},
        operation::Operation,
        raw::OtherHost,
    },
    machines::find::only,
};

/// A list that is about to be asked for. Nothing is sent before its stream is polled.
///
/// Pages are followed to the end: by the service's link where it gives one, and else with `$skip` while pages are full. A
/// link gives its path and query only, and these are asked of the configured host. A list that does not end by itself ends in an
/// error that has the link ([`InvalidResponse`](ErrorKind::InvalidResponse)): where a link leads to a page that was read already,
/// and after eleven pages in a row that bring nothing new. Up to ten, be they empty or repeated, are read over.
///
/// At most one page is held, and the hashes of the last hundred thousand rows or so.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until its stream is polled"]
pub struct List<R> {
    client: DefenderClient,
    path: Cow<'static, str>,
    operation: Operation,
    /// What is asked besides the query.
    asked: String,
    follows: Follows,
    /// Whether the service says 404 of a list that is empty.
    empty_is_not_found: bool,
    query: Query<R>,
    page_size: u32,
    asks_for_size: bool,
    /// The link of the page to begin at.
    begins_at: Option<String>,
    timeout: Option<Duration>,
    /// How long the whole list may take to be read, and when that is over by the client's clock.
    whole: Option<(Duration, Duration)>,
    id: fn(&R) -> &str,
    /// What is noted of each row.
    saw: fn(&Inner, &R),
}

/// How the next page is asked for where there is no link to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follows {
    /// With `$skip`, while pages are full.
    Skips,
    /// Not at all: no page says that the list takes OData.
    LinksOnly,
}

impl List<MachineAction> {
    pub(crate) fn actions(client: DefenderClient) -> Self {
        let all = Self::new(client, Operation::LIST_ACTIONS, |action| action.id.as_str());
        Self { saw: |inner, action| inner.saw(action), ..all }
    }
}

impl List<Machine> {
    /// The service says 404 of it "if there are no recent machines":
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines>.
    pub(crate) fn machines(client: DefenderClient) -> Self {
        let all = Self::new(client, Operation::LIST_MACHINES, |machine| machine.id.as_str());
        Self { empty_is_not_found: true, ..all }
    }

    /// The machines of another path than that of all machines, with a query of its own.
    pub(crate) fn of_machines(client: DefenderClient, path: String, operation: Operation, asked: String) -> Self {
        let all = Self::machines(client);
        Self { path: path.into(), operation, asked, follows: Follows::LinksOnly, ..all }
    }
}

impl List<Machine> {
    /// The only machine of the list. Where there are several it is [`Ambiguous`](ErrorKind::Ambiguous), and
    /// [`Error::machines`] has all that were seen: those of the first page with more than one. [`Request::request`] returns the first page.
    pub fn one(self) -> Request<Machine> {
        let (client, first) = (self.client.clone(), self.first_call());
        Request::new(&client, first, move |_, call| async move {
            let what = format!("the only machine of GET {}", self.path);
            let whole = call.timeout.unwrap_or(self.client.inner().total_timeout);
            let mut machines = Vec::new();
            let unreadable = self.within(whole).each_page(|page| {
                if let Some(row) = page.unreadable.into_iter().next() {
                    return ControlFlow::Break(Some(row.error));
                }
                machines.extend(page.value);
                if machines.len() > 1 { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
            });
            if let Some(Some(why)) = unreadable.await? {
                return Err(Error::new(ErrorKind::InvalidResponse).context(what).caused_by(why));
            }
            only(machines, Vec::new(), what).map_err(|error| match error.kind() {
                ErrorKind::NotFound => error
                    .message("no machine is in this list")
                    .advice("correct what is looked for, or look at another time"),
                _ => error,
            })
        })
    }
}

impl List<LibraryFile> {
    pub(crate) fn library(client: DefenderClient) -> Self {
        let all = Self::new(client, Operation::LIST_LIBRARY, |file| file.file_name.as_str());
        Self { follows: Follows::LinksOnly, ..all }
    }
}

impl<R: Resource + Send + 'static> List<R> {
    /// The list of an operation whose path has nothing of the caller's in it.
    fn new(client: DefenderClient, operation: Operation, id: fn(&R) -> &str) -> Self {
        Self {
            client,
            path: operation.template.clone(),
            operation,
            asked: String::new(),
            follows: Follows::Skips,
            empty_is_not_found: false,
            query: Query::new(),
            page_size: Query::<R>::MAX_TOP,
            asks_for_size: false,
            begins_at: None,
            timeout: None,
            whole: None,
            id,
            saw: |_, _| {},
        }
    }

    /// Only those of the filter. Of two filters, those that are in both.
    pub fn filter(mut self, filter: Filter<R>) -> Self {
        self.query = self.query.filter(filter);
        self
    }

    /// Sorted so. The service's pages document no sorting; other clients are seen to sort by dates.
    pub fn order_by(mut self, order: Order<R>) -> Self {
        self.query = self.query.order_by(order);
        self
    }

    /// How many rows a page is to have, 1 to 10,000, which is also what the service gives unasked.
    pub fn page_size(mut self, rows: u32) -> Self {
        self.page_size = rows.clamp(1, Query::<R>::MAX_TOP);
        self.asks_for_size = true;
        self
    }

    /// How long the call for each page may take, queue and resendings included. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Bounds the time in which the whole list is read, from now on.
    pub(crate) fn within(mut self, whole: Duration) -> Self {
        self.whole = Some((whole, self.client.inner().clock.elapsed().saturating_add(whole)));
        self
    }

    /// Reads the pages one after another and gives each to `look`, until that breaks. Holds one page at a time.
    pub(crate) async fn each_page<B>(
        self,
        mut look: impl FnMut(Page<R>) -> ControlFlow<B>,
    ) -> Result<Option<B>, Error> {
        let mut pages = self.pages();
        while let Some(page) = pages.try_next().await? {
            if let ControlFlow::Break(found) = look(page) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Goes on from the link of a page that was read before, in this process or another: its [`Page::next_link`]. The link says what
    /// is listed, so that filters, orders and sizes that are set here do not count. Of the link, the path and the query are taken,
    /// which must be below the API's prefix; its host is not.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(defender: defender_actions::DefenderClient) -> Result<(), defender_actions::Error> {
    /// let mut pages = defender.actions().pages();
    /// let link = pages.try_next().await?.and_then(|page| page.next_link); // write it down, and later:
    /// if let Some(link) = link {
    ///     let rest: Vec<_> = defender.actions().resume(link).stream().try_collect().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(mut self, link: impl Into<String>) -> Self {
        self.begins_at = Some(link.into());
        self
    }

    /// The rows, one by one. A row that cannot be read is an error of its own, which has it as it came
    /// ([`Error::row`]) and after which the stream goes on; a page that cannot be had ends it.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn stream(self) -> BoxStream<Result<R, Error>> {
        let path = self.path.clone();
        let rows = self
            .in_pages()
            .map_ok(move |page| {
                let path = path.clone();
                let unreadable = move |row: UnreadableRow| {
                    let told = Error::new(ErrorKind::InvalidResponse).context(format!("a row of GET {path}"));
                    told.caused_by(row.error).with_row(row.raw)
                };
                let rows = page.value.into_iter().map(Ok);
                stream::iter(rows.chain(page.unreadable.into_iter().map(move |row| Err(unreadable(row)))))
            })
            .map(|page| match page {
                Ok(rows) => rows.left_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
            })
            .flatten();
        Box::pin(rows)
    }

    /// The pages. Rows that came on one of the pages before are left out, as far back as a hundred thousand rows: new rows
    /// push others onto later pages.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn pages(self) -> BoxStream<Result<Page<R>, Error>> {
        Box::pin(self.in_pages())
    }

    fn in_pages(self) -> impl Stream<Item = Result<Page<R>, Error>> + Send {
        let first = self.first();
        let state = first.map(|path| Next { path, before: Progress::default() });
        stream::try_unfold((self, Some(state)), |(listing, next)| async move {
            let Some(next) = next.transpose()? else { return Ok(None) };
            let (page, next) = listing.page(next).await?;
            Ok(Some((page, (listing, next))))
        })
    }

    /// The request for the first page as it would be sent, without sending it. It bears no token, which is put on at the departure.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request): it goes on from a link that leaves the API.
    pub fn request(&self) -> Result<http::Request<Bytes>, Error> {
        self.first_call()?.into_request(self.client.inner(), JSON)
    }

    pub(crate) fn first_call(&self) -> Result<Call, Error> {
        self.call(self.first()?)
    }

    fn first(&self) -> Result<String, Error> {
        if let Some(link) = &self.begins_at {
            let wrong = |why| {
                Error::new(ErrorKind::Request).context(format!("GET {} from a link on", self.path)).caused_by(why)
            };
            let inner = self.client.inner();
            let link = next_link::rooted(link, inner.prefix(), &self.path);
            return inner.below(&link, OtherHost::Replaced).map_err(wrong);
        }
        let mut query = self.query.clone();
        if self.asks_for_size {
            let refused =
                |source| Error::new(ErrorKind::Request).context(format!("GET {}", self.path)).caused_by(source);
            query = query.top(self.page_size).map_err(refused)?;
        }
        let query = query.to_query();
        let both = [self.asked.as_str(), query.as_str()].into_iter().filter(|part| !part.is_empty());
        let both = both.collect::<Vec<_>>().join("&");
        Ok(if both.is_empty() { self.path.clone().into_owned() } else { format!("{}?{both}", self.path) })
    }
}

//! Lists, page by page.

use std::{borrow::Cow, collections::HashSet, pin::pin, time::Duration};

use bytes::Bytes;
use defender_model::{Filter, LibraryFile, Limit, Machine, MachineAction, Order, Page, Query, Resource, UnreadableRow};
use defender_transport::extensions::Resend;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::{Method, Request};

use crate::{
    Ask, DefenderClient, Error, ErrorKind,
    call::{Call, JSON, PAGE},
    client::{Inner, authorship::is_own_not_found},
    find::only,
    raw::OtherHost,
    seen::Seen,
};

/// A list that is about to be asked for. Nothing is sent before its stream is polled.
///
/// Pages are followed to the end: by the service's link where it gives one, and else with `$skip` while pages are full. A
/// link gives its path and query only, and these are asked of the configured host.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until its stream is polled"]
pub struct Listing<R> {
    client: DefenderClient,
    path: Cow<'static, str>,
    /// The path with placeholders; calls of one template share one quota.
    template: &'static str,
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

impl Listing<MachineAction> {
    pub(crate) fn actions(client: DefenderClient) -> Self {
        let all = Self::new(client, "/machineactions", |action| action.id.as_str());
        Self { saw: |inner, action| inner.saw(action), ..all }
    }
}

impl Listing<Machine> {
    /// The service says 404 of it "if there are no recent machines":
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines>.
    pub(crate) fn machines(client: DefenderClient) -> Self {
        let all = Self::new(client, "/machines", |machine| machine.id.as_str());
        Self { empty_is_not_found: true, ..all }
    }

    /// The machines of another path than that of all machines, with a query of its own.
    pub(crate) fn of_machines(client: DefenderClient, path: String, template: &'static str, asked: String) -> Self {
        let all = Self::machines(client);
        Self { path: path.into(), template, asked, follows: Follows::LinksOnly, ..all }
    }
}

impl Listing<Machine> {
    /// The only machine of the list. Where there are several it is [`Ambiguous`](ErrorKind::Ambiguous), and
    /// [`Error::machines`] has all that were seen: those of the first page with more than one.
    pub fn one(self) -> Ask<Machine> {
        Ask::new(move |timeout| async move {
            let what = format!("the only machine of GET {}", self.path);
            let timeout = timeout.or(self.timeout);
            let mut pages = pin!(Self { timeout, ..self }.pages());
            let mut machines = Vec::new();
            while let Some(page) = pages.try_next().await? {
                if let Some(row) = page.unreadable.into_iter().next() {
                    return Err(Error::new(ErrorKind::AnswerUnreadable).context(what).caused_by(row.error));
                }
                machines.extend(page.value);
                if machines.len() > 1 {
                    break;
                }
            }
            only(machines, Vec::new(), what)
        })
    }
}

impl Listing<LibraryFile> {
    pub(crate) fn library(client: DefenderClient) -> Self {
        let all = Self::new(client, "/libraryfiles", |file| file.file_name.as_str());
        Self { follows: Follows::LinksOnly, ..all }
    }
}

impl<R: Resource + Send + 'static> Listing<R> {
    fn new(client: DefenderClient, path: &'static str, id: fn(&R) -> &str) -> Self {
        Self {
            client,
            path: path.into(),
            template: path,
            asked: String::new(),
            follows: Follows::Skips,
            empty_is_not_found: false,
            query: Query::new(),
            page_size: Query::<R>::MAX_TOP,
            asks_for_size: false,
            begins_at: None,
            timeout: None,
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

    /// Goes on from the link of a page that was read before, in this process or another: its [`Page::next_link`]. The link says what
    /// is listed, so that filters, orders and sizes that are set here do not count. Of the link, the path and the query are taken,
    /// which must be below the API's prefix; its host is not.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(defender: defender_actions::DefenderClient) -> Result<(), defender_actions::Error> {
    /// let mut pages = std::pin::pin!(defender.actions().pages());
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
    pub fn stream(self) -> impl Stream<Item = Result<R, Error>> + Send {
        let path = self.path.clone();
        self.pages()
            .map_ok(move |page| {
                let path = path.clone();
                let unreadable = move |row: UnreadableRow| {
                    let told = Error::new(ErrorKind::AnswerUnreadable).context(format!("a row of GET {path}"));
                    told.caused_by(row.error).row_was(row.raw)
                };
                let rows = page.value.into_iter().map(Ok);
                stream::iter(rows.chain(page.unreadable.into_iter().map(move |row| Err(unreadable(row)))))
            })
            .map(|page| match page {
                Ok(rows) => rows.left_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
            })
            .flatten()
    }

    /// The pages. Rows that came on one of the pages before are left out, as far back as a hundred thousand rows: new rows
    /// push others onto later pages.
    pub fn pages(self) -> impl Stream<Item = Result<Page<R>, Error>> + Send {
        let first = self.first();
        let state = first.map(|path| Next { path, before: Seen::default() });
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
    pub fn request(&self) -> Result<Request<Bytes>, Error> {
        self.call(self.first()?).into_request(self.client.inner(), JSON)
    }

    fn first(&self) -> Result<String, Error> {
        if let Some(link) = &self.begins_at {
            let wrong = |why| {
                Error::new(ErrorKind::Request).context(format!("GET {} from a link on", self.path)).caused_by(why)
            };
            return self.client.inner().below(link, OtherHost::Replaced).map_err(wrong);
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

    /// A page, and what the next one is asked with: a link that cannot be followed costs no row of the page that it came with.
    async fn page(&self, next: Next) -> Result<(Page<R>, Option<Result<Next, Error>>), Error> {
        let Next { path, mut before } = next;
        let inner = self.client.inner();
        let mut page: Page<R> = match inner.call(self.call(path.clone())).await {
            // No page has a constructor, and none needs one: it is read. A gateway's 404 says nothing about machines.
            Err(error) if self.empty_is_not_found && error.problem().is_some_and(is_own_not_found) => {
                serde_json::from_str(r#"{"value":[]}"#).map_err(|_| error)?
            }
            page => page?,
        };
        let rows = u64::try_from(page.value.len().saturating_add(page.unreadable.len())).unwrap_or(u64::MAX);
        let next_path = match page.next_link.as_deref().filter(|link| !link.is_empty()) {
            Some(link) => Some(self.followed(link, &path)),
            // A service that skips nothing would give the same page for ever.
            None if self.follows == Follows::Skips
                && (page.value.is_empty() || page.value.iter().any(|row| !before.has((self.id)(row))))
                && rows >= number(&path, "$top").unwrap_or(Query::<R>::MAX_TOP.into()).max(1) =>
            {
                let next = skipping(&path, number(&path, "$skip").unwrap_or_default().saturating_add(rows));
                // So that whoever keeps the link of a page can go on from there.
                page.next_link = Some(format!("{}{next}", inner.prefix()));
                Some(Ok(next))
            }
            None => None,
        };
        page.value.iter().for_each(|row| (self.saw)(inner, row));
        let ids: HashSet<String> = page.value.iter().map(|row| (self.id)(row).to_owned()).collect();
        page.value.retain(|row| !before.has((self.id)(row)));
        before.note(ids);
        Ok((page, next_path.map(|path| path.map(|path| Next { path, before }))))
    }

    fn call(&self, path: String) -> Call<'static> {
        Call {
            method: Method::GET,
            path,
            template: self.template.to_owned(),
            quota: Limit::GENERAL,
            resend: Resend::Safe,
            read: PAGE,
            timeout: self.timeout,
            body: None,
        }
    }

    /// The link's path and query, below the prefix. Its host is not followed: a bearer goes to the configured one.
    fn followed(&self, link: &str, from: &str) -> Result<String, Error> {
        let wrong = |why: &str| {
            let what = format!("the link to the next page of GET {}", self.path);
            Error::new(ErrorKind::AnswerUnreadable).context(what).caused_by(why)
        };
        let path = self.client.inner().below(link, OtherHost::Replaced).map_err(wrong)?;
        if path == from {
            return Err(wrong("it leads to the same page"));
        }
        Ok(path)
    }
}

/// The same path with another `$skip` in its query.
fn skipping(path: &str, rows: u64) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let kept = query.split('&').filter(|option| !option.is_empty() && !option.starts_with("$skip="));
    let skip = format!("$skip={rows}");
    format!("{path}?{}", kept.chain([skip.as_str()]).collect::<Vec<_>>().join("&"))
}

/// The number that an option of the path's query has, such as `$top`.
fn number(path: &str, option: &str) -> Option<u64> {
    let (_, query) = path.split_once('?')?;
    query.split('&').find_map(|part| part.strip_prefix(option)?.strip_prefix('=')?.parse().ok())
}

/// What the next page is asked with.
struct Next {
    path: String,
    /// What came on the pages before.
    before: Seen,
}

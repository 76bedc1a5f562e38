//! Lists, page by page.

use std::{borrow::Cow, collections::HashSet, pin::pin};

use defender_model::{Filter, LibraryFile, Limit, Machine, MachineAction, Order, Page, Query, Resource};
use defender_transport::extensions::{Read, Resend};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::{Method, Uri};

use crate::{Ask, DefenderClient, Error, ErrorKind, call::Call, find::only};

/// The largest page that is read.
const PAGE_LIMIT: usize = 64 << 20;

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
    id: fn(&R) -> &str,
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
        Self::new(client, "/machineactions", |action| action.id.as_str())
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
        Ask::new(move |_| async move {
            let what = format!("the only machine of GET {}", self.path);
            let mut pages = pin!(self.pages());
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
            id,
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

    /// The rows, one by one. A row that cannot be read is an error of its own, after which the stream goes on; a page that
    /// cannot be had ends it.
    pub fn stream(self) -> impl Stream<Item = Result<R, Error>> + Send {
        let path = self.path.clone();
        self.pages()
            .map_ok(move |page| {
                let path = path.clone();
                let unreadable = move |error: String| {
                    Error::new(ErrorKind::AnswerUnreadable).context(format!("a row of GET {path}")).caused_by(error)
                };
                let rows = page.value.into_iter().map(Ok);
                stream::iter(rows.chain(page.unreadable.into_iter().map(move |row| Err(unreadable(row.error)))))
            })
            .map(|page| match page {
                Ok(rows) => rows.left_stream(),
                Err(error) => stream::iter([Err(error)]).right_stream(),
            })
            .flatten()
    }

    /// The pages. Rows that came on the page before are left out: new rows push others onto the next page.
    pub fn pages(self) -> impl Stream<Item = Result<Page<R>, Error>> + Send {
        let first = self.first();
        let state = first.map(|path| Next { path, skipped: 0, before: HashSet::new() });
        stream::try_unfold((self, Some(state)), |(listing, next)| async move {
            let Some(next) = next.transpose()? else { return Ok(None) };
            let (page, next) = listing.page(next).await?;
            Ok(Some((page, (listing, next))))
        })
    }

    fn first(&self) -> Result<String, Error> {
        self.path_with(self.query.clone())
    }

    fn path_with(&self, mut query: Query<R>) -> Result<String, Error> {
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
        let Next { path, skipped, before } = next;
        let inner = self.client.inner();
        let call = Call {
            method: Method::GET,
            path: path.clone(),
            template: self.template.to_owned(),
            quota: Limit::GENERAL,
            resend: Resend::Safe,
            read: Read::Whole(PAGE_LIMIT),
            timeout: None,
            body: None,
        };
        let mut page: Page<R> = match inner.call(call).await {
            // No page has a constructor, and none needs one: it is read.
            Err(error) if error.is_not_found() && self.empty_is_not_found => {
                serde_json::from_str(r#"{"value":[]}"#).map_err(|_| error)?
            }
            page => page?,
        };
        let rows = page.value.len().saturating_add(page.unreadable.len());
        let next_path = match page.next_link.as_deref().filter(|link| !link.is_empty()) {
            Some(link) => Some(self.followed(link, &path)),
            None if self.follows == Follows::Skips && rows >= usize::try_from(self.page_size).unwrap_or(usize::MAX) => {
                let skip = skipped.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
                Some(self.path_with(self.query.clone().skip(skip)))
            }
            None => None,
        };
        let ids: HashSet<String> = page.value.iter().map(|row| (self.id)(row).to_owned()).collect();
        page.value.retain(|row| !before.contains((self.id)(row)));
        let skipped = skipped.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
        Ok((page, next_path.map(|path| path.map(|path| Next { path, skipped, before: ids }))))
    }

    /// The link's path and query, below the prefix. Its host is not followed: a bearer goes to the configured one.
    fn followed(&self, link: &str, from: &str) -> Result<String, Error> {
        let wrong = |why: &str| {
            let what = format!("the link to the next page of GET {}", self.path);
            Error::new(ErrorKind::AnswerUnreadable).context(what).caused_by(why)
        };
        let uri: Uri = link.parse().map_err(|_| wrong("it is not a URL"))?;
        let prefix = self.client.inner().prefix();
        let lower = uri.path().to_ascii_lowercase();
        let below = lower.strip_prefix(&prefix.to_ascii_lowercase()).unwrap_or_default();
        let leaves = ["/../", "/./", "%2e", "%2f", "//", "\\"].iter().any(|hidden| below.contains(hidden));
        if !below.starts_with('/') || leaves || below.ends_with("/..") {
            return Err(wrong("it leaves the API's prefix"));
        }
        let kept = uri.path().len().saturating_sub(below.len());
        let path = uri.path_and_query().and_then(|whole| whole.as_str().get(kept..)).unwrap_or_default();
        if path == from {
            return Err(wrong("it leads to the same page"));
        }
        Ok(path.to_owned())
    }
}

/// What the next page is asked with.
struct Next {
    path: String,
    skipped: u64,
    /// The ids of the page before.
    before: HashSet<String>,
}

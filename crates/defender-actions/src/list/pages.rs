//! The reading of a list, page by page.

use std::ops::ControlFlow;

use bytes::Bytes;
use defender_model::{Page, Query, Resource, UnreadableRow, sanitize_line};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::{
    Follows, List,
    next_link::{option_value, resolved, skipping},
    progress::{MAX_IDLE, Progress},
};
use crate::{
    BoxStream, Error, ErrorKind,
    client::{
        call::Call,
        raw::OtherHost,
        response_author::is_own_not_found,
        scrub::{Bearer, secrets},
    },
};

/// Request of the next page.
pub(super) struct Next {
    pub(super) path: String,
    /// Rows and paths of the earlier pages.
    pub(super) before: Progress,
}

impl<R: Resource + Send + 'static> List<R> {
    /// Reads the pages one after another and calls `visit` with each, until `visit` breaks. One page is held at a time.
    pub(crate) async fn each_page<B>(
        self,
        mut visit: impl FnMut(Page<R>) -> ControlFlow<B>,
    ) -> Result<Option<B>, Error> {
        let mut pages = self.pages();
        while let Some(page) = pages.try_next().await? {
            if let ControlFlow::Break(value) = visit(page) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Returns the rows, one by one. An unreadable row is an error with the undecoded row ([`Error::row`]), after which the stream
    /// continues. An unreadable page ends the stream.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn stream(self) -> BoxStream<Result<R, Error>> {
        let path = self.path.clone();
        let rows = self
            .in_pages()
            .map_ok(move |page| {
                let path = path.clone();
                let unreadable = move |row: UnreadableRow| {
                    let error = Error::new(ErrorKind::InvalidResponse).context(format!("a row of GET {path}"));
                    error.caused_by(row.error).with_row(row.raw)
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

    /// Returns the pages. A row that an earlier page had is omitted, up to a distance of a hundred thousand rows: new rows push others
    /// onto later pages.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn pages(self) -> BoxStream<Result<Page<R>, Error>> {
        Box::pin(self.in_pages())
    }

    fn in_pages(self) -> impl Stream<Item = Result<Page<R>, Error>> + Send {
        let first = self.first();
        let state = first.map(|path| Next { path, before: Progress::default() });
        stream::try_unfold((self, Some(state)), |(list, next)| async move {
            let Some(next) = next.transpose()? else { return Ok(None) };
            let (page, next) = list.page(next).await?;
            Ok(Some((page, (list, next))))
        })
    }

    /// Returns the finished HTTP request of the first page. Nothing is sent. The request has no token, which is set when it is sent.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request): the link of [`resume`](Self::resume) leaves the API.
    pub fn request(&self) -> Result<http::Request<Bytes>, Error> {
        self.first_call()?.request(self.client.inner())
    }

    pub(crate) fn first_call(&self) -> Result<Call, Error> {
        self.call(self.first()?)
    }

    fn first(&self) -> Result<String, Error> {
        if let Some(link) = &self.resume_link {
            let invalid = |reason| {
                Error::new(ErrorKind::Request).context(format!("GET {} from a link on", self.path)).caused_by(reason)
            };
            let inner = self.client.inner();
            let link = resolved(link, inner.prefix(), &self.path);
            return inner.below(&link, OtherHost::Replaced).map_err(invalid);
        }
        let mut query = self.query.clone();
        if self.sends_page_size {
            let invalid =
                |source| Error::new(ErrorKind::Request).context(format!("GET {}", self.path)).caused_by(source);
            query = query.top(self.page_size).map_err(invalid)?;
        }
        let query = query.to_query();
        let both = [self.parameters.as_str(), query.as_str()].into_iter().filter(|part| !part.is_empty());
        let both = both.collect::<Vec<_>>().join("&");
        Ok(if both.is_empty() { self.path.clone().into_owned() } else { format!("{}?{both}", self.path) })
    }

    /// Returns a page and the request of the next. If a link cannot be followed, the rows of its page are returned all the same.
    pub(super) async fn page(&self, next: Next) -> Result<(Page<R>, Option<Result<Next, Error>>), Error> {
        let Next { path, mut before } = next;
        let inner = self.client.inner();
        before.record_request(&path);
        let (mut page, bearer): (Page<R>, _) = match inner.call_page(self.call(path.clone())?).await {
            // The 404 of a gateway does not concern machines.
            Err(error) if self.empty_is_not_found && error.problem().is_some_and(is_own_not_found) => {
                (Page::empty(), None)
            }
            page => page?,
        };
        if !page.unreadable.is_empty() {
            let secrets = secrets(bearer.as_ref());
            page.unreadable.iter_mut().for_each(|row| row.error = secrets.redact(&row.error).into_owned());
        }
        let rows = u64::try_from(page.value.len().saturating_add(page.unreadable.len())).unwrap_or(u64::MAX);
        // A link of another shape shows that the list goes on, and not where.
        let odd_link = page.extra.get("@odata.nextLink");
        let odd_link = odd_link.map(|odd| self.endless(&odd.to_string(), "it is no text", bearer.as_ref()));
        let next_path = match page.next_link.as_deref().filter(|link| !link.trim().is_empty()) {
            Some(link) => {
                let link = resolved(link, inner.prefix(), &path).into_owned();
                let next = self.followed(&link, &before).map_err(|(reason, is_retryable)| {
                    self.endless(&link, reason, bearer.as_ref()).retryable(is_retryable)
                });
                page.next_link = Some(link);
                Some(next)
            }
            None if odd_link.is_some() => odd_link.map(Err),
            None if self.follows == Follows::Skips
                && rows >= option_value(&path, "$top").unwrap_or(Query::<R>::MAX_TOP.into()).max(1) =>
            {
                let next = skipping(&path, option_value(&path, "$skip").unwrap_or_default().saturating_add(rows));
                // A caller that stores the link of a page can resume the list there.
                page.next_link = Some(format!("{}{next}", inner.prefix()));
                Some(Ok(next))
            }
            None => None,
        };
        (self.on_rows)(inner, &page.value);
        before.dedup(&mut page, self.id, next_path.is_none());
        let next_path = next_path.map(|next| match page.next_link.as_deref() {
            Some(link) if next.is_ok() && before.is_stuck() => {
                let reason = format!("{} pages in a row have no new row", MAX_IDLE.saturating_add(1));
                Err(self.endless(link, &reason, bearer.as_ref()).retryable(true))
            }
            _ => next,
        });
        Ok((page, next_path.map(|path| path.map(|path| Next { path, before }))))
    }

    /// Returns the call for a page, within the remaining time of the list.
    pub(super) fn call(&self, path: String) -> Result<Call, Error> {
        let inner = self.client.inner();
        let left = match self.total_limit {
            None => self.timeout,
            Some((limit, end)) => {
                let left = end.saturating_sub(inner.clock.elapsed());
                if left.is_zero() {
                    let message = format!("the list took longer than {limit:?}");
                    return Err(Error::new(ErrorKind::Interrupted)
                        .context(format!("GET {}", self.path))
                        .message(message)
                        .with_advice("raise `.timeout(..)`, or narrow the list with a filter"));
                }
                Some(left.min(self.timeout.unwrap_or(inner.total_timeout)))
            }
        };
        Ok(Call { operation: self.operation.clone(), path, timeout: left, body: None, intent: None })
    }

    /// Returns the link's path and query below the prefix. The error has the reason why the link is not followed, and whether a retry may
    /// help. The host of the link is ignored: the token is sent to the configured host only.
    fn followed(&self, link: &str, before: &Progress) -> Result<String, (&'static str, bool)> {
        let path = self.client.inner().below(link, OtherHost::Replaced).map_err(|reason| (reason, false))?;
        if before.was_requested(&path) { Err(("this page was read already", true)) } else { Ok(path) }
    }

    /// Returns the error of a list whose next link cannot be followed.
    fn endless(&self, link: &str, reason: &str, bearer: Option<&Bearer>) -> Error {
        let link = sanitize_line(&secrets(bearer).redact(link), 300);
        let message = format!("cannot follow the next link `{link}`: {reason}");
        Error::new(ErrorKind::InvalidResponse)
            .context(format!("GET {}", self.path))
            .message(message)
            .with_advice("narrow the list to one page with a filter, and report the link to Microsoft support")
    }
}

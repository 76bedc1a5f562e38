//! Reading a list page by page.

use defender_model::{Page, Query, Resource, sanitize_line};

use super::{
    Follows, List,
    next_link::{number, rooted, skipping},
    progress::{MOST_IDLE, Progress},
};
use crate::{
    Error, ErrorKind,
    client::{
        call::Call,
        raw::OtherHost,
        response_author::is_own_not_found,
        scrub::{Bearer, secrets},
    },
};

/// What the next page is asked with.
pub(super) struct Next {
    pub(super) path: String,
    /// What came on the pages before.
    pub(super) before: Progress,
}

impl<R: Resource + Send + 'static> List<R> {
    /// Returns a page, and what the next one is asked with: a link that cannot be followed costs no row of the page that it came with.
    pub(super) async fn page(&self, next: Next) -> Result<(Page<R>, Option<Result<Next, Error>>), Error> {
        let Next { path, mut before } = next;
        let inner = self.client.inner();
        before.asks(&path);
        let (mut page, bearer): (Page<R>, _) = match inner.call_page(self.call(path.clone())?).await {
            // A gateway's 404 says nothing about machines.
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
        let next_path = match page.next_link.as_deref().filter(|link| !link.trim().is_empty()) {
            Some(link) => {
                let link = rooted(link, inner.prefix(), &path).into_owned();
                let next = self
                    .followed(&link, &before)
                    .map_err(|(why, again)| self.endless(&link, why, bearer.as_ref()).retryable(again));
                page.next_link = Some(link);
                Some(next)
            }
            None if self.follows == Follows::Skips
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
        before.take(&mut page, self.id, next_path.is_none());
        let next_path = next_path.map(|next| match page.next_link.as_deref() {
            Some(link) if next.is_ok() && before.is_stuck() => {
                let why = format!("{} pages in a row have brought nothing new", MOST_IDLE.saturating_add(1));
                Err(self.endless(link, &why, bearer.as_ref()).retryable(true))
            }
            _ => next,
        });
        Ok((page, next_path.map(|path| path.map(|path| Next { path, before }))))
    }

    /// The call for a page, in what is left of its time.
    pub(super) fn call(&self, path: String) -> Result<Call, Error> {
        let inner = self.client.inner();
        let left = match self.whole {
            None => self.timeout,
            Some((whole, end)) => {
                let left = end.saturating_sub(inner.clock.elapsed());
                if left.is_zero() {
                    let late = format!("the list was not read to its end within {whole:?}");
                    return Err(Error::new(ErrorKind::Interrupted)
                        .context(format!("GET {}", self.path))
                        .message(late)
                        .advice("raise `.timeout(..)`, or narrow the list with a filter"));
                }
                Some(left.min(self.timeout.unwrap_or(inner.total_timeout)))
            }
        };
        Ok(Call { operation: self.operation.clone(), path, timeout: left, body: None })
    }

    /// The link's path and query, below the prefix; or why it is not followed, and whether it may be later. Its host is not
    /// followed: a bearer goes to the configured one.
    fn followed(&self, link: &str, before: &Progress) -> Result<String, (&'static str, bool)> {
        let path = self.client.inner().below(link, OtherHost::Replaced).map_err(|why| (why, false))?;
        if before.has_asked(&path) { Err(("it was read already", true)) } else { Ok(path) }
    }

    /// Error of a list that cannot be read to its end because of the link to its next page.
    fn endless(&self, link: &str, why: &str, bearer: Option<&Bearer>) -> Error {
        let link = sanitize_line(&secrets(bearer).redact(link), 300);
        let told = format!("the list cannot be read to its end; its next page is `{link}`: {why}");
        Error::new(ErrorKind::InvalidResponse)
            .context(format!("GET {}", self.path))
            .message(told)
            .advice("narrow the list with a filter that needs one page, and tell Microsoft's support of the link")
    }
}

//! Lists of the service, page by page.
//!
//! This file has the settings of a list. `pages` reads it, `progress` and `dedup` recognize repeated rows and endless lists, and
//! `next_link` resolves the links between pages.

pub(crate) mod dedup;

mod next_link;
mod one;
mod pages;
mod progress;

use std::{borrow::Cow, time::Duration};

use defender_model::{Filter, LibraryFile, Machine, MachineAction, Order, Query, Resource};

use crate::{
    DefenderClient,
    client::{Inner, operation::Operation},
};

impl DefenderClient {
    /// Returns the list of the actions of all machines. Nothing is sent until its stream is polled.
    ///
    /// ```no_run
    /// use defender_actions::{DefenderClient, model::{ActionStatus, MachineAction}};
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(defender: DefenderClient) -> Result<(), defender_actions::Error> {
    /// let mut pending = defender.actions().filter(MachineAction::STATUS.eq(ActionStatus::Pending)).stream();
    /// while let Some(action) = pending.try_next().await? {
    ///     println!("{} {}", action.id, action.action_type);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn actions(&self) -> List<MachineAction> {
        List::actions(self.clone())
    }
}

/// List of the service. Nothing is sent before its stream is polled.
///
/// All pages are read: by the service's next link, or without a link with `$skip` while pages are full. Only the path and the query of
/// a link are used; its request goes to the configured host. An endless list ends in an error with the link
/// ([`InvalidResponse`](crate::ErrorKind::InvalidResponse)): if a link leads to a page that was read already, or after eleven pages in
/// a row without a new row. Up to ten empty or repeated pages in a row are skipped.
///
/// At most one page is held in memory, with the hashes of about the last hundred thousand rows.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until its stream is polled"]
pub struct List<R> {
    client: DefenderClient,
    path: Cow<'static, str>,
    operation: Operation,
    /// Query parameters in addition to `query`.
    parameters: String,
    follows: Follows,
    /// The service responds with 404 if the list is empty.
    empty_is_not_found: bool,
    query: Query<R>,
    page_size: u32,
    sends_page_size: bool,
    /// Link of the first page, if the list is resumed.
    resume_link: Option<String>,
    timeout: Option<Duration>,
    /// Time limit of the whole list, and its end on the client's clock.
    total_limit: Option<(Duration, Duration)>,
    id: fn(&R) -> &str,
    /// Callback for the rows of a page, by which the client records seen actions.
    on_rows: fn(&Inner, &[R]),
}

/// Request of the next page without a next link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follows {
    /// With `$skip`, while pages are full.
    Skips,
    /// None: the service does not document OData for this list.
    LinksOnly,
}

impl List<MachineAction> {
    pub(crate) fn actions(client: DefenderClient) -> Self {
        let all = Self::new(client, Operation::LIST_ACTIONS, |action| action.id.as_str());
        Self { on_rows: |inner, actions| inner.saw(actions), ..all }
    }
}

impl List<Machine> {
    /// Creates the list of all machines. The service responds with 404 "if there are no recent machines":
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines>.
    pub(crate) fn machines(client: DefenderClient) -> Self {
        let all = Self::new(client, Operation::LIST_MACHINES, |machine| machine.id.as_str());
        Self { empty_is_not_found: true, ..all }
    }

    /// Creates a list of machines with another path and its own query parameters.
    pub(crate) fn of_machines(client: DefenderClient, path: String, operation: Operation, parameters: String) -> Self {
        let all = Self::machines(client);
        Self { path: path.into(), operation, parameters, follows: Follows::LinksOnly, ..all }
    }
}

impl List<LibraryFile> {
    pub(crate) fn library(client: DefenderClient) -> Self {
        let all = Self::new(client, Operation::LIST_LIBRARY, |file| file.file_name.as_str());
        Self { follows: Follows::LinksOnly, ..all }
    }
}

impl<R: Resource + Send + 'static> List<R> {
    /// Creates the list of an operation whose path has no text of the caller.
    fn new(client: DefenderClient, operation: Operation, id: fn(&R) -> &str) -> Self {
        Self {
            client,
            path: operation.template.path(),
            operation,
            parameters: String::new(),
            follows: Follows::Skips,
            empty_is_not_found: false,
            query: Query::new(),
            page_size: Query::<R>::MAX_TOP,
            sends_page_size: false,
            resume_link: None,
            timeout: None,
            total_limit: None,
            id,
            on_rows: |_, _| {},
        }
    }

    /// Filters the list. Two filters are combined with `and`.
    pub fn filter(mut self, filter: Filter<R>) -> Self {
        self.query = self.query.filter(filter);
        self
    }

    /// Sorts the list. The service's pages document no sorting; other clients have been seen to sort by dates.
    pub fn order_by(mut self, order: Order<R>) -> Self {
        self.query = self.query.order_by(order);
        self
    }

    /// Sets the number of rows of a page, 1 to 10,000. The service's default is 10,000.
    pub fn page_size(mut self, rows: u32) -> Self {
        self.page_size = rows.clamp(1, Query::<R>::MAX_TOP);
        self.sends_page_size = true;
        self
    }

    /// Sets the time limit of the call for each page, queue and retries included. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the time limit of the whole list, which begins now.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.total_limit = Some((limit, self.client.inner().clock.elapsed().saturating_add(limit)));
        self
    }

    /// Resumes the list at the link of a page that was read before, in this process or another: its
    /// [`Page::next_link`](defender_model::Page::next_link). The link determines the rows, so that filters, orders and sizes of this
    /// list have no effect. Only the path and the query of the link are used, which must be below the API's prefix.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn example(defender: defender_actions::DefenderClient) -> Result<(), defender_actions::Error> {
    /// let mut pages = defender.actions().pages();
    /// let link = pages.try_next().await?.and_then(|page| page.next_link); // store it, and later:
    /// if let Some(link) = link {
    ///     let rest: Vec<_> = defender.actions().resume(link).stream().try_collect().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(mut self, link: impl Into<String>) -> Self {
        self.resume_link = Some(link.into());
        self
    }
}

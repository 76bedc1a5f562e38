//! The query of a list.

use std::fmt;

use crate::{Error, ErrorKind, Filter, Order, percent_encode};

/// The query of a list of resources `R`: filter, order, page size and offset.
///
/// ```
/// use defender_model::{ActionStatus, MachineAction, Query};
///
/// let query = Query::new()
///     .filter(MachineAction::STATUS.eq(ActionStatus::Pending))
///     .order_by(MachineAction::CREATION_DATE_TIME_UTC.descending())
///     .top(100)?;
/// assert_eq!(
///     query.to_query(),
///     "$filter=status%20eq%20%27Pending%27&$orderby=creationDateTimeUtc%20desc&$top=100",
/// );
/// # Ok::<(), defender_model::Error>(())
/// ```
///
/// Sources: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection> (which misprints
/// `$top` as `$stop`), <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines>.
#[must_use = "a query has no effect until a list is requested with it"]
pub struct Query<R> {
    filter: Option<Filter<R>>,
    order: Vec<Order<R>>,
    top: Option<u32>,
    skip: Option<u64>,
}

impl<R> Query<R> {
    /// Largest page size, and largest value of `$top`.
    pub const MAX_TOP: u32 = 10_000;

    /// Creates a query for all rows.
    pub const fn new() -> Self {
        Self { filter: None, order: Vec::new(), top: None, skip: None }
    }

    /// Restricts the list to rows that match the filter. With two filters, a row must match both.
    pub fn filter(mut self, filter: Filter<R>) -> Self {
        self.filter = Some(match self.filter {
            Some(earlier) => earlier.and(filter),
            None => filter,
        });
        self
    }

    /// Sets the page size: at most `rows` rows on one page.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidQuery`] above [`MAX_TOP`](Self::MAX_TOP), which the service refuses.
    pub fn top(mut self, rows: u32) -> Result<Self, Error> {
        if rows > Self::MAX_TOP {
            return Err(Error::new(
                ErrorKind::InvalidQuery,
                format!("$top={rows} is above the service's limit of {} rows a page; list page by page", Self::MAX_TOP),
            ));
        }
        self.top = Some(rows);
        Ok(self)
    }

    /// Skips the first `rows` rows.
    pub fn skip(mut self, rows: u64) -> Self {
        self.skip = Some(rows);
        self
    }

    /// Sorts the list. A second order sorts rows that are equal by the first.
    ///
    /// `$orderby` is on no page of the service. Other clients send it for dates; support for other properties is unknown.
    pub fn order_by(mut self, order: Order<R>) -> Self {
        self.order.push(order);
        self
    }

    /// Returns the query for a URL, without the `?`, with percent-encoded values. It is empty for a query for all rows.
    #[must_use]
    pub fn to_query(&self) -> String {
        let order: Vec<_> = self.order.iter().map(ToString::to_string).collect();
        let options = [
            self.filter.as_ref().map(|filter| format!("$filter={}", percent_encode(&filter.to_string()))),
            (!order.is_empty()).then(|| format!("$orderby={}", percent_encode(&order.join(",")))),
            self.top.map(|rows| format!("$top={rows}")),
            self.skip.map(|rows| format!("$skip={rows}")),
        ];
        options.into_iter().flatten().collect::<Vec<_>>().join("&")
    }
}

// By hand, since a derive would require it of `R` too.
impl<R> Default for Query<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> Clone for Query<R> {
    fn clone(&self) -> Self {
        Self { filter: self.filter.clone(), order: self.order.clone(), top: self.top, skip: self.skip }
    }
}

impl<R> fmt::Debug for Query<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, order, top, skip } = self;
        f.debug_struct("Query")
            .field("filter", filter)
            .field("order", order)
            .field("top", top)
            .field("skip", skip)
            .finish()
    }
}

impl<R> From<Filter<R>> for Query<R> {
    fn from(filter: Filter<R>) -> Self {
        Self::new().filter(filter)
    }
}

#[cfg(test)]
mod tests {
    use crate::MachineAction;

    use super::*;

    #[test]
    fn top_error_states_the_page_limit() {
        let query = || Query::<MachineAction>::new();
        assert_eq!(query().top(10_000).unwrap().to_query(), "$top=10000");
        assert_eq!(query().top(0).unwrap().to_query(), "$top=0");
        for more in [10_001, u32::MAX] {
            let error = query().top(more).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidQuery);
            assert!(error.to_string().contains("10000"), "{error}");
        }
    }

    #[test]
    fn query_for_all_is_empty() {
        assert_eq!(Query::<MachineAction>::new().to_query(), "");
    }

    #[test]
    fn filters_and_orders_accumulate() {
        let query = Query::new()
            .filter(Filter::raw("a or b"))
            .filter(MachineAction::REQUESTOR.eq("c"))
            .order_by(MachineAction::REQUESTOR.ascending())
            .order_by(MachineAction::CREATION_DATE_TIME_UTC.descending())
            .skip(10_000);
        assert_eq!(
            query.to_query(),
            "$filter=%28a%20or%20b%29%20and%20requestor%20eq%20%27c%27\
             &$orderby=requestor%20asc%2CcreationDateTimeUtc%20desc&$skip=10000"
        );
    }
}

//! The query of a list.

use std::fmt;

use crate::{Error, ErrorKind, Filter, Order, odata::percent::encoded};

/// Which of the resources `R` are listed, how many, from where on, and in what order.
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
#[must_use = "a query is a description, and changes nothing until a list is asked for with it"]
pub struct Query<R> {
    filter: Option<Filter<R>>,
    order: Vec<Order<R>>,
    top: Option<u32>,
    skip: Option<u64>,
}

impl<R> Query<R> {
    /// The most that one page holds, and the most that `$top` may ask for.
    pub const MAX_TOP: u32 = 10_000;

    /// All of them.
    pub const fn new() -> Self {
        Self { filter: None, order: Vec::new(), top: None, skip: None }
    }

    /// Only those of the filter. Of two filters, those that are in both.
    pub fn filter(mut self, filter: Filter<R>) -> Self {
        self.filter = Some(match self.filter {
            Some(earlier) => earlier.and(filter),
            None => filter,
        });
        self
    }

    /// At most this many, on one page.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidQuery`] above [`MAX_TOP`](Self::MAX_TOP), which the service refuses.
    pub fn top(mut self, rows: u32) -> Result<Self, Error> {
        if rows > Self::MAX_TOP {
            return Err(Error::new(
                ErrorKind::InvalidQuery,
                format!(
                    "$top={rows} is more than the service gives at once, which is {}; ask page by page",
                    Self::MAX_TOP
                ),
            ));
        }
        self.top = Some(rows);
        Ok(self)
    }

    /// Without the first so many.
    pub fn skip(mut self, rows: u64) -> Self {
        self.skip = Some(rows);
        self
    }

    /// Sorted so; a second order sorts what the first leaves equal.
    ///
    /// `$orderby` is on no page of the service. Other clients are seen to send it for dates; whether it works for the rest
    /// is not known.
    pub fn order_by(mut self, order: Order<R>) -> Self {
        self.order.push(order);
        self
    }

    /// The query as it stands in a URL after the `?`, with its values percent-encoded; empty where all are asked for.
    #[must_use]
    pub fn to_query(&self) -> String {
        let order: Vec<_> = self.order.iter().map(ToString::to_string).collect();
        let options = [
            self.filter.as_ref().map(|filter| format!("$filter={}", encoded(&filter.to_string()))),
            (!order.is_empty()).then(|| format!("$orderby={}", encoded(&order.join(",")))),
            self.top.map(|rows| format!("$top={rows}")),
            self.skip.map(|rows| format!("$skip={rows}")),
        ];
        options.into_iter().flatten().collect::<Vec<_>>().join("&")
    }
}

// By hand, since a derive would ask it of `R` too.
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
    fn more_than_a_page_is_refused_and_the_error_says_how_much_it_is() {
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
    fn nothing_asked_is_an_empty_query() {
        assert_eq!(Query::<MachineAction>::new().to_query(), "");
    }

    #[test]
    fn two_filters_are_both_kept_and_two_orders_in_turn() {
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

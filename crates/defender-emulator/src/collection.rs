//! A page of a collection.

use std::cmp::Ordering;

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    odata::{LARGEST_PAGE, Query, Row},
};

/// The rows of one page, before they are written.
#[derive(Debug)]
pub(crate) struct Page<R> {
    pub(crate) rows: Vec<R>,
    /// Whether there are rows behind it that were asked for.
    more: bool,
    count: Option<usize>,
}

impl<R: Row> Page<R> {
    /// Takes a page of `rows`, which come in the order that is asked for, unless `sort` says that they do not.
    pub(crate) fn of(query: &Query, rows: impl Iterator<Item = R>, size: usize, sort: bool) -> Self {
        let size = size.min(LARGEST_PAGE);
        let rows = rows.filter(|row| query.filter.as_ref().is_none_or(|filter| filter.holds(row)));
        if sort || query.count {
            let mut rows: Vec<R> = rows.collect();
            if sort {
                rows.sort_by(|one, other| order(query, one, other));
            }
            let count = query.count.then_some(rows.len());
            return Self { count, ..Self::cut(query, rows.into_iter(), size) };
        }
        Self::cut(query, rows, size)
    }

    fn cut(query: &Query, rows: impl Iterator<Item = R>, size: usize) -> Self {
        let limit = query.top.unwrap_or(usize::MAX).min(size);
        let mut rows = rows.skip(query.skip);
        let page: Vec<R> = rows.by_ref().take(limit).collect();
        let wants_more = query.top.is_none_or(|top| top > limit);
        Self { rows: page, more: wants_more && rows.next().is_some(), count: None }
    }

    /// The answer: `collection` is the last part of its address, `context` of its context.
    ///
    /// Whether the service ever gives a next link its pages do not show; clients follow it where there is one, and this
    /// gives one where a page is not the last.
    pub(crate) fn answer(
        &self,
        query: &Query,
        base_url: &str,
        (collection, context): (&str, &str),
        to_json: impl Fn(&R) -> Value,
    ) -> Answer {
        let rows: Vec<_> = self.rows.iter().map(to_json).collect();
        let mut body = json!({ "@odata.context": format!("{base_url}/api/$metadata#{context}") });
        if let Some(body) = body.as_object_mut() {
            if let Some(count) = self.count {
                body.insert("@odata.count".to_owned(), count.into());
            }
            if self.more {
                let link = format!("{base_url}/api/{collection}?{}", query.next(rows.len()));
                body.insert("@odata.nextLink".to_owned(), link.into());
            }
            body.insert("value".to_owned(), rows.into());
        }
        Answer::entity(http::StatusCode::OK, &body)
    }
}

/// By the properties asked for, one after the other. What has no value comes first.
fn order<R: Row>(query: &Query, one: &R, other: &R) -> Ordering {
    let by = |&(property, down): &(usize, bool)| {
        let (one, other) = (one.value(property), other.value(property));
        let order = one.order(&other).unwrap_or_else(|| one.is_some().cmp(&other.is_some()));
        if down { order.reverse() } else { order }
    };
    query.order.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

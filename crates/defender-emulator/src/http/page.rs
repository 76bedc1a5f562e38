//! A page of a collection.

use std::cmp::Ordering;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::{
    http::response::ApiResponse,
    odata::{LARGEST_PAGE, Query, Row},
};

/// The rows of one page, before they are written.
#[derive(Debug)]
pub(crate) struct Page<R> {
    pub(crate) rows: Vec<R>,
    /// Rows follow this page.
    more: bool,
    count: Option<usize>,
}

impl<R: Row> Page<R> {
    /// Returns a page of `rows`, which have the requested order already, unless `sort` is set.
    pub(crate) fn of(query: &Query, rows: impl Iterator<Item = R>, size: usize, sort: bool) -> Self {
        let size = size.min(LARGEST_PAGE);
        let rows = rows.filter(|row| query.filter.as_ref().is_none_or(|filter| filter.holds(row)));
        if sort || (query.count && query.known_count.is_none()) {
            let mut rows: Vec<R> = rows.collect();
            if sort {
                rows.sort_by(|one, other| order(query, one, other));
            }
            let count = query.count.then_some(rows.len());
            return Self { count, ..Self::cut(query, rows.into_iter(), size) };
        }
        Self { count: query.known_count, ..Self::cut(query, rows, size) }
    }

    fn cut(query: &Query, rows: impl Iterator<Item = R>, size: usize) -> Self {
        let limit = query.top.unwrap_or(usize::MAX).min(size);
        let mut rows = rows.skip(query.skip);
        let page: Vec<R> = rows.by_ref().take(limit).collect();
        let wants_more = query.top.is_none_or(|top| top > limit);
        Self { rows: page, more: wants_more && rows.next().is_some(), count: None }
    }

    /// Returns the response: `collection` is the last part of its address, `context` of its context.
    ///
    /// The documentation does not show next links; clients follow one where there is one, and this
    /// gives one where a page is not the last.
    pub(crate) fn respond<T: Serialize>(
        &self,
        query: &Query,
        base_url: &str,
        (collection, context): (&str, &str),
        written: impl Fn(&R) -> T,
    ) -> ApiResponse {
        let next = || format!("{base_url}/api/{collection}?{}", query.next(self.rows.len()));
        let body = Written {
            context: format!("{base_url}/api/$metadata#{context}"),
            count: self.count,
            next: self.more.then(next),
            rows: &self.rows,
            select: &query.select,
            row: written,
        };
        ApiResponse::sized(http::StatusCode::OK, &body, self.rows.len())
    }
}

/// A page, as it is written.
struct Written<'a, R, F> {
    context: String,
    count: Option<usize>,
    next: Option<String>,
    rows: &'a [R],
    select: &'a [String],
    row: F,
}

impl<R, T: Serialize, F: Fn(&R) -> T> Serialize for Written<'_, R, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("@odata.context", &self.context)?;
        if let Some(count) = self.count {
            map.serialize_entry("@odata.count", &count)?;
        }
        if let Some(next) = &self.next {
            map.serialize_entry("@odata.nextLink", next)?;
        }
        map.serialize_entry("value", &Rows(self))?;
        map.end()
    }
}

struct Rows<'w, 'a, R, F>(&'w Written<'a, R, F>);

impl<R, T: Serialize, F: Fn(&R) -> T> Serialize for Rows<'_, '_, R, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.0.rows.iter().map(&self.0.row);
        if self.0.select.is_empty() {
            return serializer.collect_seq(rows);
        }
        serializer.collect_seq(rows.map(|row| selected(&row, self.0.select)))
    }
}

/// The properties of a row that are wanted. Names fit in any letter case, and unknown names are ignored; what the service does with one
/// is unknown.
fn selected<T: Serialize>(row: &T, select: &[String]) -> Value {
    match serde_json::to_value(row) {
        Ok(Value::Object(fields)) => {
            let is_wanted = |name: &str| select.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
            Value::Object(fields.into_iter().filter(|(name, _)| is_wanted(name)).collect())
        }
        other => other.unwrap_or_default(),
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

//! `GET /api/machineactions`, page by page.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    fault::Fault,
    filter::Filter,
    record::{Record, Slip},
    reply::Reply,
    tenant::{Tenant, misbehave},
    token::plain,
};

/// Content of a next link: the replica, the first row, and whether the links lead nowhere.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    replica: usize,
    offset: usize,
    circle: bool,
}

impl Place {
    fn text(self) -> String {
        format!("r{}.{}.{}", self.replica, self.offset, u8::from(self.circle))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix('r')?.split('.');
        let mut number = || parts.next()?.parse::<usize>().ok();
        let place = Self { replica: number()? & 1, offset: number()?, circle: number()? == 1 };
        parts.next().is_none().then_some(place)
    }
}

/// The options of a query.
#[derive(Debug)]
struct Query {
    filter: Filter,
    top: Option<usize>,
    skip: usize,
    ascending: bool,
    place: Option<Place>,
    /// The options that a next link repeats, with their escapes.
    repeated: String,
}

impl Query {
    fn parse(text: &str) -> Option<Self> {
        let mut options = HashMap::new();
        let mut repeated = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let name = plain(name)?;
            if matches!(name.as_str(), "$filter" | "$orderby") {
                repeated.push(pair);
            }
            options.insert(name, plain(value)?);
        }
        let mut take = |name: &str| options.remove(name);
        let filter = take("$filter").map_or(Some(Filter::default()), |text| Filter::parse(&text))?;
        let number = |text: Option<String>| text.map_or(Some(None), |text| text.parse::<usize>().ok().map(Some));
        let top = number(take("$top"))?;
        let skip = number(take("$skip"))?.unwrap_or_default();
        let ascending = match take("$orderby").map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("creationdatetimeutc desc" | "lastupdatedatetimeutc desc") => false,
            Some("creationdatetimeutc" | "creationdatetimeutc asc" | "lastupdatedatetimeutc asc") => true,
            Some(_) => return None,
        };
        let place = take("$skiptoken").map_or(Some(None), |text| Place::parse(&text).map(Some))?;
        if !options.is_empty() || top.is_some_and(|top| top > 10_000) {
            return None;
        }
        Some(Self { filter, top, skip, ascending, place, repeated: repeated.join("&") })
    }
}

impl Tenant {
    pub(super) fn list(&mut self, now: Timestamp, base: &str, query: &str, authorization: Option<&str>) -> Reply {
        let mut rng = self.next_dice("list");
        self.lists += 1;
        if let Some(refusal) = self.refuse(&mut rng, now, "list", authorization) {
            return refusal;
        }
        let fault = Fault::of_read(&mut rng, self.settings.percent);
        self.misbehaved += u64::from(fault.is_some());
        let Some(query) = Query::parse(query) else { return Reply::bad_query() };
        let start = Place { replica: rng.usize(..2), offset: query.skip, circle: fault == Some(Fault::Circle) };
        let place = query.place.unwrap_or(start);
        let shown = |record: &&Record| {
            record.visible.get(place.replica).is_some_and(|&at| at <= now) && query.filter.matches(record, now)
        };
        let mut rows: Vec<(usize, &Record)> =
            self.records.iter().enumerate().filter(|(_, record)| shown(record)).collect();
        rows.sort_by_key(|(_, record)| record.created);
        if !query.ascending {
            rows.reverse();
        }
        let size = query.top.unwrap_or(usize::MAX).min(self.settings.page);
        let mut slipped = Vec::new();
        let page = rows.iter().skip(place.offset).take(size).map(|&(number, row)| {
            let slip = Slip::any(&mut rng);
            if slip != Slip::None {
                slipped.push(number);
            }
            row.show(now, slip)
        });
        let page: Vec<Value> = page.collect();
        let end = place.offset + page.len();
        let mut body = json!({
            "@odata.context": "https://api.security.microsoft.com/api/$metadata#MachineActions",
            "value": page,
        });
        let all = rows.len();
        for number in slipped {
            if let Some(record) = self.records.get_mut(number) {
                record.slips.push(now);
            }
        }
        let left = query.top.map(|top| top - size.min(top));
        let next = if place.circle {
            // Two pages that lead to each other, or one that leads to itself.
            Some(Place { offset: if place.offset == 0 && end < all { end } else { 0 }, ..place })
        } else {
            (end < all && left != Some(0)).then_some(Place { offset: end, ..place })
        };
        if let Some(next) = next {
            let top = left.filter(|&left| left > 0).map(|left| format!("&$top={left}")).unwrap_or_default();
            let link = format!("machineactions?{}&$skiptoken={}{top}", query.repeated, next.text());
            let link = match rng.u32(..10) {
                0 | 1 => format!("https://api.security.microsoft.com/api/{link}"),
                2 => format!("/api/{link}"),
                3 => format!("{base}/api/{}", link.replace("%20", " ").replace('+', " ")),
                _ => format!("{base}/api/{link}"),
            };
            if let Value::Object(body) = &mut body {
                body.insert("@odata.nextLink".to_owned(), Value::String(link));
            }
        }
        misbehave(Reply::json(200, &body), &mut rng, now, fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_documented() {
        let query =
            Query::parse("$filter=type%20eq%20'Isolate'&$top=5&$skip=2&%24orderby=creationDateTimeUtc+desc").unwrap();
        assert_eq!((query.top, query.skip, query.ascending), (Some(5), 2, false));
        assert_eq!(query.repeated, "$filter=type%20eq%20'Isolate'&%24orderby=creationDateTimeUtc+desc");
        for refused in ["$stop=5", "$top=x", "$top=20000", "$filter=a", "$skiptoken=zz", "$filter"] {
            assert!(Query::parse(refused).is_none(), "{refused}");
        }
    }

    #[test]
    fn place_is_read_as_written() {
        let place = Place { replica: 1, offset: 400, circle: true };
        assert_eq!(Place::parse(&place.text()), Some(place));
    }
}

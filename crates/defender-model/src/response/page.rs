//! One page of a list.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::{
    sanitize_line,
    wire::{
        field::{Field, Read, reading},
        resource::Resource,
    },
};

/// One page of a list in a response of the service.
///
/// A row that cannot be read does not fail the page or other rows: it is in [`unreadable`](Self::unreadable).
///
/// A page has at most 10,000 rows. No sample of the service has a link to the next page, although other clients have seen one.
/// Follow [`next_link`](Self::next_link) if it is present; otherwise continue with `$skip` while pages are full. Source:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection>.
///
/// ```
/// use defender_model::{MachineAction, Page};
///
/// let page: Page<MachineAction> = serde_json::from_str(r#"{"value": [{"id": "a"}, {"status": "Pending"}, {"id": "b"}]}"#)?;
/// assert_eq!(page.value.len(), 2);
/// assert_eq!(page.unreadable[0].index, 1);
/// assert_eq!(page.unreadable[0].raw["status"], "Pending");
/// assert_eq!(page.unreadable[0].error, "missing field `id`");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// Rows that were read, in order.
    pub value: Vec<T>,
    /// Rows that could not be read, in order.
    pub unreadable: Vec<UnreadableRow>,
    /// Link to the next page, if the response has one. Use only its path and query, on the configured host.
    pub next_link: Option<String>,
    /// Number of rows on all pages, if it was requested and the response has it.
    pub count: Option<i64>,
    /// Other fields of the page, such as `@odata.context`, under the service's names.
    pub extra: Map<String, Value>,
}

impl<T> Page<T> {
    /// Creates a page without rows and without a next page.
    #[must_use]
    pub fn empty() -> Self {
        Self { value: Vec::new(), unreadable: Vec::new(), next_link: None, count: None, extra: Map::new() }
    }
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self::empty()
    }
}

/// A row of a page that could not be read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UnreadableRow {
    /// Position of the row on the page, from 0.
    pub index: usize,
    /// JSON of the row.
    pub raw: Value,
    /// Reason why the row could not be read, in one line.
    pub error: String,
}

const VALUE: &str = "value";
const NEXT_LINK: &str = "@odata.nextLink";
const COUNT: &str = "@odata.count";

impl<'de, T: Resource> Deserialize<'de> for Page<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PageVisitor(std::marker::PhantomData))
    }
}

struct PageVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Resource> Visitor<'de> for PageVisitor<T> {
    type Value = Page<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the JSON object of a page, with an array `value`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Page<T>, A::Error> {
        let mut page = Page::empty();
        let mut rows = None;
        while let Some(name) = object.next_key::<String>()? {
            match name.as_str() {
                VALUE => rows = object.next_value::<Option<Rows<T>>>()?.or(Some(Rows::default())),
                NEXT_LINK => keep(&mut page.next_link, object.next_value()?, &name, &mut page.extra),
                COUNT => keep(&mut page.count, object.next_value()?, &name, &mut page.extra),
                _ => {
                    page.extra.insert(name, object.next_value()?);
                }
            }
        }
        // An object without `value` is not an empty page. It may be an error.
        let rows = rows.ok_or_else(|| de::Error::missing_field(VALUE))?;
        (page.value, page.unreadable) = (rows.read, rows.unreadable);
        Ok(page)
    }
}

/// Stores a value in its field, or, if it has another shape, in `extra`.
fn keep<T: Field>(field: &mut Option<T>, read: Read<T>, name: &str, extra: &mut Map<String, Value>) {
    match read {
        Read::Good(good) => *field = Some(good),
        Read::Odd(value) => drop(extra.insert(name.to_owned(), value)),
        Read::Absent | Read::Null => {}
    }
}

/// Longest error of a row, in characters.
const LONGEST: usize = 500;

/// Largest number of rows on a page of the service.
const FULL_PAGE: usize = 10_000;

/// A page with more rows than this is probably full.
const SMALL_PAGE: usize = 2_048;

struct Rows<T> {
    read: Vec<T>,
    unreadable: Vec<UnreadableRow>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { read: Vec::new(), unreadable: Vec::new() }
    }
}

impl<T: Resource> Rows<T> {
    fn push(&mut self, row: Read<T>) {
        match row {
            Read::Good(row) => {
                self.make_room();
                self.read.push(row);
            }
            odd => {
                let raw = odd.to_raw().unwrap_or_default();
                let index = self.read.len().saturating_add(self.unreadable.len());
                // The error quotes the row, which may be long.
                let error = sanitize_line(&T::unreadable(&raw), LONGEST);
                self.unreadable.push(UnreadableRow { index, raw, error });
            }
        }
    }

    /// Reserves the room of a full page in one step. With repeated doubling, the peak would be one and a half times the page, and
    /// the vector would end up half as large again as its rows.
    fn make_room(&mut self) {
        let rows = self.read.len();
        if rows == self.read.capacity() && (SMALL_PAGE..FULL_PAGE).contains(&rows) {
            self.read.reserve_exact(FULL_PAGE.saturating_sub(rows));
        }
    }

    /// Releases the room of a full page if the page was not full.
    fn trim(&mut self) {
        if self.read.capacity() > SMALL_PAGE && self.read.len() < self.read.capacity() / 2 {
            self.read.shrink_to_fit();
        }
    }
}

impl<'de, T: Resource> Deserialize<'de> for Rows<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<T>(std::marker::PhantomData<T>);

        impl<'de, T: Resource> Visitor<'de> for Each<T> {
            type Value = Rows<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of rows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Rows<T>, A::Error> {
                let mut rows = Rows::default();
                while array.next_element_seed(reading(|row| rows.push(row)))?.is_some() {}
                rows.trim();
                Ok(rows)
            }
        }

        deserializer.deserialize_seq(Each(std::marker::PhantomData))
    }
}

impl<T: Resource> Serialize for Page<T> {
    /// Writes the rows that could not be read at their positions.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        if let Some(count) = self.count {
            map.serialize_entry(COUNT, &count)?;
        }
        map.serialize_entry(VALUE, &InPlace(self))?;
        if let Some(next_link) = &self.next_link {
            map.serialize_entry(NEXT_LINK, next_link)?;
        }
        map.end()
    }
}

struct InPlace<'p, T>(&'p Page<T>);

impl<T: Resource> Serialize for InPlace<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let Page { value, unreadable, .. } = self.0;
        let mut array = serializer.serialize_seq(Some(value.len().saturating_add(unreadable.len())))?;
        let mut unreadable = unreadable.iter().peekable();
        let mut index = 0_usize;
        for row in value {
            while let Some(odd) = unreadable.next_if(|odd| odd.index <= index) {
                array.serialize_element(&odd.raw)?;
                index = index.saturating_add(1);
            }
            array.serialize_element(row)?;
            index = index.saturating_add(1);
        }
        for odd in unreadable {
            array.serialize_element(&odd.raw)?;
        }
        array.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::MachineAction;

    fn read(json: &Value) -> Page<MachineAction> {
        serde_json::from_str(&json.to_string()).unwrap()
    }

    #[test]
    fn unreadable_row_is_kept() {
        let json = json!({
            "@odata.context": "c",
            "value": [{"type": "Isolate", "novel": 1, "title": null}, {"id": "a"}, 5, null, {"id": "../b", "status": "Failed"}, {"id": "c"}],
            "@odata.nextLink": "https://x/api/machineactions?$skip=1",
            "@odata.count": 6,
        });
        let page = read(&json);
        assert_eq!(page.value.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(page.unreadable.iter().map(|row| row.index).collect::<Vec<_>>(), [0, 2, 3, 4]);
        assert!(page.unreadable[3].error.contains("is not an action id"), "{}", page.unreadable[3].error);
        assert_eq!((page.count, page.next_link.as_deref()), (Some(6), Some("https://x/api/machineactions?$skip=1")));
        assert_eq!(serde_json::to_value(&page).unwrap(), json);
    }

    #[test]
    fn page_needs_a_value() {
        assert_eq!(read(&json!({"value": null})).value, []);
        assert_eq!(read(&json!({"value": []})).value, []);
        for json in [json!({}), json!({"error": {"code": "x"}}), json!([]), json!({"value": {}})] {
            assert!(serde_json::from_value::<Page<MachineAction>>(json.clone()).is_err(), "{json}");
        }
    }

    #[test]
    fn link_and_count_of_unexpected_shape_are_kept() {
        let json = json!({"value": [], "@odata.nextLink": 5, "@odata.count": "many"});
        assert_eq!(serde_json::to_value(read(&json)).unwrap(), json);
    }
}

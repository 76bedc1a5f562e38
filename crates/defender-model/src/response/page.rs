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

/// One page of a list, as the service answers it.
///
/// A row that cannot be read fails neither the page nor the other rows: it is in [`unreadable`](Self::unreadable).
///
/// The service's page size is 10,000 rows at most. None of its samples shows a link to the next page, and other clients
/// have seen one, so follow [`next_link`](Self::next_link) where it is there, and else ask on with `$skip` while pages are
/// full. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection>.
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
    /// The rows that were read, in order.
    pub value: Vec<T>,
    /// The rows that were not, in order.
    pub unreadable: Vec<UnreadableRow>,
    /// Where the next page is, if the service says. Only its path and query are to be used, on the configured host.
    pub next_link: Option<String>,
    /// How many rows there are on all pages together, if the service was asked and says.
    pub count: Option<i64>,
    /// What else the page holds, such as `@odata.context`, under the service's names.
    pub extra: Map<String, Value>,
}

impl<T> Default for Page<T> {
    /// An empty page, and the last.
    fn default() -> Self {
        Self { value: Vec::new(), unreadable: Vec::new(), next_link: None, count: None, extra: Map::new() }
    }
}

/// A row of a page that could not be read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UnreadableRow {
    /// Its place on the page, from 0.
    pub index: usize,
    /// The row.
    pub raw: Value,
    /// Why it could not be read, in one line.
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
        f.write_str("the JSON object of a page, with an array as its `value`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Page<T>, A::Error> {
        let mut page = Page::default();
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
        // An object without it is something else, such as an error, and not an empty page.
        let rows = rows.ok_or_else(|| de::Error::missing_field(VALUE))?;
        (page.value, page.unreadable) = (rows.read, rows.unreadable);
        Ok(page)
    }
}

/// Keeps what was found in its field, and what is of another shape in `extra`.
fn keep<T: Field>(field: &mut Option<T>, read: Read<T>, name: &str, extra: &mut Map<String, Value>) {
    match read {
        Read::Good(good) => *field = Some(good),
        Read::Odd(value) => drop(extra.insert(name.to_owned(), value)),
        Read::Absent | Read::Null => {}
    }
}

/// An error of a row is no longer, in characters.
const LONGEST: usize = 500;

/// No page of the service has more rows.
const FULL_PAGE: usize = 10_000;

/// A page of more rows than this is likely a full one.
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
                // It quotes what cannot be read.
                let error = sanitize_line(&T::unreadable(&raw), LONGEST);
                self.unreadable.push(UnreadableRow { index, raw, error });
            }
        }
    }

    /// A full page is given its room in one step. Doubled on and on, it would be there one and a half times at its largest,
    /// and its vector be half as large again as what is in it.
    fn make_room(&mut self) {
        let rows = self.read.len();
        if rows == self.read.capacity() && (SMALL_PAGE..FULL_PAGE).contains(&rows) {
            self.read.reserve_exact(FULL_PAGE.saturating_sub(rows));
        }
    }

    /// Gives back the room that was made for a full page that was none.
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
    /// Gives the rows that could not be read back in their places.
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
    fn a_row_that_cannot_be_read_is_kept_and_fails_nothing() {
        let json = json!({
            "@odata.context": "c",
            "value": [{"type": "Isolate", "novel": 1, "title": null}, {"id": "a"}, 5, null, {"id": "../b", "status": "Failed"}, {"id": "c"}],
            "@odata.nextLink": "https://x/api/machineactions?$skip=1",
            "@odata.count": 6,
        });
        let page = read(&json);
        assert_eq!(page.value.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(page.unreadable.iter().map(|row| row.index).collect::<Vec<_>>(), [0, 2, 3, 4]);
        assert!(page.unreadable[3].error.contains("is no action id"), "{}", page.unreadable[3].error);
        assert_eq!((page.count, page.next_link.as_deref()), (Some(6), Some("https://x/api/machineactions?$skip=1")));
        assert_eq!(serde_json::to_value(&page).unwrap(), json);
    }

    #[test]
    fn a_page_of_null_is_empty_and_one_of_nothing_is_an_error() {
        assert_eq!(read(&json!({"value": null})).value, []);
        assert_eq!(read(&json!({"value": []})).value, []);
        for json in [json!({}), json!({"error": {"code": "x"}}), json!([]), json!({"value": {}})] {
            assert!(serde_json::from_value::<Page<MachineAction>>(json.clone()).is_err(), "{json}");
        }
    }

    #[test]
    fn a_link_or_a_count_of_another_shape_is_kept() {
        let json = json!({"value": [], "@odata.nextLink": 5, "@odata.count": "many"});
        assert_eq!(serde_json::to_value(read(&json)).unwrap(), json);
    }
}

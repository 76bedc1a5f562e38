//! The query options of a collection.
//!
//! Source: <https://learn.microsoft.com/defender-endpoint/api/exposed-apis-odata-samples>. What its pages do not name is
//! refused, with the empty code and `details` of microsoft-365-docs#12682: a client that relies on more is caught.

mod filter;
mod lexer;
mod parser;
mod schema;

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub use self::schema::InOperator;
pub(crate) use self::{
    filter::{Compare, Expr, Operand, Row, Val},
    schema::{Kind, Property},
};
use crate::http::problem::Problem;

/// The most rows of one page, and of one `$top`: <https://learn.microsoft.com/defender-endpoint/api/get-machineactions-collection>.
pub(crate) const LARGEST_PAGE: usize = 10_000;

/// The characters of a link's query that are not encoded.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'\'');
/// The characters of an option's name that are not encoded.
const IN_NAME: &AsciiSet = &IN_QUERY.remove(b'$');

/// The query options of a request.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) filter: Option<Expr>,
    pub(crate) top: Option<usize>,
    pub(crate) skip: usize,
    /// Places of properties, and whether each goes down.
    pub(crate) order: Vec<(usize, bool)>,
    pub(crate) count: bool,
    /// The properties of a row that are wanted; empty for all.
    pub(crate) select: Vec<String>,
    /// The number of rows, if it is known without reading them.
    pub(crate) known_count: Option<usize>,
    /// The options as they came, but for `$top` and `$skip`.
    others: Vec<(String, String)>,
}

impl Query {
    /// Reads the query of a URI; names are found in any letter case, as the two pages that list them differ in it.
    pub(crate) fn read(query: &str, schema: &'static [Property], in_operator: InOperator) -> Result<Self, Problem> {
        let (mut read, mut seen) = (Self::default(), BTreeSet::new());
        for (name, value) in pairs(query) {
            if name.starts_with('$') && !seen.insert(name.clone()) {
                // OData's rule; the text is that of its libraries, so that it is inferred of the service.
                return Err(Problem::query(format!("Query option '{name}' was specified more than once.")));
            }
            match name.as_str() {
                "$filter" => read.filter = Some(parser::filter(&value, schema, in_operator)?),
                "$top" => read.top = Some(number("$top", &value)?),
                "$skip" => read.skip = number("$skip", &value)?,
                "$orderby" => read.order = order(&value, schema)?,
                // Six code bases send it to the service.
                "$select" => {
                    let names = value.split(',').map(|name| name.trim().to_owned());
                    read.select = names.filter(|name| !name.is_empty() && name != "*").collect();
                }
                "$count" => {
                    read.count = match value.as_str() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(Problem::query(format!("'{value}' is not a value of $count."))),
                    }
                }
                name if name.starts_with('$') => {
                    return Err(Problem::query(format!(
                        "The query parameter '{name}' is not supported on this resource."
                    )));
                }
                // OData leaves what has no `$` to the service, and this service has none.
                _ => {}
            }
            if name != "$top" && name != "$skip" {
                read.others.push((name, value));
            }
        }
        if read.top.is_some_and(|top| top > LARGEST_PAGE) {
            return Err(Problem::query(format!("The limit of '{LARGEST_PAGE}' for Top query has been exceeded.")));
        }
        Ok(read)
    }

    /// The query of the page that comes after `rows` rows of this one.
    pub(crate) fn next(&self, rows: usize) -> String {
        let mut options: Vec<_> = self
            .others
            .iter()
            .map(|(name, value)| format!("{}={}", encoded_name(name), utf8_percent_encode(value, IN_QUERY)))
            .collect();
        if let Some(top) = self.top {
            options.push(format!("$top={}", top.saturating_sub(rows)));
        }
        options.push(format!("$skip={}", self.skip.saturating_add(rows)));
        options.join("&")
    }
}

/// The pairs of a query, decoded.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn encoded_name(name: &str) -> String {
    utf8_percent_encode(name, IN_NAME).to_string()
}

fn number(name: &str, text: &str) -> Result<usize, Problem> {
    text.parse().map_err(|_| Problem::query(format!("Invalid value '{text}' for {name} query option found.")))
}

fn order(text: &str, schema: &'static [Property]) -> Result<Vec<(usize, bool)>, Problem> {
    let one = |part: &str| {
        let mut words = part.split_whitespace();
        let property = parser::property(words.next().unwrap_or_default(), schema)?;
        match (words.next(), words.next()) {
            (None | Some("asc"), None) => Ok((property, false)),
            (Some("desc"), None) => Ok((property, true)),
            _ => Err(Problem::query(format!("Syntax error in '{part}'."))),
        }
    };
    text.split(',').map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &[Property] = &[Property { name: "id", kind: Kind::Text }];

    #[test]
    fn next_page_keeps_the_options() {
        let query = Query::read(
            "$filter=id+eq+%27a%20b%27&$top=50&$skip=7&$orderby=ID desc&own=x",
            SCHEMA,
            InOperator::Refused,
        )
        .unwrap();
        assert_eq!((query.top, query.skip), (Some(50), 7));
        assert_eq!(query.order, [(0, true)]);
        assert_eq!(query.next(20), "$filter=id%20eq%20'a%20b'&$orderby=ID%20desc&own=x&$top=30&$skip=27");
    }

    #[test]
    fn what_is_not_named_is_refused() {
        for query in [
            "$stop=1",
            "$top=-1",
            "$top=10001",
            "$skip=x",
            "$orderby=name",
            "$orderby=id up",
            "$count=1",
            "$top=1&$top=2",
        ] {
            assert!(Query::read(query, SCHEMA, InOperator::Refused).is_err(), "{query}");
        }
    }
}

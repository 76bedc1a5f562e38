//! The `$filter` of the documentation, for records.

use jiff::Timestamp;

use super::record::Record;

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
enum Term {
    Text { field: Field, equal: bool, value: String },
    Created { operator: Operator, at: Timestamp },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Field {
    Id,
    Status,
    MachineId,
    Type,
    Requestor,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// Comparisons that must all hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Filter(Vec<Term>);

impl Filter {
    /// Reads the text of a `$filter`; `None` for anything but comparisons joined by `and`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut terms = Vec::new();
        let mut rest = words(text)?.into_iter();
        loop {
            let (field, operator, value) = (rest.next()?, rest.next()?, rest.next()?);
            terms.push(term(&field, &operator, &value)?);
            match rest.next() {
                None => return Some(Self(terms)),
                Some(word) if word.eq_ignore_ascii_case("and") => {}
                Some(_) => return None,
            }
        }
    }

    pub(super) fn matches(&self, record: &Record, now: Timestamp) -> bool {
        self.0.iter().all(|term| match term {
            Term::Text { field, equal, value } => {
                let own = match field {
                    Field::Id => Some(record.id.as_str()),
                    Field::Status => Some(record.status(now)),
                    Field::MachineId => Some(record.machine.as_str()),
                    Field::Type => Some(record.kind.word()),
                    Field::Requestor => record.shown.requestor.as_deref(),
                };
                own.is_some_and(|own| own.eq_ignore_ascii_case(value)) == *equal
            }
            Term::Created { operator, at } => match operator {
                Operator::Eq => record.created == *at,
                Operator::Ne => record.created != *at,
                Operator::Gt => record.created > *at,
                Operator::Ge => record.created >= *at,
                Operator::Lt => record.created < *at,
                Operator::Le => record.created <= *at,
            },
        })
    }
}

fn term(field: &str, operator: &str, value: &str) -> Option<Term> {
    let operator = match operator.to_ascii_lowercase().as_str() {
        "eq" => Operator::Eq,
        "ne" => Operator::Ne,
        "gt" => Operator::Gt,
        "ge" => Operator::Ge,
        "lt" => Operator::Lt,
        "le" => Operator::Le,
        _ => return None,
    };
    let field = match field.to_ascii_lowercase().as_str() {
        "id" => Field::Id,
        "status" => Field::Status,
        "machineid" => Field::MachineId,
        "type" => Field::Type,
        "requestor" => Field::Requestor,
        "creationdatetimeutc" => return Some(Term::Created { operator, at: date(value)? }),
        _ => return None,
    };
    let equal = match operator {
        Operator::Eq => true,
        Operator::Ne => false,
        _ => return None,
    };
    let quoted = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let value = match quoted {
        Some(text) => text.replace("''", "'"),
        // The key is a GUID, which OData writes without quotes.
        None if field == Field::Id => value.to_owned(),
        None => return None,
    };
    Some(Term::Text { field, equal, value })
}

/// A date without quotes: with a time, or the day and `Z` alone.
fn date(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{}T00:00:00Z", text.strip_suffix('Z')?).parse().ok())
}

/// Words at blanks, a quoted text being one word.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for letter in text.chars() {
        quoted ^= letter == '\'';
        if letter == ' ' && !quoted {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        } else {
            word.push(letter);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    (!quoted).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_filters_are_read() {
        for text in [
            "machineId eq '1e5bc9d7e413ddd7902c2932e418702b84d0cc07'",
            "Type eq 'Isolate' and MachineId eq 'x' and creationDateTimeUtc ge 2026-11-29T07:00:00Z",
            "creationDateTimeUtc gt 2026-11-29Z and status ne 'Pending'",
            "requestor eq 'O''Neill and sons'",
            "id eq 8f35ab00-0000-4000-8000-000000000000",
        ] {
            assert!(Filter::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn other_filters_are_refused() {
        for text in [
            "",
            "machineId",
            "machineId eq x",
            "machineId eq 'x",
            "a eq 'b'",
            "type gt 'x'",
            "type eq 'x' or id eq 'y'",
        ] {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
    }
}

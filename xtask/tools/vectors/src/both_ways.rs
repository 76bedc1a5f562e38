//! Decoding, encoding back, and the comparison.

use defender_model::{ActionStatus, ActionType, MachineAction, OnboardingStatus, Page, Problem, Resource, Transcript};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Result for a body.
pub(super) type Outcome = Result<String, String>;

pub(super) fn decoded<T: DeserializeOwned>(json: &Value) -> Result<T, String> {
    T::deserialize(json).map_err(|error| error.to_string())
}

pub(super) fn both_ways<T: DeserializeOwned + Serialize>(json: &Value) -> Outcome {
    equal(json, &decoded::<T>(json)?)
}

pub(super) fn page<T: Resource + PartialEq>(json: &Value) -> Outcome {
    let page = decoded::<Page<T>>(json)?;
    if let Some(row) = page.unreadable.first() {
        return Err(format!("row {}: {}", row.index, row.error));
    }
    // A page of null is an empty one.
    let mut json = json.clone();
    if let Some(rows) = json.get_mut("value").filter(|rows| rows.is_null()) {
        *rows = Value::Array(Vec::new());
    }
    equal(&json, &page)?;
    Ok(format!("{} rows, the same both ways", page.value.len()))
}

pub(super) fn same(bytes: &[u8], read: &Transcript) -> Outcome {
    // What was parsed is an object, so what is behind it is NULs and what is before it is a mark.
    let end = bytes.iter().rposition(|byte| *byte == b'}').map_or(0, |last| last.saturating_add(1));
    let begin = bytes.iter().position(|byte| *byte == b'{').unwrap_or_default();
    let json = serde_json::from_slice(bytes.get(begin..end).unwrap_or_default()).map_err(|error| error.to_string())?;
    equal(&json, read)
}

pub(super) fn problem(bytes: &[u8]) -> Outcome {
    let problem = Problem::parse(400, bytes);
    if problem.raw() != bytes {
        return Err("its raw body is not what came".to_owned());
    }
    Ok(problem.to_string())
}

fn equal(json: &Value, read: &impl Serialize) -> Outcome {
    let back = serde_json::to_value(read).map_err(|error| error.to_string())?;
    let (json, back) = (normal(json.clone()), normal(back));
    if json == back { Ok("the same both ways".to_owned()) } else { Err(format!("{json} came back as {back}")) }
}

/// The normalizations of docs/decisions.md, done to both sides.
fn normal(json: Value) -> Value {
    match json {
        Value::Object(object) => {
            let older = [
                ("lastUpdateTimeUtc", "lastUpdateDateTimeUtc"),
                ("externalID", "externalId"),
                ("onboardingstatus", "onboardingStatus"),
                ("name", "script_name"),
                ("script_error", "script_errors"),
            ];
            let mut normalised: Map<String, Value> = object
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, normal(value)))
                .collect();
            for (old, new) in older {
                if !normalised.contains_key(new)
                    && let Some(value) = normalised.remove(old)
                {
                    normalised.insert(new.to_owned(), value);
                }
            }
            normalised.retain(|name, value| !(value == "" && (is_date(name) || name == "status" || name == "type")));
            Value::Object(normalised)
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::String(text) => normal_text(text),
        other => other,
    }
}

fn is_date(name: &str) -> bool {
    name.ends_with("TimeUtc") || name.ends_with("Time") || matches!(name, "firstSeen" | "lastSeen")
}

/// A date is in UTC with no more digits than it needs, a number is a number, and a word has the service's letter case.
fn normal_text(text: String) -> Value {
    let looks_like_a_date = text.get(4..5) == Some("-") && text.get(10..11) == Some("T");
    if looks_like_a_date {
        let json = serde_json::json!({"id": "x", "creationDateTimeUtc": text});
        let date = decoded::<MachineAction>(&json).ok().and_then(|action| action.creation_date_time_utc);
        return date.map_or(text.into(), |date| date.to_string().into());
    }
    let canonical = [
        ActionStatus::from(text.as_str()).as_str().to_owned(),
        ActionType::from(text.as_str()).as_str().to_owned(),
        OnboardingStatus::from(text.as_str()).as_str().to_owned(),
    ];
    if let Some(word) = canonical.into_iter().find(|word| *word != text) {
        return word.into();
    }
    text.parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_normalizations_happen() {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(
            normal(json(r#"{"a":null,"lastUpdateTimeUtc":"2020-01-01T00:00:00.10Z"}"#)),
            json(r#"{"lastUpdateDateTimeUtc":"2020-01-01T00:00:00.1Z"}"#)
        );
        assert_eq!(
            normal(json(r#"{"status":"canceled","scope":"","firstSeen":""}"#)),
            json(r#"{"status":"Cancelled","scope":""}"#)
        );
        assert_ne!(normal(json(r#"{"a":1}"#)), normal(json(r#"{"a":2}"#)));
    }
}

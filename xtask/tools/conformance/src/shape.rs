//! Shape of a body.

use serde_json::Value;

use super::variables::{Variables, fill};

/// Checks that `found` has the shape `wanted`. The error names the place that differs.
///
/// An object must have these names and may have others; an array must have these rows. A text is itself, with its names
/// put in, unless it is one of the words below, which begin with `$`. `{"$each": shape}` is an array of that shape.
pub(super) fn matches(wanted: &Value, found: &Value, variables: &Variables) -> Result<(), String> {
    at("", wanted, found, variables)
}

fn at(place: &str, wanted: &Value, found: &Value, variables: &Variables) -> Result<(), String> {
    let fails = |what: &str| Err(format!("{place}: {what} was wanted, and {found} found"));
    match wanted {
        Value::String(word) if word.starts_with('$') && !word.starts_with("${") => {
            if is(word, found) {
                Ok(())
            } else {
                fails(word)
            }
        }
        Value::String(text) => {
            let text = fill(text, variables)?;
            if found.as_str() == Some(&text) { Ok(()) } else { fails(&format!("{text:?}")) }
        }
        Value::Array(rows) => match found.as_array() {
            Some(found) if found.len() == rows.len() => {
                let pairs = rows.iter().zip(found).enumerate();
                pairs
                    .into_iter()
                    .try_for_each(|(index, (row, found))| at(&format!("{place}/{index}"), row, found, variables))
            }
            _ => fails(&format!("{} rows", rows.len())),
        },
        Value::Object(names) => {
            if let Some(shape) = names.get("$each") {
                let Some(rows) = found.as_array() else { return fails("an array") };
                return rows.iter().try_for_each(|row| at(&format!("{place}/*"), shape, row, variables));
            }
            let Some(object) = found.as_object() else { return fails("an object") };
            names.iter().try_for_each(|(name, shape)| match (object.get(name), shape.as_str()) {
                (None, Some("$absent")) => Ok(()),
                (Some(found), Some("$absent")) => Err(format!("{place}/{name}: {found} is too much")),
                (None, _) => Err(format!("{place}/{name} is not there")),
                (Some(found), _) => at(&format!("{place}/{name}"), shape, found, variables),
            })
        }
        other if other == found => Ok(()),
        other => fails(&other.to_string()),
    }
}

fn is(word: &str, found: &Value) -> bool {
    let text = found.as_str();
    match word {
        "$any" => true,
        "$string" => text.is_some_and(|text| !text.is_empty()),
        "$number" => found.is_number(),
        "$bool" => found.is_boolean(),
        "$array" => found.is_array(),
        "$guid" => text.is_some_and(|text| {
            let lengths: Vec<_> = text.split('-').map(str::len).collect();
            lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        }),
        "$date" => text.is_some_and(|text| text.len() >= 20 && text.ends_with('Z') && text.get(10..11) == Some("T")),
        "$digits" => text.is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())),
        "$link" => text.is_some_and(|text| text.starts_with("https://")),
        "$quoted-link" => text.is_some_and(|text| text.starts_with("\"https://") && text.ends_with('"')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shape_matches_or_names_the_place() {
        let variables = [("m".to_owned(), "abc".to_owned())].into();
        let found = json!({"id": "abc", "n": 1, "rows": [{"d": "2026-01-01T00:00:00Z"}], "none": null});
        for wanted in [
            json!({"id": "${m}", "n": "$number", "rows": {"$each": {"d": "$date"}}, "none": null}),
            json!({"rows": [{"d": "$string", "x": "$absent"}]}),
        ] {
            assert_eq!(matches(&wanted, &found, &variables), Ok(()), "{wanted}");
        }
        for (wanted, place) in [
            (json!({"id": "x"}), "/id"),
            (json!({"more": "$any"}), "/more"),
            (json!({"n": "$absent"}), "/n"),
            (json!({"rows": []}), "/rows"),
            (json!({"rows": {"$each": {"d": "$guid"}}}), "/rows/*/d"),
            (json!({"id": "$unknown"}), "/id"),
        ] {
            assert!(matches(&wanted, &found, &variables).unwrap_err().starts_with(place), "{wanted}");
        }
    }
}

//! The particulars in the body of an intent, as they are or as a hash.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::files::hasher::Hasher;

const COMMENT: &str = "Comment";
const EXTERNAL_ID: &str = "ExternalId";
/// Field of a body that has a hash in place of its particulars. The service knows no such field.
const HASH: &str = "ParticularsSha256";

/// Returns the body with a hash in place of its particulars. Comment and external id stay. The external id, which is random, is a part
/// of what is hashed, so that two bodies with the same particulars have different hashes.
pub(crate) fn hashed(body: &Value) -> Value {
    let Some(fields) = body.as_object() else { return Value::Null };
    if fields.contains_key(HASH) {
        return body.clone();
    }
    let mut kept = Map::new();
    for name in [COMMENT, EXTERNAL_ID] {
        if let Some(value) = fields.get(name) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    kept.insert(HASH.to_owned(), hash(fields, fields.get(EXTERNAL_ID)).into());
    Value::Object(kept)
}

/// Returns whether two bodies have different particulars. Comments and external ids are not compared.
pub(crate) fn differ(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one != other };
    match (one.get(HASH), other.get(HASH)) {
        (None, None) => particulars(one) != particulars(other),
        (Some(kept), None) => *kept != hash(other, one.get(EXTERNAL_ID)),
        (None, Some(kept)) => *kept != hash(one, other.get(EXTERNAL_ID)),
        // Two hashes with different ids cannot be compared.
        (Some(_), Some(_)) => one.get(EXTERNAL_ID) != other.get(EXTERNAL_ID) || one.get(HASH) != other.get(HASH),
    }
}

fn particulars(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut particulars = fields.clone();
    particulars.remove(COMMENT);
    particulars.remove(EXTERNAL_ID);
    particulars
}

/// Returns the hash of the particulars and this external id, in hexadecimal digits.
fn hash(fields: &Map<String, Value>, external_id: Option<&Value>) -> String {
    let mut hasher = Hasher::default();
    let external_id = external_id.and_then(Value::as_str).unwrap_or_default();
    // A blank ends the id, which has none.
    let mut text = format!("{external_id} ");
    let _infallible = write!(text, "{}", Value::Object(particulars(fields)));
    hasher.update(text.as_bytes());
    hasher.so_far().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(external_id: &str, script: &str) -> Value {
        json!({"Comment": "c", "ExternalId": external_id, "Commands": [{"params": [{"key": "Args", "value": script}]}]})
    }

    #[test]
    fn hash_hides_particulars_and_keeps_the_rest() {
        let hashed = hashed(&body("e", "-Password hunter2"));
        assert_eq!((&hashed["Comment"], &hashed["ExternalId"]), (&json!("c"), &json!("e")));
        assert_eq!(hashed.as_object().unwrap().len(), 3);
        assert!(!hashed.to_string().contains("hunter2"), "{hashed}");
        assert_eq!(super::hashed(&hashed), hashed);
    }

    #[test]
    fn same_particulars_have_other_hashes() {
        let hash = |external_id| hashed(&body(external_id, "a"))[HASH].clone();
        assert_ne!(hash("e"), hash("f"));
    }

    #[test]
    fn hashed_body_is_compared_with_a_full_one() {
        let kept = hashed(&body("e", "a"));
        for (other, differs) in [(body("f", "a"), false), (body("f", "b"), true)] {
            assert_eq!(differ(&kept, &other), differs);
            assert_eq!(differ(&other, &kept), differs);
        }
        assert!(!differ(&kept, &kept));
        assert!(differ(&kept, &hashed(&body("f", "a"))));
    }
}

//! The hash of a plan, over its canonical JSON.

use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Plan;

/// Field with the hash, which is not hashed.
const HASH: &str = "hash";

impl Plan {
    /// Computes the hash of the plan as it is now. It differs from [`hash`](Self::hash) if the plan was changed.
    #[must_use]
    pub fn computed_hash(&self) -> String {
        serde_json::to_value(self).map(|plan| hash_of(&plan)).unwrap_or_default()
    }

    /// Sets the hash to that of the plan as it is now.
    pub(crate) fn seal(&mut self) {
        self.hash = self.computed_hash();
    }
}

/// Returns the SHA-256 of a plan in JSON, in hexadecimal digits.
pub(crate) fn hash_of(plan: &Value) -> String {
    let mut text = String::new();
    match plan {
        Value::Object(fields) => {
            let hashed: Vec<_> = fields.iter().filter(|(name, _)| *name != HASH).collect();
            object(hashed, &mut text);
        }
        other => canonical(other, &mut text),
    }
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Writes JSON without blanks, with the fields of each object in the order of their names.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => object(fields.iter().collect(), text),
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                canonical(item, text);
            }
            text.push(']');
        }
        simple => {
            let _ = write!(text, "{simple}");
        }
    }
}

fn object(mut fields: Vec<(&String, &Value)>, text: &mut String) {
    // Another crate may turn on the feature of serde_json that keeps the order of a file.
    fields.sort_unstable_by_key(|(name, _)| *name);
    text.push('{');
    for (place, (name, value)) in fields.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let _ = write!(text, "{}:", Value::from(name.as_str()));
        canonical(value, text);
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn canonical_form_has_sorted_names() {
        let mut text = String::new();
        canonical(&json!({"b": [1, {"d": null, "c": "x\"\n"}], "a": true}), &mut text);
        assert_eq!(text, r#"{"a":true,"b":[1,{"c":"x\"\n","d":null}]}"#);
        assert_eq!(hash_of(&json!({"hash": "x", "a": 1})), hash_of(&json!({"a": 1})));
        assert_eq!(hash_of(&json!({})), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }
}

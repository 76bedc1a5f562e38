//! The one way from bytes to JSON.

use super::{File, Violation};

pub(super) const ONE_JSON: &str = "bytes become JSON in json.rs of a crate and nowhere else, so that a byte order mark or another \
                        encoding is taken off everywhere";

/// Crates with a way of their own: what they read comes from outside. The facade has that of the model.
const READERS: [&str; 4] = ["defender-model", "defender-transport", "defender-auth", "defender-actions"];

pub(super) fn one_json(file: &File<'_>) -> Vec<Violation> {
    let is_test_kit = file.krate == "defender-transport" && file.path.starts_with("src/testing/");
    let has_own = file.krate != "defender-actions" && matches!(file.path, "src/json.rs" | "src/wire/json.rs");
    if !READERS.contains(&file.krate) || has_own || is_test_kit {
        return Vec::new();
    }
    file.each(ONE_JSON, |line| {
        line.identifiers().find_map(|(before, name, _)| {
            let is_of_serde = before.ends_with("serde_json::")
                || before.ends_with("Deserializer::")
                || before.contains("use serde_json::");
            let reads = matches!(name, "from_slice" | "from_reader" | "from_str") && is_of_serde;
            reads.then(|| format!("reads JSON with `{name}`"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{broken, kept},
        ONE_JSON,
    };

    #[test]
    fn json_is_read_in_one_file() {
        for source in [
            "let read = serde_json::from_slice(body)?;",
            "let read: Page = serde_json::from_str::<Page>(text)?;",
            "use serde_json::{Value, from_reader};",
            "let mut all = serde_json::Deserializer::from_slice(bytes);",
        ] {
            broken("defender-actions", "src/call.rs", source, ONE_JSON);
            broken("defender-actions", "src/json.rs", source, ONE_JSON);
            broken("defender-model", "src/problem.rs", source, ONE_JSON);
            broken("defender-auth", "src/entra.rs", source, ONE_JSON);
            kept("defender-model", "src/wire/json.rs", source);
            kept("defender-auth", "src/json.rs", source);
            kept("defender-emulator", "src/request_body.rs", source);
        }
        for source in [
            "all.extend_from_slice(bytes);",
            "serde_json::from_value(value)",
            "impl FromStr for Id { fn from_str(text: &str) {} }",
            "/// `serde_json::from_str`\nstruct X;",
            "#[cfg(test)]\nmod tests { fn f() { serde_json::from_str(\"\"); } }",
        ] {
            kept("defender-actions", "src/call.rs", source);
        }
    }
}

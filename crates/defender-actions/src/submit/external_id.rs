//! External ids that the client generates.

use std::fmt::Write;

use serde_json::Value;

use crate::Intent;

/// External ids of actions without an id of the caller.
///
/// The service documents its `externalId` as an "id the customer can submit in the request for custom correlation"
/// (<https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction>), and its OData metadata names the
/// parameter `ExternalId`. It is inferred that records have the id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExternalIds {
    /// No ids are generated. The body has an external id only if the caller sets one.
    #[default]
    AsGiven,
    /// Each action gets a unique id, which identifies its record with certainty if the service echoes it. An id of the caller is
    /// sent instead.
    Generated,
}

impl ExternalIds {
    /// Returns the default: a client with a journal generates ids, so that it recovers with certainty.
    pub(crate) const fn by_default(has_journal: bool) -> Self {
        if has_journal { Self::Generated } else { Self::AsGiven }
    }
}

/// First group of each generated id, so that the id of a gateway does not count as generated.
const FIRST_GROUP: &str = "de4ec7ed";

/// Generates an id: a UUID of version 8 with the fixed first group and 90 random bits.
pub(crate) fn generate() -> String {
    let random = fastrand::u128(..);
    let part = |shift: u32, bits: u32| (random >> shift) & ((1 << bits) - 1);
    let mut id = String::with_capacity(36);
    let written = write!(
        id,
        "{FIRST_GROUP}-{:04x}-8{:03x}-{:04x}-{:012x}",
        part(0, 16),
        part(16, 12),
        0x8000 | part(28, 14),
        part(42, 48)
    );
    debug_assert!(written.is_ok(), "a String takes any text");
    id
}

/// Field of a body.
const EXTERNAL_ID: &str = "ExternalId";

/// Adds a generated id to a body, unless it has an id. Returns whether it was added.
pub(crate) fn add_generated(body: &mut Value) -> bool {
    let Some(fields) = body.as_object_mut().filter(|fields| !fields.contains_key(EXTERNAL_ID)) else { return false };
    fields.insert(EXTERNAL_ID.to_owned(), Value::from(generate()));
    true
}

/// Appends the generated id of the intent, if it has one, to the body. The rest stays as the action wrote it.
pub(crate) fn with_generated_id(mut body: Vec<u8>, intent: &Intent) -> Vec<u8> {
    if intent.has_generated_id()
        && let Some(id) = intent.external_id()
        && body.pop() == Some(b'}')
    {
        let comma = if body.ends_with(b"{") { "" } else { "," };
        body.extend_from_slice(format!("{comma}\"{EXTERNAL_ID}\":\"{id}\"}}").as_bytes());
    }
    body
}

/// Returns whether `id` has the form of a generated id.
pub(crate) fn is_generated_form(id: &str) -> bool {
    let bytes = id.trim().as_bytes();
    let has_form = |(place, byte): (usize, &u8)| match place {
        8 | 13 | 18 | 23 => *byte == b'-',
        14 => *byte == b'8',
        19 => matches!(byte, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
        _ => byte.is_ascii_hexdigit(),
    };
    bytes.len() == 36
        && bytes.get(..8).is_some_and(|group| group.eq_ignore_ascii_case(FIRST_GROUP.as_bytes()))
        && bytes.iter().enumerate().all(has_form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_are_well_formed() {
        let ids: std::collections::HashSet<_> = (0..1_000).map(|_| generate()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| is_generated_form(id)), "{ids:?}");
        assert!(ids.iter().all(|id| is_generated_form(&id.to_uppercase())));
    }

    #[test]
    fn other_ids_are_not_generated() {
        for id in [
            "",
            "T-1",
            "0d1e2f3a-0000-4000-8000-000000000001",
            "de4ec7ed-0000-4000-8000-000000000001",
            "de4ec7ed-0000-8000-c000-000000000001",
            "de4ec7ed-0000-8000-8000-00000000000",
            "de4ec7ed-0000-8000-8000-0000000000011",
        ] {
            assert!(!is_generated_form(id), "{id}");
        }
    }
}

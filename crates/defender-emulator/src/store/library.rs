//! The files of the live-response library.
//!
//! Source: <https://learn.microsoft.com/defender-endpoint/api/upload-library> and its neighbours.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::wire_format::json_style::date;

/// The largest file, by the page.
pub(crate) const LARGEST_FILE: usize = 20 << 20;

/// The files, by their names.
pub(crate) type Library = BTreeMap<String, LibraryFile>;

/// One file, without its content.
#[derive(Clone, Debug)]
pub(crate) struct LibraryFile {
    sha256: String,
    description: Option<String>,
    pub(crate) created: Timestamp,
    updated: Timestamp,
    created_by: String,
    has_parameters: bool,
    parameters_description: Option<String>,
}

impl LibraryFile {
    /// A file of this content, about which nothing else is known.
    pub(crate) fn new(content: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, content);
        Self {
            sha256: hex(hash.as_ref()),
            description: None,
            created: Timestamp::UNIX_EPOCH,
            updated: Timestamp::UNIX_EPOCH,
            created_by: String::new(),
            has_parameters: false,
            parameters_description: None,
        }
    }

    pub(crate) fn described(
        self,
        description: Option<String>,
        has_parameters: bool,
        parameters: Option<String>,
    ) -> Self {
        let has_parameters = has_parameters || parameters.is_some();
        Self { description, has_parameters, parameters_description: parameters, ..self }
    }

    pub(crate) fn by(self, created_by: String) -> Self {
        Self { created_by, ..self }
    }

    pub(crate) fn at(self, created: Timestamp, updated: Timestamp) -> Self {
        Self { created, updated, ..self }
    }

    pub(crate) fn row(&self, name: &str) -> Value {
        json!({
            "fileName": name,
            "sha256": self.sha256,
            "description": self.description,
            "creationTime": date(self.created, 7),
            "lastUpdatedTime": date(self.updated, 7),
            "createdBy": self.created_by,
            "hasParameters": self.has_parameters,
            "parametersDescription": self.parameters_description,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

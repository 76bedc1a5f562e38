//! The smallest structs that such a call can have.

use serde::{Deserialize, Serialize};

use crate::race::COMMENT;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Body {
    comment: &'static str,
}

pub(crate) const BODY: Body = Body { comment: COMMENT };

/// Twelve of the twenty fields of an action, and none checked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only the cost of decoding is measured")]
pub(crate) struct Action {
    pub(crate) id: String,
    r#type: String,
    status: String,
    machine_id: String,
    requestor: Option<String>,
    requestor_comment: Option<String>,
    computer_dns_name: Option<String>,
    creation_date_time_utc: Option<String>,
    last_update_date_time_utc: Option<String>,
    scope: Option<String>,
    request_source: Option<String>,
    #[serde(rename = "errorHResult")]
    error_h_result: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "not every program reads it")]
pub(crate) struct Page {
    pub(crate) value: Vec<Action>,
}

/// Path of the action on a machine.
pub(crate) fn post_path(base: &str, machine: &str) -> String {
    format!("{base}/api/machines/{machine}/unrestrictCodeExecution")
}

//! Input of both benches: a full page as the service sends it, and the bare struct.

use std::fmt::Write as _;

use serde::Deserialize;

/// Rows on the largest page of the service.
pub(crate) const ROWS: u64 = 10_000;

/// The bare struct: twelve of the twenty fields, derived, without the other fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only the cost of decoding is measured")]
pub(crate) struct BareAction {
    id: String,
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

/// A page of bare structs.
#[derive(Debug, Deserialize)]
pub(crate) struct BarePage {
    value: Vec<BareAction>,
}

impl BarePage {
    /// Returns the number of rows.
    #[allow(dead_code, reason = "not every bench uses it")]
    pub(crate) fn len(&self) -> usize {
        self.value.len()
    }
}

/// Returns a page of `rows` actions with all 20 keys, ten of them null. The bytes are the same each time.
pub(crate) fn page(rows: u64) -> String {
    let mut json =
        r#"{"@odata.context":"https://api.security.microsoft.com/api/$metadata#MachineActions","value":["#.to_owned();
    for row in 0..rows {
        if row > 0 {
            json.push(',');
        }
        write_row(&mut json, row);
    }
    json.push_str("]}");
    json
}

fn write_row(json: &mut String, row: u64) {
    let types = ["UnrestrictCodeExecution", "RestrictCodeExecution", "Isolate", "Unisolate", "RunAntiVirusScan"];
    let statuses = ["Succeeded", "Pending", "InProgress", "Failed", "TimeOut", "Cancelled"];
    let comments = ["Machine was cleaned and validated", "Ransomware on the share, ticket 4711", "Scan after update"];
    // Spread over the bits, so that no two rows are equal.
    let mixed = row.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // Eight keys are null in every row. Two more are null in one half, as in a new action, and two others in the other half, as in
    // an action without a comment.
    let null = || "null".to_owned();
    let (comment, name, error, source) = if row & 1 == 0 {
        let comment = format!("\"{}\"", pick(&comments, mixed >> 9));
        (comment, null(), null(), format!("\"{}\"", pick(&["PublicApi", "Portal"], mixed >> 17)))
    } else {
        let name = format!("\"ws-{}-{row:05}.corp.contoso.com\"", pick(&["eng", "fin", "ops"], mixed >> 15));
        (null(), name, pick(&["0", "-2145844840"], mixed >> 19).to_owned(), null())
    };
    let written = write!(
        json,
        concat!(
            r#"{{"id":"{id}","type":"{action}","title":null,"requestor":"analyst{analyst}@contoso.com","#,
            r#""requestorComment":{comment},"status":"{status}","machineId":"{machine}","computerDnsName":{name},"#,
            r#""creationDateTimeUtc":"{created}","lastUpdateDateTimeUtc":"{updated}","cancellationRequestor":null,"#,
            r#""cancellationComment":null,"cancellationDateTimeUtc":null,"errorHResult":{error},"scope":null,"#,
            r#""externalId":null,"requestSource":{source},"relatedFileInfo":null,"commands":[],"#,
            r#""troubleshootInfo":null}}"#,
        ),
        id = guid(mixed),
        action = pick(&types, mixed >> 7),
        analyst = mixed % 40,
        comment = comment,
        status = pick(&statuses, mixed >> 11),
        machine = format_args!("{mixed:016x}{:016x}{row:08x}", mixed.rotate_left(21)),
        name = name,
        created = date(mixed),
        updated = date(mixed.rotate_left(9)),
        error = error,
        source = source,
    );
    debug_assert!(written.is_ok(), "writing to a string does not fail");
}

fn guid(seed: u64) -> String {
    let last = seed & 0xffff_ffff_ffff;
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{last:012x}",
        seed >> 32,
        seed >> 16 & 0xffff,
        seed & 0xfff,
        seed >> 12 & 0xfff
    )
}

/// Returns a date with the seven digits of a second that the service writes.
fn date(seed: u64) -> String {
    let (month, day, hour) = (1 + seed % 12, 1 + (seed >> 8) % 28, (seed >> 16) % 24);
    let (minute, second, tick) = ((seed >> 24) % 60, (seed >> 32) % 60, (seed >> 5) % 10_000_000);
    format!("2025-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{tick:07}Z")
}

fn pick<'a>(of: &[&'a str], seed: u64) -> &'a str {
    let among = u64::try_from(of.len()).unwrap_or(1);
    usize::try_from(seed % among).ok().and_then(|index| of.get(index)).copied().unwrap_or_default()
}

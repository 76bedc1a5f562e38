//! Submissions to the test service that several test files share.

use defender_actions::{
    DefenderClient, Error, Submitted,
    model::{MachineId, ScanType, Sha1},
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::service::Service;

const FILE: &str = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";

pub(crate) fn machine() -> MachineId {
    "m1".parse().unwrap()
}

/// Submits a restriction release, which is never sent twice.
pub(crate) async fn unrestrict_once(service: &Service) -> Result<Submitted, Error> {
    let submission = service.client().machine(machine()).unrestrict_code_execution("Cleaned").send();
    service.clock().run(submission).await
}

type Outcome = BoxFuture<'static, Result<Submitted, Error>>;

/// Submission with a comment that is sent a second time if its response is lost and the search finds nothing.
pub(crate) type Submit = fn(&DefenderClient, &str) -> Outcome;

pub(crate) fn unrestrict(client: &DefenderClient, comment: &str) -> Outcome {
    Box::pin(client.machine(machine()).unrestrict_code_execution(comment).resend_if_lost().send())
}

pub(crate) fn isolate(client: &DefenderClient, comment: &str) -> Outcome {
    Box::pin(client.machine(machine()).isolate(comment).resend_if_lost().send())
}

pub(crate) fn scan(client: &DefenderClient, comment: &str) -> Outcome {
    Box::pin(client.machine(machine()).run_antivirus_scan(comment, ScanType::Full).resend_if_lost().send())
}

pub(crate) fn quarantine(client: &DefenderClient, comment: &str) -> Outcome {
    let file: Sha1 = FILE.parse().unwrap();
    Box::pin(client.machine(machine()).stop_and_quarantine_file(comment, file).resend_if_lost().send())
}

pub(crate) const ACTIONS: [Submit; 4] = [unrestrict, isolate, scan, quarantine];

pub(crate) fn token(claims: &Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// Tokens of applications, users and guests, and an opaque one.
pub(crate) fn tokens() -> Vec<String> {
    let guid = "aaaaaaaa-0000-4000-8000-000000000001";
    vec![
        "opaque".to_owned(),
        token(&json!({"appid": guid, "oid": "aaaaaaaa-0000-4000-8000-000000000002"})),
        token(&json!({"azp": guid})),
        token(&json!({"unique_name": "ann@contoso.com"})),
        token(&json!({"unique_name": "live.com#ann@contoso.com", "appid": guid})),
        token(&json!({"upn": "ann_contoso.com#EXT#@fabrikam.onmicrosoft.com"})),
        token(&json!({"email": "ann@contoso.com", "oid": guid})),
    ]
}

/// Change of a record before a response shows it.
pub(crate) type Spelling = fn(&mut Value);

/// Seconds since the clock was created.
pub(crate) trait Seconds {
    fn elapsed_secs(&self) -> u64;
}

impl Seconds for defender_actions::transport::testing::ManualClock {
    fn elapsed_secs(&self) -> u64 {
        defender_actions::transport::Clock::elapsed(self).as_secs()
    }
}

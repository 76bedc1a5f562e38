//! The exact request of each action.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, ErrorKind, MachineHandle,
    auth::StaticCredential,
    model::{LiveResponseCommand as Command, ScanType},
    transport::{
        Body, Error, Transport,
        extensions::{self, Idempotency, RateLimitScope},
    },
};
use http::{Request, Response};

/// Transport that accepts every request and returns a new record.
#[derive(Clone, Debug, Default)]
struct Taking(Arc<Mutex<Vec<Request<Bytes>>>>, Arc<AtomicUsize>);

#[async_trait]
impl Transport for Taking {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let mut requests = self.0.lock().unwrap();
        requests.push(request);
        // The id differs each time: a known id would be an earlier action.
        let record = format!(r#"{{"id":"a{}","status":"Pending"}}"#, self.1.fetch_add(1, Ordering::Relaxed));
        Ok(Response::builder().status(201).body(Body::from(record)).unwrap())
    }
}

impl Taking {
    fn client(&self) -> DefenderClient {
        DefenderClient::builder().credential(StaticCredential::new("t")).transport(self.clone()).build().unwrap()
    }

    /// Machine of a new client over this transport.
    fn machine(&self) -> MachineHandle {
        self.client().machine("m1".parse().unwrap())
    }

    /// Path and body of the only request.
    fn accepted(&self) -> (String, String) {
        let requests = std::mem::take(&mut *self.0.lock().unwrap());
        let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
        assert_eq!(request.method(), "POST");
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(request.headers()["authorization"], "Bearer t");
        assert_eq!(extensions::of(request), Some(&Idempotency::NonIdempotent));
        (request.uri().path().to_owned(), String::from_utf8(request.body().to_vec()).unwrap())
    }
}

#[tokio::test]
async fn action_requests_match_documentation() {
    let transport = Taking::default();
    let machine = transport.machine();
    let sha1 = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";
    let accepted = |path: &str, body: &str| {
        assert_eq!(transport.accepted(), (format!("/api/machines/m1/{path}"), body.to_owned()));
    };
    machine.unrestrict_code_execution("c").await.unwrap();
    accepted("unrestrictCodeExecution", r#"{"Comment":"c"}"#);
    machine.restrict_code_execution("c").await.unwrap();
    accepted("restrictCodeExecution", r#"{"Comment":"c"}"#);
    machine.isolate("c").await.unwrap();
    accepted("isolate", r#"{"Comment":"c","IsolationType":"Full"}"#);
    machine.isolate("c").selective().await.unwrap();
    accepted("isolate", r#"{"Comment":"c","IsolationType":"Selective"}"#);
    machine.isolate("c").unmanaged_device().await.unwrap();
    accepted("isolate", r#"{"Comment":"c","IsolationType":"UnManagedDevice"}"#);
    machine.unisolate("c").await.unwrap();
    accepted("unisolate", r#"{"Comment":"c"}"#);
    machine.run_antivirus_scan("c", ScanType::Quick).await.unwrap();
    accepted("runAntiVirusScan", r#"{"Comment":"c","ScanType":"Quick"}"#);
    machine.stop_and_quarantine_file("c", sha1.parse().unwrap()).await.unwrap();
    accepted("StopAndQuarantineFile", &format!(r#"{{"Comment":"c","Sha1":"{sha1}"}}"#));
    machine.collect_investigation_package("c").await.unwrap();
    accepted("collectInvestigationPackage", r#"{"Comment":"c"}"#);
    machine.offboard("c").await.unwrap();
    accepted("offboard", r#"{"Comment":"c"}"#);
    machine.run_live_response("c", [Command::get_file("/x")]).await.unwrap();
    accepted(
        "runliveresponse",
        r#"{"Commands":[{"type":"GetFile","params":[{"key":"Path","value":"/x"}]}],"Comment":"c"}"#,
    );
}

#[tokio::test]
async fn cancel_request_matches_documentation() {
    let transport = Taking::default();
    let record = transport.client().action("A0".parse().unwrap()).cancel("False positive").await.unwrap();
    assert_eq!(record.id.as_str(), "a0");
    assert_eq!(
        transport.accepted(),
        ("/api/machineactions/A0/cancel".to_owned(), r#"{"Comment":"False positive"}"#.to_owned())
    );
}

#[tokio::test]
async fn external_id_is_sent_if_set() {
    let transport = Taking::default();
    transport.machine().isolate("c").external_id("ticket-7").selective().await.unwrap();
    assert_eq!(transport.accepted().1, r#"{"Comment":"c","IsolationType":"Selective","ExternalId":"ticket-7"}"#);
    transport.machine().run_live_response("c", [Command::run_script("a.ps1")]).external_id("t").await.unwrap();
    assert!(transport.accepted().1.ends_with(r#""ExternalId":"t"}"#));
}

#[tokio::test]
async fn invalid_request_is_never_sent() {
    let transport = Taking::default();
    let blank = transport.machine().isolate("").selective().await.unwrap_err();
    let empty = transport.machine().run_live_response("c", []).await.unwrap_err();
    let cancel = transport.client().action("a1".parse().unwrap()).cancel(" ").await.unwrap_err();
    for error in [blank, empty, cancel] {
        assert_eq!(error.kind(), ErrorKind::Request);
        assert!(error.never_sent());
    }
    assert!(transport.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn live_response_has_own_queue() {
    let transport = Taking::default();
    transport.machine().run_live_response("c", [Command::run_script("a.ps1")]).await.unwrap();
    let requests = transport.0.lock().unwrap();
    let scope = extensions::of::<RateLimitScope, _>(&requests[0]).unwrap();
    assert_eq!(scope.key.as_str(), "POST /machines/{id}/runliveresponse");
    assert_eq!(scope.limits.iter().map(|window| (window.calls, window.per.as_secs())).collect::<Vec<_>>(), [(10, 60)]);
}

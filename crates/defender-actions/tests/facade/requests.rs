//! Each action's request, to the letter.

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
        extensions::{Idempotency, RateLimitScope},
    },
};
use http::{Request, Response};

/// Takes every request, and answers each with a record.
#[derive(Clone, Debug, Default)]
struct Taking(Arc<Mutex<Vec<Request<Bytes>>>>, Arc<AtomicUsize>);

#[async_trait]
impl Transport for Taking {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let mut requests = self.0.lock().unwrap();
        requests.push(request);
        // Another id each time: an id that was there before is an action that was there before.
        let record = format!(r#"{{"id":"a{}","status":"Pending"}}"#, self.1.fetch_add(1, Ordering::Relaxed));
        Ok(Response::builder().status(201).body(Body::from(record)).unwrap())
    }
}

impl Taking {
    fn client(&self) -> DefenderClient {
        DefenderClient::builder().credential(StaticCredential::new("t")).transport(self.clone()).build().unwrap()
    }

    /// A machine of a client of its own.
    fn machine(&self) -> MachineHandle {
        self.client().machine("m1".parse().unwrap())
    }

    /// The one request that was taken: its path and body.
    fn taken(&self) -> (String, String) {
        let requests = std::mem::take(&mut *self.0.lock().unwrap());
        let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
        assert_eq!(request.method(), "POST");
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(request.headers()["authorization"], "Bearer t");
        assert_eq!(request.extensions().get(), Some(&Idempotency::NonIdempotent));
        (request.uri().path().to_owned(), String::from_utf8(request.body().to_vec()).unwrap())
    }
}

#[tokio::test]
async fn each_action_is_asked_for_as_its_page_prints_it() {
    let wire = Taking::default();
    let machine = wire.machine();
    let sha1 = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";
    let taken = |path: &str, body: &str| {
        assert_eq!(wire.taken(), (format!("/api/machines/m1/{path}"), body.to_owned()));
    };
    machine.unrestrict_code_execution("c").await.unwrap();
    taken("unrestrictCodeExecution", r#"{"Comment":"c"}"#);
    machine.restrict_code_execution("c").await.unwrap();
    taken("restrictCodeExecution", r#"{"Comment":"c"}"#);
    machine.isolate("c").await.unwrap();
    taken("isolate", r#"{"Comment":"c","IsolationType":"Full"}"#);
    machine.isolate("c").selective().await.unwrap();
    taken("isolate", r#"{"Comment":"c","IsolationType":"Selective"}"#);
    machine.isolate("c").unmanaged_device().await.unwrap();
    taken("isolate", r#"{"Comment":"c","IsolationType":"UnManagedDevice"}"#);
    machine.unisolate("c").await.unwrap();
    taken("unisolate", r#"{"Comment":"c"}"#);
    machine.run_antivirus_scan("c", ScanType::Quick).await.unwrap();
    taken("runAntiVirusScan", r#"{"Comment":"c","ScanType":"Quick"}"#);
    machine.stop_and_quarantine_file("c", sha1.parse().unwrap()).await.unwrap();
    taken("StopAndQuarantineFile", &format!(r#"{{"Comment":"c","Sha1":"{sha1}"}}"#));
    machine.collect_investigation_package("c").await.unwrap();
    taken("collectInvestigationPackage", r#"{"Comment":"c"}"#);
    machine.offboard("c").await.unwrap();
    taken("offboard", r#"{"Comment":"c"}"#);
    machine.run_live_response("c", [Command::get_file("/x")]).await.unwrap();
    taken(
        "runliveresponse",
        r#"{"Commands":[{"type":"GetFile","params":[{"key":"Path","value":"/x"}]}],"Comment":"c"}"#,
    );
}

#[tokio::test]
async fn a_cancel_is_asked_for_as_its_page_prints_it() {
    let wire = Taking::default();
    let record = wire.client().action("A0".parse().unwrap()).cancel("False positive").await.unwrap();
    assert_eq!(record.id.as_str(), "a0");
    assert_eq!(
        wire.taken(),
        ("/api/machineactions/A0/cancel".to_owned(), r#"{"Comment":"False positive"}"#.to_owned())
    );
}

#[tokio::test]
async fn an_external_id_is_sent_when_it_is_set_and_left_out_when_it_is_not() {
    let wire = Taking::default();
    wire.machine().isolate("c").external_id("ticket-7").selective().await.unwrap();
    assert_eq!(wire.taken().1, r#"{"Comment":"c","IsolationType":"Selective","ExternalId":"ticket-7"}"#);
    wire.machine().run_live_response("c", [Command::run_script("a.ps1")]).external_id("t").await.unwrap();
    assert!(wire.taken().1.ends_with(r#""ExternalId":"t"}"#));
}

#[tokio::test]
async fn what_cannot_be_sent_is_an_error_of_the_await_and_nothing_is_sent() {
    let wire = Taking::default();
    let blank = wire.machine().isolate("").selective().await.unwrap_err();
    let empty = wire.machine().run_live_response("c", []).await.unwrap_err();
    let cancel = wire.client().action("a1".parse().unwrap()).cancel(" ").await.unwrap_err();
    for error in [blank, empty, cancel] {
        assert_eq!(error.kind(), ErrorKind::Request);
        assert!(error.never_sent());
    }
    assert!(wire.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn live_response_has_a_queue_of_its_own() {
    let wire = Taking::default();
    wire.machine().run_live_response("c", [Command::run_script("a.ps1")]).await.unwrap();
    let requests = wire.0.lock().unwrap();
    let scope = requests[0].extensions().get::<RateLimitScope>().unwrap();
    assert_eq!(scope.key.as_str(), "POST /machines/{id}/runliveresponse");
    assert_eq!(scope.limits.iter().map(|window| (window.calls, window.per.as_secs())).collect::<Vec<_>>(), [(10, 60)]);
}

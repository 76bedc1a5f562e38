//! Waits, in virtual time.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use defender_actions::{
    DefenderClient, Error, ErrorKind,
    auth::StaticCredential,
    model::{ActionStatus, MachineAction},
    transport::{
        Body, Clock, Error as TransportError, ErrorKind as Broken,
        testing::{ManualClock, MockTransport},
    },
};
use http::{Method, Response};

type Outcome = Result<Response<Body>, TransportError>;
type Respond = fn() -> Outcome;

#[expect(clippy::unnecessary_wraps, reason = "it is what a mock returns")]
fn response(status: u16, body: impl Into<String>) -> Outcome {
    Ok(Response::builder().status(status).body(Body::from(body.into())).unwrap())
}

fn record(status: &str) -> Outcome {
    response(200, format!(r#"{{"id":"a","type":"UnrestrictCodeExecution","status":"{status}","errorHResult":0}}"#))
}

struct World {
    client: DefenderClient,
    clock: ManualClock,
}

/// Transport that responds to the POST with a pending record, to each GET with the next response, and then with the last one.
fn world(responses: Vec<Respond>) -> World {
    let mut transport = MockTransport::new();
    let responses = Mutex::new(VecDeque::from(responses));
    transport.expect_send().returning(move |request| {
        if request.method() == Method::POST {
            return response(201, r#"{"id":"a","type":"UnrestrictCodeExecution","status":"Pending"}"#);
        }
        assert_eq!(request.uri().path(), "/api/machineactions/a");
        let mut responses = responses.lock().unwrap();
        let next = if responses.len() > 1 { responses.pop_front() } else { responses.front().copied() };
        next.unwrap()()
    });
    let clock = ManualClock::new();
    let client = DefenderClient::builder()
        .credential(StaticCredential::new("token"))
        .transport(transport)
        .clock(clock.clone())
        .build()
        .unwrap();
    World { client, clock }
}

impl World {
    /// Submits and waits. Returns the outcome and the time that it took.
    async fn wait(&self, at_most: Duration) -> (Result<MachineAction, Error>, Duration) {
        let submitted = self.client.machine("m".parse().unwrap()).unrestrict_code_execution("Cleaned").await.unwrap();
        let began = self.clock.elapsed();
        let outcome = self.clock.run(submitted.wait().at_most(at_most).send()).await;
        (outcome, self.clock.elapsed().checked_sub(began).unwrap())
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn poll_delays_grow_by_half() {
    let world =
        world(vec![|| record("Pending"), || record("InProgress"), || record("InProgress"), || record("Succeeded")]);
    let (outcome, took) = world.wait(HOUR).await;
    assert_eq!(outcome.unwrap().status, ActionStatus::Succeeded);
    // 2 + 3 + 4.5 + 6.75
    assert_eq!(took, Duration::from_millis(16_250));
}

#[tokio::test]
async fn wait_by_id_reads_immediately() {
    let world = world(vec![|| record("Succeeded")]);
    let done = world.clock.run(world.client.action("a".parse().unwrap()).wait().send()).await.unwrap();
    assert_eq!(done.status, ActionStatus::Succeeded);
    assert_eq!(world.clock.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn unsuccessful_end_is_an_error() {
    let ends: [(Respond, ActionStatus, &str); 3] = [
        (|| record("Failed"), ActionStatus::Failed, "ended as Failed"),
        (|| record("Canceled"), ActionStatus::Cancelled, "ended as Cancelled"),
        (
            || response(200, r#"{"id":"a","status":"TimeOut","errorHResult":-2145844840}"#),
            ActionStatus::TimeOut,
            "ended as TimeOut with 0x80190198",
        ),
    ];
    for (last, status, text) in ends {
        let (outcome, _) = world(vec![|| record("Pending"), last]).wait(HOUR).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ActionFailed);
        assert_eq!(error.action().unwrap().status, status);
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[tokio::test]
async fn timeout_error_has_the_action() {
    let (outcome, took) = world(vec![|| record("InProgress")]).wait(Duration::from_secs(100)).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert_eq!(error.action().unwrap().status, ActionStatus::InProgress);
    assert_eq!(took, Duration::from_secs(100));
    assert!(error.cause().is_none());
}

#[tokio::test]
async fn wait_has_default_timeout() {
    let world = world(vec![|| record("Pending")]);
    let error = world.clock.run(world.client.action("a".parse().unwrap()).wait().send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert_eq!(world.clock.elapsed(), HOUR);
}

#[tokio::test]
async fn transient_errors_do_not_end_wait() {
    let passing: Vec<Respond> = vec![
        || Err(TransportError::new(Broken::Connect)),
        || Err(TransportError::new(Broken::Timeout)),
        || Err(TransportError::new(Broken::Interrupted)),
        || response(429, ""),
        || response(500, ""),
        || response(503, "busy"),
        || response(404, ""),
        || response(200, "<html>a gateway's page</html>"),
        || record("Succeeded"),
    ];
    assert_eq!(world(passing).wait(HOUR).await.0.unwrap().status, ActionStatus::Succeeded);
}

#[tokio::test]
async fn unknown_status_does_not_end_wait() {
    let world = world(vec![|| record("Paused"), || response(200, r#"{"id":"A"}"#), || record("Succeeded")]);
    assert_eq!(world.wait(HOUR).await.0.unwrap().status, ActionStatus::Succeeded);
}

#[tokio::test]
async fn permanent_error_ends_wait() {
    let lasting: [(Respond, ErrorKind); 4] = [
        (|| response(401, ""), ErrorKind::Unauthorized),
        (|| response(403, ""), ErrorKind::Forbidden),
        (|| response(410, ""), ErrorKind::Retired),
        (|| response(400, ""), ErrorKind::Refused),
    ];
    for (last, kind) in lasting {
        let (outcome, took) = world(vec![|| record("InProgress"), last]).wait(HOUR).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.action().unwrap().status, ActionStatus::InProgress);
        assert_eq!(took, Duration::from_secs(5));
    }
}

#[tokio::test]
async fn missing_record_ends_wait_after_grace() {
    let (outcome, took) = world(vec![|| response(404, "")]).wait(HOUR).await;
    let error = outcome.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.action().unwrap().status, ActionStatus::Pending);
    assert!((120..=150).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn timeout_has_last_read_error() {
    let (outcome, _) = world(vec![|| response(503, "")]).wait(Duration::from_secs(60)).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert!(error.cause().unwrap().to_string().contains("503"));
}

/// Transport that accepts the POST and never responds to another request.
#[derive(Debug)]
struct Hanging;

#[async_trait::async_trait]
impl defender_actions::transport::Transport for Hanging {
    async fn send(&self, request: http::Request<bytes::Bytes>) -> Outcome {
        if request.method() == Method::POST {
            return response(201, r#"{"id":"a","status":"Pending"}"#);
        }
        std::future::pending().await
    }
}

#[tokio::test]
async fn hanging_read_obeys_wait_timeout() {
    let clock = ManualClock::new();
    let client = DefenderClient::builder()
        .credential(StaticCredential::new("token"))
        .transport(Hanging)
        .clock(clock.clone())
        .build()
        .unwrap();
    let submitted = client.machine("m".parse().unwrap()).unrestrict_code_execution("Cleaned").await.unwrap();
    let error = clock.run(submitted.wait().at_most(HOUR).send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert_eq!(clock.elapsed(), HOUR);
}

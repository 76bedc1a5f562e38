//! Waiting, in virtual time.

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

type Answer = Result<Response<Body>, TransportError>;
type Answering = fn() -> Answer;

#[expect(clippy::unnecessary_wraps, reason = "it is what a mock returns")]
fn answer(status: u16, body: impl Into<String>) -> Answer {
    Ok(Response::builder().status(status).body(Body::from(body.into())).unwrap())
}

fn record(status: &str) -> Answer {
    answer(200, format!(r#"{{"id":"a","type":"UnrestrictCodeExecution","status":"{status}","errorHResult":0}}"#))
}

struct World {
    client: DefenderClient,
    clock: ManualClock,
}

/// Answers the POST with Pending, each GET with the next of `answers`, and every GET after those with the last.
fn world(answers: Vec<Answering>) -> World {
    let mut wire = MockTransport::new();
    let answers = Mutex::new(VecDeque::from(answers));
    wire.expect_send().returning(move |request| {
        if request.method() == Method::POST {
            return answer(201, r#"{"id":"a","type":"UnrestrictCodeExecution","status":"Pending"}"#);
        }
        assert_eq!(request.uri().path(), "/api/machineactions/a");
        let mut answers = answers.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
        next.unwrap()()
    });
    let clock = ManualClock::new();
    let client = DefenderClient::builder()
        .credential(StaticCredential::new("token"))
        .transport(wire)
        .clock(clock.clone())
        .build()
        .unwrap();
    World { client, clock }
}

impl World {
    /// Submits and waits; gives the outcome and how long it took.
    async fn wait(&self, at_most: Duration) -> (Result<MachineAction, Error>, Duration) {
        let submitted = self.client.machine("m".parse().unwrap()).unrestrict_code_execution("Cleaned").await.unwrap();
        let began = self.clock.elapsed();
        let outcome = self.clock.run(submitted.wait().at_most(at_most).send()).await;
        (outcome, self.clock.elapsed().checked_sub(began).unwrap())
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn it_reads_after_two_seconds_and_then_ever_more_rarely() {
    let world =
        world(vec![|| record("Pending"), || record("InProgress"), || record("InProgress"), || record("Succeeded")]);
    let (outcome, took) = world.wait(HOUR).await;
    assert_eq!(outcome.unwrap().status, ActionStatus::Succeeded);
    // 2 + 3 + 4.5 + 6.75
    assert_eq!(took, Duration::from_millis(16_250));
}

#[tokio::test]
async fn an_id_is_enough_and_is_read_at_once() {
    let world = world(vec![|| record("Succeeded")]);
    let done = world.clock.run(world.client.action("a".parse().unwrap()).wait().send()).await.unwrap();
    assert_eq!(done.status, ActionStatus::Succeeded);
    assert_eq!(world.clock.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn an_end_that_is_no_success_is_an_error_that_carries_the_action() {
    let ends: [(Answering, ActionStatus, &str); 3] = [
        (|| record("Failed"), ActionStatus::Failed, "ended as Failed"),
        (|| record("Canceled"), ActionStatus::Cancelled, "ended as Cancelled"),
        (
            || answer(200, r#"{"id":"a","status":"TimeOut","errorHResult":-2145844840}"#),
            ActionStatus::TimeOut,
            "ended as TimeOut with 0x80190198",
        ),
    ];
    for (last, status, words) in ends {
        let (outcome, _) = world(vec![|| record("Pending"), last]).wait(HOUR).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ActionFailed);
        assert_eq!(error.action().unwrap().status, status);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn running_out_of_patience_is_an_error_that_carries_the_action() {
    let (outcome, took) = world(vec![|| record("InProgress")]).wait(Duration::from_secs(100)).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert_eq!(error.action().unwrap().status, ActionStatus::InProgress);
    assert_eq!(took, Duration::from_secs(100));
    assert!(error.cause().is_none());
}

#[tokio::test]
async fn a_wait_has_an_end_even_when_nobody_set_one() {
    let world = world(vec![|| record("Pending")]);
    let error = world.clock.run(world.client.action("a".parse().unwrap()).wait().send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert_eq!(world.clock.elapsed(), HOUR);
}

#[tokio::test]
async fn what_passes_does_not_end_a_wait() {
    let passing: Vec<Answering> = vec![
        || Err(TransportError::new(Broken::Connect)),
        || Err(TransportError::new(Broken::Timeout)),
        || Err(TransportError::new(Broken::Interrupted)),
        || answer(429, ""),
        || answer(500, ""),
        || answer(503, "busy"),
        || answer(404, ""),
        || answer(200, "<html>a gateway's page</html>"),
        || record("Succeeded"),
    ];
    assert_eq!(world(passing).wait(HOUR).await.0.unwrap().status, ActionStatus::Succeeded);
}

#[tokio::test]
async fn a_status_that_is_not_known_is_waited_through() {
    let world = world(vec![|| record("Paused"), || answer(200, r#"{"id":"A"}"#), || record("Succeeded")]);
    assert_eq!(world.wait(HOUR).await.0.unwrap().status, ActionStatus::Succeeded);
}

#[tokio::test]
async fn what_would_be_told_again_ends_a_wait_with_the_action_as_last_seen() {
    let lasting: [(Answering, ErrorKind); 4] = [
        (|| answer(401, ""), ErrorKind::Unauthorized),
        (|| answer(403, ""), ErrorKind::Forbidden),
        (|| answer(410, ""), ErrorKind::Retired),
        (|| answer(400, ""), ErrorKind::Refused),
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
async fn a_record_that_is_not_there_ends_a_wait_once_two_minutes_have_passed() {
    let (outcome, took) = world(vec![|| answer(404, "")]).wait(HOUR).await;
    let error = outcome.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.action().unwrap().status, ActionStatus::Pending);
    assert!((120..=150).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn trouble_that_lasts_is_the_source_of_the_patience_s_end() {
    let (outcome, _) = world(vec![|| answer(503, "")]).wait(Duration::from_secs(60)).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert!(error.cause().unwrap().to_string().contains("503"));
}

/// A wire that takes the POST and answers nothing else, ever.
#[derive(Debug)]
struct Hanging;

#[async_trait::async_trait]
impl defender_actions::transport::Transport for Hanging {
    async fn send(&self, request: http::Request<bytes::Bytes>) -> Answer {
        if request.method() == Method::POST {
            return answer(201, r#"{"id":"a","status":"Pending"}"#);
        }
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_read_that_hangs_does_not_outlast_the_patience() {
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

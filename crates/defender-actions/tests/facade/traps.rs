//! What others fell into, row by row: each trap of other clients of this API that concerns actions, waits, errors or tokens has a
//! test of its number here. Those of machines, downloads and the library are beside their tests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, ErrorKind, Origin,
    auth::StaticCredential,
    model::{ActionId, ActionStatus, Code, CommandStatus, LiveResponseCommand, MachineAction, MachineId},
    transport::{Body, Clock, Error as TransportError, Transport, testing::ManualClock},
};
use defender_emulator::{Duplicates, Fault, Operation, Outcome, RetryAfter};
use futures_util::{StreamExt, TryStreamExt, future::join_all};
use http::{HeaderValue, Method, Request, Response};

use crate::world::{HOUR, MINUTE, World};

/// Answers everything with the same.
#[derive(Clone, Debug)]
struct Saying(u16, &'static str);

impl Saying {
    fn new(status: u16, body: &'static str) -> Self {
        Self(status, body)
    }

    fn client(&self) -> (DefenderClient, ManualClock) {
        let clock = ManualClock::new();
        let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(self.clone());
        (builder.clock(clock.clone()).build().unwrap(), clock)
    }
}

#[async_trait]
impl Transport for Saying {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        Ok(Response::builder().status(self.0).body(Body::from(self.1)).unwrap())
    }
}

#[tokio::test]
async fn trap_01_a_time_out_is_an_end() {
    assert!(ActionStatus::TimeOut.is_terminal());
    let world = World::new();
    world.emulator.machine_offline(world.machine().as_str());
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    let wait = submitted.wait().poll(HOUR, HOUR).at_most(HOUR * 24 * 30);
    let error = world.run(wait.send()).await.unwrap_err();
    assert_eq!((error.kind(), &error.action().unwrap().status), (ErrorKind::ActionFailed, &ActionStatus::TimeOut));
    // It ends when the service gives up, after three days, and not at the wait's own limit.
    assert!((72..75).contains(&(world.clock.elapsed().as_secs() / 3_600)));
}

#[tokio::test]
async fn trap_02_still_pending_at_the_deadline_is_an_error_that_carries_the_action() {
    let world = World::with(|emulator| emulator.pending_for(HOUR * 2));
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    let error = world.run(submitted.wait().send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert_eq!((error.action_id(), &error.action().unwrap().status), (Some(submitted.id()), &ActionStatus::Pending));
}

#[tokio::test]
async fn trap_03_failed_and_cancelled_are_errors_that_carry_the_action_and_its_result() {
    for (outcome, result) in
        [(Outcome::Failed { error_hresult: -2_147_024_891 }, -2_147_024_891), (Outcome::Cancelled, -2_147_467_260)]
    {
        let world = World::new();
        world.emulator.outcome(outcome);
        let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
        let error = world.run(submitted.wait().send()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ActionFailed);
        assert_eq!(error.action().unwrap().error_h_result, Some(result));
        assert!(error.to_string().contains(&format!("0x{:08X}", result.cast_unsigned())), "{error}");
    }
}

#[tokio::test]
async fn trap_04_nothing_is_sent_before_the_await_and_once_after_it() {
    let world = World::new();
    let perform = world.client().machine(world.machine()).isolate("c");
    assert_eq!(world.ledger().len(), 0);
    let submitted = world.run(perform.send()).await.unwrap();
    // Reading what came of it sends nothing.
    let _ = (submitted.id(), submitted.action(), submitted.origin(), submitted.clone());
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn trap_05_a_post_is_not_sent_again_where_it_may_have_taken_effect() {
    for fault in [
        Fault::Status(503, RetryAfter::Absent),
        Fault::StatusAfterEffect(504, RetryAfter::Absent),
        Fault::HangAfterEffect,
    ] {
        let world = World::with(|emulator| emulator.duplicates(Duplicates::Accept));
        world.emulator.fault(fault).on(Operation::Isolate);
        let _ = world.run(world.client().machine(world.machine()).isolate("c").send()).await;
        assert_eq!(world.ledger().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn trap_06_every_page_is_read_to_the_end() {
    let world = World::with(|emulator| emulator.history(2_345).page_size(100));
    let rows: Vec<MachineAction> = world.run(world.client().actions().stream().try_collect()).await.unwrap();
    assert_eq!(rows.len(), 2_345);
}

#[tokio::test]
async fn trap_07_a_quote_in_a_filter_is_doubled_and_encoded() {
    let (client, _) = Saying::new(200, r#"{"value":[]}"#).client();
    let request =
        client.actions().filter(MachineAction::REQUESTOR.eq("o'hara' or 1 eq 1 or 'a' eq '")).request().unwrap();
    let query = request.uri().query().unwrap();
    assert_eq!(query.matches("%27%27").count(), 5);
    assert!(!query.contains('\''));
}

#[test]
fn trap_08_what_would_change_the_path_is_no_id() {
    for text in ["", ".", "..", "../machines", "a/b", "a?b", "a#b", "a b", "a%2fb", "a\\b", &"a".repeat(129)] {
        assert!(text.parse::<MachineId>().is_err() && text.parse::<ActionId>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn trap_09_already_in_progress_is_told_by_the_code_first_and_by_the_message_second_in_any_letter_case() {
    for body in [
        r#"{"error":{"code":"ActiveRequestAlreadyExists","message":"x"}}"#,
        r#"{"error":{"code":"activerequestalreadyexists"}}"#,
        r#"{"error":{"code":"BadRequest","message":"Action is already in progress"}}"#,
        r#"{"error": {"code": "", "message":  "ACTION is  already in Progress."}}"#,
        r#"{"error":{"message":"Action is already in progress"}}"#,
    ] {
        let wire = Saying::new(400, body);
        let (client, clock) = wire.client();
        let error = clock.run(client.machine("m".parse().unwrap()).isolate("c").send()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyInProgress, "{body}");
    }
    let (client, clock) = Saying::new(400, r#"{"error":{"code":"BadRequest","message":"progress"}}"#).client();
    let error = clock.run(client.machine("m".parse().unwrap()).isolate("c").send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn trap_10_code_message_target_and_raw_body_are_kept() {
    let body = r#"{"error":{"code":"InvalidInput","message":"Sha1 is wrong","target":"|3abc","novel":1}}"#;
    let (client, clock) = Saying::new(400, body).client();
    let error = clock.run(client.machine("m".parse().unwrap()).isolate("c").send()).await.unwrap_err();
    assert_eq!((error.code(), error.target()), (Some(&Code::InvalidInput), Some("|3abc")));
    assert_eq!(error.problem().unwrap().message(), Some("Sha1 is wrong"));
    assert_eq!(error.problem().unwrap().raw(), body.as_bytes());
    assert!(error.to_string().contains("Sha1 is wrong"), "{error}");
}

#[tokio::test]
async fn trap_11_a_body_of_any_shape_keeps_its_status() {
    for body in
        ["", "<html>Forbidden</html>", r#"{"error":"forbidden"}"#, "{}", "[]", "null", "\u{0}", r#"{"error":{}}"#]
    {
        let (client, clock) = Saying::new(403, body).client();
        let error = clock.run(client.machine("m".parse().unwrap()).isolate("c").send()).await.unwrap_err();
        // HTML is not the service's, so that its status refuses nothing.
        let kind = if body.starts_with('<') { ErrorKind::OutcomeUnknown } else { ErrorKind::Forbidden };
        assert_eq!((error.kind(), error.status()), (kind, Some(403)), "{body}");
        assert_eq!(error.problem().unwrap().raw(), body.as_bytes());
    }
}

#[tokio::test]
async fn trap_13_an_unknown_word_or_field_is_kept_and_waited_through() {
    let body = r#"{"id":"a","status":"Paused","type":"EvictIdentity","novel":{"x":1}}"#;
    let (client, clock) = Saying::new(200, body).client();
    let action = client.action("a".parse().unwrap());
    let record = clock.run(action.get().send()).await.unwrap();
    assert_eq!((record.status.as_str(), record.action_type.as_str()), ("Paused", "EvictIdentity"));
    assert_eq!(record.extra["novel"]["x"], 1);
    let error = clock.run(action.wait().at_most(MINUTE).send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
}

#[tokio::test]
async fn trap_14_a_failed_poll_does_not_end_a_wait_and_the_id_is_in_every_error() {
    let world = World::with(|emulator| emulator.pending_for(MINUTE));
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    for fault in
        [Fault::RefuseConnection, Fault::ResetBeforeEffect, Fault::Html502, Fault::TruncatedBody, Fault::GarbageJson]
    {
        world.emulator.fault(fault).on(Operation::GetAction).times(6);
    }
    assert_eq!(world.run(submitted.wait().send()).await.unwrap().status, ActionStatus::Succeeded);

    world.emulator.fault(Fault::RefuseConnection);
    let lost = world.client().action(submitted.id().clone());
    for error in [
        world.run(lost.get().send()).await.unwrap_err(),
        world.run(lost.wait().at_most(MINUTE).send()).await.unwrap_err(),
        world.run(lost.cancel("c").send()).await.unwrap_err(),
    ] {
        assert_eq!(error.action_id(), Some(submitted.id()));
        assert!(error.to_string().contains(submitted.id().as_str()), "{error}");
    }
}

#[tokio::test]
async fn trap_15_a_404_after_the_making_is_waited_through_for_two_minutes() {
    let lagging = |seconds| World::with(|emulator| emulator.read_lag(Duration::from_secs(seconds)));
    let world = lagging(110);
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    assert!(world.run(submitted.wait().send()).await.is_ok());
    let world = lagging(3_600);
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    let error = world.run(submitted.wait().send()).await.unwrap_err();
    assert!(error.is_not_found() && error.action_id() == Some(submitted.id()));
}

#[tokio::test]
async fn trap_20_retry_after_is_read_in_both_forms_has_a_default_and_a_bound() {
    let in_time = |seconds| (Duration::from_secs(seconds), Duration::from_secs(seconds + 10));
    for (retry_after, (least, most)) in [
        (RetryAfter::Seconds(20), in_time(20)),
        (RetryAfter::Date(20), in_time(19)),
        // The queue stays closed for a minute where nothing is said.
        (RetryAfter::Absent, in_time(60)),
    ] {
        let world = World::new();
        world.emulator.fault(Fault::TooManyRequests(retry_after)).on(Operation::Isolate).times(1);
        let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
        assert_eq!(submitted.origin(), Origin::Created);
        let took = world.clock.elapsed();
        assert!(least <= took && took <= most, "{retry_after:?}: {took:?}");
    }
    // Nobody sleeps for a day: the answer is given back, and says so.
    let world = World::new();
    world.emulator.fault(Fault::TooManyRequests(RetryAfter::Seconds(86_400))).on(Operation::Isolate).times(1);
    let error = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(86_400))));
    assert!(world.clock.elapsed() < MINUTE);
}

#[tokio::test]
async fn trap_21_a_token_is_refreshed_before_its_end_and_once_after_a_401() {
    let world = World::with(|emulator| emulator.token_lifetime(MINUTE * 10).pending_for(HOUR * 3));
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    let refused = world.run(submitted.wait().at_most(HOUR * 2).send()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WaitTimeout);
    world.emulator.fault(Fault::Unauthorized).on(Operation::GetAction).times(1);
    assert!(world.run(submitted.wait().at_most(HOUR * 2).send()).await.is_ok());
    // Twice in a row, it is no use.
    world.emulator.fault(Fault::Unauthorized).on(Operation::GetAction).times(2);
    let error = world.run(world.client().action(submitted.id().clone()).wait().send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}

/// Counts the tokens that are asked for, and refuses reads with the first of them.
#[derive(Clone, Debug)]
struct Revoking<T>(T, Arc<Mutex<(usize, Option<HeaderValue>)>>);

#[async_trait]
impl<T: Transport> Transport for Revoking<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        if request.uri().path().ends_with("/token") {
            self.1.lock().unwrap().0 += 1;
            return self.0.send(request).await;
        }
        let token = request.headers().get("authorization").cloned();
        let first = self.1.lock().unwrap().1.get_or_insert_with(|| token.clone().unwrap()).clone();
        if request.method() == Method::GET && token == Some(first) {
            return Ok(Response::builder().status(401).body(Body::empty()).unwrap());
        }
        self.0.send(request).await
    }
}

#[tokio::test]
async fn trap_22_many_401s_at_once_are_one_refresh() {
    let world = World::new();
    let wire = Revoking(world.emulator.transport(), Arc::default());
    let client = world.builder_over(wire.clone()).build().unwrap();
    let id = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap().id().clone();
    assert_eq!(wire.1.lock().unwrap().0, 1);
    let reads = world.run(join_all((0..50).map(|_| client.action(id.clone()).get().send()))).await;
    assert!(reads.iter().all(Result::is_ok));
    assert_eq!(wire.1.lock().unwrap().0, 2);
}

#[tokio::test]
async fn trap_23_many_are_waited_for_with_one_list_a_cycle() {
    let world = World::with(|emulator| emulator.machines(50).pending_for(MINUTE));
    let client = world.client();
    let mut ids = Vec::new();
    for machine in world.machines() {
        ids.push(world.run(client.machine(machine).isolate("c").send()).await.unwrap().id().clone());
    }
    let single = world.emulator.fault(Fault::NotFound).on(Operation::GetAction);
    let ended: Vec<_> = world.run(client.wait_all(ids).stream().collect()).await;
    assert!(ended.len() == 50 && ended.iter().all(|(_, end)| end.is_ok()), "no record is read by itself");
    single.stop();
}

#[tokio::test]
async fn trap_25_a_cancel_cancels_what_the_caller_names_and_nothing_else() {
    let world = World::with(|emulator| emulator.pending_for(HOUR));
    let client = world.client();
    let mut submitted = Vec::new();
    for machine in world.machines() {
        submitted.push(world.run(client.machine(machine).isolate("c").send()).await.unwrap());
    }
    world.run(submitted[1].cancel("This one").send()).await.unwrap();
    let mut statuses = Vec::new();
    for submitted in &submitted {
        statuses.push(world.run(client.action(submitted.id().clone()).get().send()).await.unwrap().status);
    }
    assert_eq!(statuses, [ActionStatus::Pending, ActionStatus::Cancelled, ActionStatus::Pending]);
    // What it only joined is somebody else's, perhaps.
    let joined = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap();
    let error = world.run(joined.cancel("Not ours").send()).await.unwrap_err();
    assert_eq!((joined.origin(), error.kind()), (Origin::Joined, ErrorKind::Request));
    assert!(world.run(joined.cancel("Meant").even_if_not_ours().send()).await.is_ok());
}

#[tokio::test]
async fn trap_26_the_comment_is_the_caller_s_required_and_sent_as_given() {
    let world = World::new();
    let comment = "  Ticket \"4711\"\n\u{1F512} done ";
    world.run(world.client().machine(world.machine()).isolate(comment).send()).await.unwrap();
    let sent: serde_json::Value = serde_json::from_str(&world.ledger().entries()[0].body).unwrap();
    assert_eq!(sent["Comment"], comment);
}

#[tokio::test]
async fn trap_27_cancelled_with_its_commands_completed_is_told_apart() {
    let session = |world: &World| {
        let commands = [LiveResponseCommand::run_script("a.ps1")];
        world.client().machine(world.machine()).run_live_response("c", commands).send()
    };
    let world = World::with(|emulator| emulator.library_file("a.ps1", "exit 0"));
    world.emulator.outcome(Outcome::Cancelled);
    let submitted = world.run(session(&world)).await.unwrap();
    let done = world.run(submitted.wait().send()).await.unwrap_err();
    assert_eq!(done.commands()[0].command_status, CommandStatus::Completed);
    assert!(
        done.to_string().contains("ended as Cancelled") && done.to_string().contains("RunScript Completed"),
        "{done}"
    );

    let world = World::with(|emulator| emulator.pending_for(HOUR));
    let submitted = world.run(session(&world)).await.unwrap();
    world.run(submitted.cancel("c").send()).await.unwrap();
    let undone = world.run(submitted.wait().send()).await.unwrap_err();
    assert_ne!(undone.commands()[0].command_status, CommandStatus::Completed);
    assert!(undone.to_string().contains("RunScript Created"), "{undone}");
}

#[tokio::test]
async fn trap_28_no_token_or_secret_is_printed() {
    let world = World::new();
    let client = world.client();
    let submitted = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap();
    world.emulator.fault(Fault::Unauthorized);
    let error = world.run(submitted.wait().send()).await.unwrap_err();
    let request = client.machine(world.machine()).isolate("c").request().unwrap();
    let printed = format!("{client:?} {submitted:?} {error:?} {error} {request:?}");
    assert!(!printed.contains(world.emulator.client_secret()) && !printed.contains("eyJ"), "{printed}");
}

#[tokio::test]
async fn trap_30_the_quota_is_one_for_all_clones_and_handles() {
    let world = World::with(|emulator| emulator.machines(150));
    let client = world.client();
    let asked = world.machines().into_iter().map(|machine| client.clone().machine(machine).isolate("c").send());
    let all = world.run(join_all(asked.collect::<Vec<_>>())).await;
    assert!(all.iter().all(|one| one.as_ref().is_ok_and(|submitted| submitted.origin() == Origin::Created)));
    // A hundred at once, and the rest a minute later; the service never had to refuse one.
    assert!(world.ledger().entries().iter().all(|entry| entry.status == 201));
    assert!((60..70).contains(&world.clock.elapsed().as_secs()));
}

#[cfg(feature = "hyper")]
#[test]
fn trap_31_no_crypto_provider_is_an_error_and_not_a_panic() {
    use defender_actions::transport::{Crypto, HyperTransport, Roots};
    let wire = HyperTransport::builder().roots(Roots::bundled()).crypto(Crypto::Auto).build();
    assert!(wire.is_ok() || wire.unwrap_err().to_string().contains("crypto provider"));
}

#[tokio::test]
async fn trap_33_an_option_that_is_not_set_is_absent() {
    let world = World::new();
    let machine = world.client().machine(world.machine());
    world.run(machine.isolate("c").send()).await.unwrap();
    let session = machine.run_live_response("c", [LiveResponseCommand::run_script("a.ps1")]);
    world.run(session.send()).await.unwrap();
    assert!(world.ledger().entries().iter().all(|entry| !entry.body.contains("null") && entry.status < 300));
}

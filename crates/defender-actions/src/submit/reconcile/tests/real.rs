//! Random worlds with the client itself, over a transport that responds from the world.

use std::{mem::discriminant, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use defender_auth::StaticCredential;
use defender_model::{Action, LiveResponseCommand, MachineAction, WithExternalId};
use futures_util::{
    StreamExt,
    future::{BoxFuture, Either, join, join_all, select},
};
use serde_json::json;

use super::{
    course::{Course, Deed, Outcome},
    implementation::{OURS, OWN_GUID, OWN_MAIL},
    judge::{Finding, judge_deed},
    model::{GRACE, Model},
    random::world,
    rules::Principal,
    service::{DateHeader, Kind, Missing, NEVER, SECOND, Scope, TypeName},
    shrink::smallest,
    transport::{WorldTransport, as_submission},
    world::{Ids, Network, Submission, World},
};
use crate::{ActionRequest, DefenderClient, Error, ErrorKind, ExternalIds, Intent, Origin, UnknownReason};

/// Number of worlds of one run. Raise it by hand for a long run with `--release`.
const WORLDS: u64 = 500;
const LONGER_THAN_ANY_ACTION: Duration = Duration::from_secs(10_000);
/// End of a process that crashes.
const CRASH: i64 = SECOND - 1;

type Outcomes = BoxFuture<'static, Result<crate::Submitted, Error>>;

/// Ids of a world's submissions for one client: all ids that the caller does not set are generated, or none is.
fn of_one_client(mut world: World) -> World {
    let generates = world.submissions[0].ids == Ids::Generated;
    for submission in world.submissions.iter_mut().filter(|submission| submission.ids != Ids::Given) {
        submission.ids = if generates { Ids::Generated } else { Ids::None };
    }
    world
}

fn client(world: &World, transport: &WorldTransport) -> DefenderClient {
    let claims = match world.principal {
        Principal::GuidAndMail => json!({"oid": OWN_GUID, "upn": OWN_MAIL}),
        Principal::Guid => json!({"appid": OWN_GUID}),
        Principal::Unknown => json!({}),
    };
    let part = |json: &str| BASE64_URL_SAFE_NO_PAD.encode(json);
    let token = format!("{}.{}.c2ln", part(r#"{"alg":"none"}"#), part(&claims.to_string()));
    let generates = world.submissions.iter().any(|submission| submission.ids == Ids::Generated);
    let builder = DefenderClient::builder().credential(StaticCredential::new(token)).transport(transport.clone());
    let builder = builder.clock(transport.clock().clone());
    let ids = if generates { ExternalIds::Generated } else { ExternalIds::AsGiven };
    builder.external_ids(ids).build().unwrap()
}

/// Request of a submission, and its intent.
fn request(client: &DefenderClient, kind: Kind, plan: Submission) -> (Intent, Outcomes) {
    fn finish<A: Action + WithExternalId>(mut request: ActionRequest<A>, plan: Submission) -> (Intent, Outcomes) {
        if plan.ids == Ids::Given {
            request = request.external_id("T-1");
        }
        if plan.resends {
            request = request.resend_if_lost();
        }
        (request.intent().unwrap(), Box::pin(request.send()))
    }
    let (machine, comment) = (client.machine(OURS.parse().unwrap()), plan.comment.text());
    match (kind, plan.scope) {
        (Kind::Scoped, Scope::Full) => finish(machine.isolate(comment), plan),
        (Kind::Scoped, Scope::Selective) => finish(machine.isolate(comment).selective(), plan),
        (Kind::Plain, _) => finish(machine.restrict_code_execution(comment), plan),
        (Kind::NoRule, _) => {
            finish(machine.run_live_response(comment, [LiveResponseCommand::run_script("a.ps1")]), plan)
        }
    }
}

fn outcome(result: &Result<crate::Submitted, Error>) -> Outcome {
    let number = |action: &MachineAction| action.id.as_str().trim_start_matches('a').parse().unwrap();
    let error = match result {
        Ok(submitted) => {
            let id = number(submitted.action());
            return match submitted.origin() {
                Origin::Created => Outcome::Created(id),
                Origin::Joined => Outcome::Joined(id),
                Origin::Recovered => Outcome::Recovered(id),
            };
        }
        Err(error) => error,
    };
    match (error.kind(), error.reason()) {
        (ErrorKind::Conflict, _) => Outcome::Conflict(number(error.action().unwrap())),
        (ErrorKind::AlreadyInProgress, _) => Outcome::AlreadyInProgress(error.action().map(number)),
        (_, Some(UnknownReason::NothingFound)) => Outcome::NothingFound,
        (_, Some(UnknownReason::MayBeOurs)) => Outcome::MayBeOurs,
        (_, Some(UnknownReason::OtherRecord)) => Outcome::OtherRecord(error.action().map(number).unwrap()),
        other => panic!("{other:?}: {error}"),
    }
}

async fn submit(world: &World, transport: &WorldTransport, client: &DefenderClient, number: usize) -> (Outcome, bool) {
    let plan = world.submissions[number];
    transport.sleep_until(plan.at).await;
    let (intent, sent) = request(client, world.kind, plan);
    let result = if plan.crashes {
        let crash = Box::pin(transport.sleep_until(plan.at + CRASH));
        match select(sent, crash).await {
            Either::Left((result, _)) => result,
            Either::Right(((), sent)) => {
                drop(sent);
                self::client(world, transport).recover(intent).await
            }
        }
    } else {
        sent.await
    };
    let outcome = outcome(&result);
    let wait_is_ok = match result {
        Ok(submitted) => submitted.wait().at_most(LONGER_THAN_ANY_ACTION).await.is_ok(),
        Err(_) => false,
    };
    (outcome, wait_is_ok)
}

/// Runs a world with the client and judges it.
fn run(world: &World) -> (Vec<Outcome>, Vec<Finding>) {
    let transport = WorldTransport::new(world, NEVER);
    let client = client(world, &transport);
    let submissions = (0..world.submissions.len())
        .map(|number| as_submission(number, submit(world, &transport, &client, number)))
        .collect::<Vec<_>>();
    let reads = join_all(world.reads.iter().map(|at| async {
        transport.sleep_until(*at).await;
        // Unreadable rows are errors of the list.
        client.actions().stream().collect::<Vec<_>>().await;
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (results, _) = runtime.block_on(transport.clock().run(join(join_all(submissions), reads)));
    let effects = transport.effects();
    let mut findings = Vec::new();
    for (number, (outcome, wait_is_ok)) in results.iter().enumerate() {
        let post = transport.post(number);
        let deed = Deed {
            first_sent: post.sent[0],
            second_sent: post.sent.get(1).copied(),
            first_effect: post.first_effect,
            outcome: Some(*outcome),
            wait_is_ok: *wait_is_ok,
        };
        findings.extend(judge_deed(world, &effects, number, &deed));
    }
    (results.into_iter().map(|(outcome, _)| outcome).collect(), findings)
}

/// Intended differences between client and model. The client recovers a crash for the grace only. Its shared list has other types
/// with unknown names and lacks old ones without a creation. It does not remember old records and unreadable rows. It gives two
/// like submissions of one client without an outcome no record if there is only one.
fn differs_on_purpose(world: &World) -> bool {
    let (plan, service) = (world.submissions[0], world.service);
    let has_date = matches!(service.date, DateHeader::Ahead(_));
    let is_legible = !matches!(service.missing, Missing::Decoding | Missing::Everything);
    let has_other_type = world.others.iter().any(|other| other.request.type_name != TypeName::Ours);
    let has_later = world.others.iter().any(|other| other.at + service.lag > plan.at + GRACE);
    let is_like = |other: &Submission| other.comment == plan.comment && other.scope == plan.scope;
    let has_twin = world.submissions.iter().skip(1).any(is_like);
    has_twin
        || plan.crashes && (plan.network[0] == Network::Late || has_later)
        || service.missing == Missing::KnownType && has_other_type
        || matches!(service.missing, Missing::Creation | Missing::Everything) && !world.others.is_empty()
        || !(world.reads.is_empty() || has_date && is_legible)
}

/// Outcome without the client's reasons for an unknown outcome after a second refusal.
fn plain(outcome: Outcome, other: Outcome) -> Outcome {
    match (outcome, other) {
        (Outcome::NothingFound | Outcome::MayBeOurs, Outcome::RefusedAgain) => Outcome::RefusedAgain,
        _ => outcome,
    }
}

#[test]
fn client_sends_no_second_request() {
    let mut late = 0;
    for seed in 0..WORLDS {
        let world = of_one_client(world(seed));
        let (outcomes, findings) = run(&world);
        late += usize::from(findings.contains(&Finding::DocumentedLate));
        if let Some(fault) = findings.iter().find(|finding| finding.is_fault()) {
            let small = smallest(&world, |world| run(world).1.contains(fault));
            panic!("seed {seed}: {fault:?}, {outcomes:?} in {small:#?}");
        }
    }
    assert!(late > 0, "no late request was among the worlds");
}

/// Returns whether client and model differ in a world in which both must have the same outcomes.
pub(super) fn differs_from_model(world: &World) -> bool {
    if differs_on_purpose(world) {
        return false;
    }
    let (client, model) = (run(world).0, world.run(&Model).courses);
    let count = client.len();
    let same = |(client, model): (&Outcome, &Course)| {
        let model = model.deed.outcome.unwrap();
        // Two submissions of the same action may recover each other's record.
        discriminant(&plain(*client, model)) == discriminant(&model) && (count > 1 || client.ok() == model.ok())
    };
    !client.iter().zip(&model).all(same)
}

#[test]
fn client_matches_model_outcome() {
    let is_alone = |world: &World| world.submissions.len() == 1;
    let mut worlds = (0..WORLDS).map(|seed| of_one_client(world(seed))).filter(is_alone);
    if let Some(world) = worlds.find(differs_from_model) {
        let small = smallest(&world, |world| is_alone(world) && differs_from_model(world));
        panic!("{:?}, and by the model {:?}, in {small:#?}", run(&small).0, small.run(&Model).courses[0].deed);
    }
}

#[test]
fn failing_lists_cause_no_resend() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for seed in 0..WORLDS / 4 {
        let mut world = of_one_client(world(seed));
        world.submissions[0].resends = true;
        world.submissions[0].network = [Network::LostAfter, Network::LostAfter];
        let plan = world.submissions[0];
        // From the first list on, or from the middle of the grace on.
        for fail_from in [plan.at, plan.at + 100 * SECOND] {
            let transport = WorldTransport::new(&world, fail_from);
            let client = client(&world, &transport);
            let sent = async {
                transport.sleep_until(plan.at).await;
                request(&client, world.kind, plan).1.await
            };
            let outcome = runtime.block_on(transport.clock().run(as_submission(0, sent)));
            assert_eq!(transport.post(0).sent.len(), 1, "{outcome:?} in {world:#?}");
        }
    }
}

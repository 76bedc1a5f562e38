//! Call sites of the documentation, compiled and run; and the properties that every future has.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use defender_actions::{
    ActionRequest, BoxStream, Cancel, DefenderClient, Error, Intent, List, Preflight, Recover, Request, Submitted,
    Wait, WaitAll,
    auth::ClientSecretCredential,
    model::{Action, ActionId, ActionStatus, Isolate, MachineAction, MachineId, Sha1},
};
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::Value;

use crate::world::World;

/// Action of another crate: a type with three constants.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct MyOwnAction {
    comment: String,
}

impl Action for MyOwnAction {
    const SEGMENT: &'static str = "isolate";
    const TYPE: &'static str = "Isolate";
    const PERMISSIONS: &'static [&'static str] = &["Machine.Isolate"];
}

type Anything = Box<dyn std::error::Error + Send + Sync>;

/// Call sites as the documentation prints them. They are compiled here and run below.
#[allow(dead_code, reason = "that it compiles is the test")]
async fn as_documented(
    defender: DefenderClient,
    id: MachineId,
    sha1: Sha1,
    saved_id: ActionId,
    ids: Vec<ActionId>,
    intent: Intent,
) -> Result<(), Anything> {
    let half_an_hour = Duration::from_secs(1_800);
    let pending = MachineAction::STATUS.eq(ActionStatus::Pending);
    let submitted = defender
        .machine("1e5bc9d7e413ddd7902c2932e418702b84d0cc07".parse()?)
        .unrestrict_code_execution("Machine was cleaned and validated")
        .await?;
    let _done: MachineAction = submitted.wait().await?;
    let id = || id.clone();
    defender.machine(id()).isolate("Ransomware").selective().await?.wait().at_most(half_an_hour).await?;
    defender.machine(id()).stop_and_quarantine_file("Dropper", sha1).await?;
    defender.action(saved_id.clone()).wait().await?;
    defender.action(saved_id).cancel("False positive").await?;
    defender.recover(intent).await?;
    let _items = defender.actions().filter(pending.clone()).stream();
    let _pages = defender.actions().filter(pending).pages();
    let _ends = defender.wait_all(ids.clone()).stream();
    let _changes = defender.wait_all_keyed(ids.iter().enumerate()).updates();
    let _by_name = defender.wait_all_keyed([("ws-eng-04", &submitted)]).stream();
    defender.machines().find("ws-eng-04").await?;
    defender.machine(id()).perform(MyOwnAction { comment: "c".to_owned() }).await?;
    defender.get::<Value>("/api/machineactions").await?;
    Ok(())
}

#[allow(dead_code, reason = "that it compiles is the test")]
fn a_client_as_documented() -> Result<DefenderClient, Anything> {
    let _by_parts = DefenderClient::builder().credential(ClientSecretCredential::from_env()?).build()?;
    Ok(DefenderClient::from_env()?)
}

fn is_send<T: Send + 'static>(_: &T) {}
fn is_send_and_sync<T: Send + Sync + 'static>() {}

/// Raw call that is stored and passed on.
type BoxedRaw = Arc<Mutex<Request<Value>>>;

#[tokio::test]
async fn every_future_is_send() {
    let world = World::new();
    let client = world.client();
    let (machine, action) = (client.machine(world.machine()), client.action("a".parse().unwrap()));
    let intent = machine.isolate("c").intent().unwrap();
    is_send(&machine.isolate("c").send());
    is_send(&machine.isolate("c").into_future());
    is_send(&machine.perform(MyOwnAction { comment: "c".to_owned() }).send());
    is_send(&action.get().send());
    is_send(&action.get().into_future());
    is_send(&action.wait().send());
    is_send(&action.wait().into_future());
    is_send(&action.wait().updates());
    is_send(&action.cancel("c").send());
    is_send(&action.cancel("c").into_future());
    is_send(&client.recover(intent.clone()).send());
    is_send(&client.recover(intent).into_future());
    is_send(&client.actions().stream());
    is_send(&client.actions().pages());
    is_send(&client.wait_all([]).stream());
    is_send(&client.preflight().send());
    is_send(&client.preflight().into_future());
    is_send(&client.get::<Value>("/api/machineactions").send());
    is_send(&client.get::<Value>("/api/machineactions").into_future());
    is_send(&client.post::<Value>("/api/machineactions", &Value::Null).send());
    is_send_and_sync::<DefenderClient>();
    is_send_and_sync::<Submitted>();
    is_send_and_sync::<Error>();
    is_send_and_sync::<Intent>();
    is_send_and_sync::<(ActionRequest<Isolate>, Cancel, Request<MachineAction>, Wait, WaitAll, Recover, Preflight)>();
    is_send_and_sync::<List<MachineAction>>();
    is_send(&client.get::<Value>("/api/machineactions"));
    is_send_and_sync::<BoxedRaw>();
}

/// Struct with a stream in a field of a named type.
struct Stored {
    rows: BoxStream<Result<MachineAction, Error>>,
}

#[tokio::test]
async fn stream_loop_needs_no_pin() {
    fn is_stream<T>(_: &(impl futures_util::Stream<Item = T> + Unpin + Send + 'static)) {}
    let world = World::with(|emulator| emulator.history(3));
    let client = world.client();
    let action = client.action("a".parse().unwrap());
    let intent = client.machine(world.machine()).isolate("c").intent().unwrap();
    is_stream(&client.actions().pages());
    is_stream(&client.machines().stream());
    is_stream(&client.machines().pages());
    is_stream(&client.library().files().stream());
    is_stream(&client.wait_all([]).stream());
    is_stream(&client.recover_all([intent]).stream());
    is_stream(&action.wait().updates());
    is_stream(&action.package().into_stream());
    let mut stored = Stored { rows: client.actions().stream() };
    let mut read = 0;
    while world.run(stored.rows.next()).await.transpose().unwrap().is_some() {
        read += 1;
    }
    assert_eq!(read, 3);
}

#[tokio::test]
async fn submitted_action_leads_to_its_handle() {
    let world = World::new();
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    let record = world.run(submitted.handle().get().send()).await.unwrap();
    assert_eq!((&record.id, submitted.handle().id()), (submitted.id(), submitted.id()));
}

#[tokio::test]
async fn plain_futures_can_be_spawned() {
    let world = World::new();
    let client = world.client();
    let mut set = tokio::task::JoinSet::new();
    for machine in world.machines() {
        set.spawn(client.machine(machine).isolate("c").send());
    }
    let all: Vec<_> = set.join_all().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.len(), 3);
    let ids = all.iter().map(|submitted| submitted.id().clone());
    let ended: Vec<_> = world.run(client.wait_all(ids).stream().collect()).await;
    assert!(ended.iter().all(|(_, end)| end.is_ok()));
}

#[tokio::test]
async fn foreign_action_follows_its_own_rule() {
    let world = World::with(|emulator| emulator.pending_for(crate::world::HOUR));
    let own = MyOwnAction { comment: "c".to_owned() };
    let machine = world.client().machine(world.machine());
    let request = machine.perform(own.clone()).request().unwrap();
    assert_eq!(request.body(), r#"{"Comment":"c"}"#);
    let submitted = world.run(machine.perform(own.clone()).send()).await.unwrap();
    assert_eq!(submitted.action().requestor_comment.as_deref(), Some("c "), "the service adds a blank");
    // The type has no rule, so the pending action cannot be compared with the request.
    let error = world.run(machine.perform(own).send()).await.unwrap_err();
    assert_eq!(error.kind(), defender_actions::ErrorKind::AlreadyInProgress);
    assert_eq!(error.action_id(), Some(submitted.id()));
}

#[tokio::test]
async fn request_is_built_without_sending() {
    let world = World::new();
    let (client, base) = (world.client(), world.emulator.base_url());
    let machine = world.machine();
    let isolate = client.machine(machine.clone()).isolate("c").selective().request().unwrap();
    assert_eq!(
        (isolate.method().as_str(), isolate.uri().to_string()),
        ("POST", format!("{base}/api/machines/{machine}/isolate"))
    );
    assert_eq!(isolate.body(), r#"{"Comment":"c","IsolationType":"Selective"}"#);
    assert_eq!(isolate.headers()["content-type"], "application/json");
    assert!(!isolate.headers().contains_key("authorization"));
    let action = client.action("a1".parse().unwrap());
    assert_eq!(action.get().request().unwrap().uri().path(), "/api/machineactions/a1");
    assert_eq!(action.cancel("c").request().unwrap().body(), r#"{"Comment":"c"}"#);
    let list = client.actions().page_size(10).request().unwrap();
    assert_eq!(list.uri().path_and_query().unwrap(), "/api/machineactions?$top=10");
    let raw = client.post::<Value>("/api/machines/m1/isolate", &serde_json::json!({"Comment": "c"})).request().unwrap();
    assert_eq!((raw.uri().path(), &raw.body()[..]), ("/api/machines/m1/isolate", &br#"{"Comment":"c"}"#[..]));
    // An action that cannot be sent has no request.
    assert!(client.machine(machine).isolate(" ").request().is_err());
    assert_eq!(world.ledger().len(), 0);
}

#[tokio::test]
async fn collected_list_has_every_row() {
    let world = World::with(|emulator| emulator.history(25).page_size(10));
    let rows: Vec<MachineAction> = world.run(world.client().actions().stream().try_collect()).await.unwrap();
    assert_eq!(rows.len(), 25);
}

/// The types that are used most have an example, which the tests of the documentation compile.
#[test]
fn main_types_have_an_example() {
    for (file, declaration) in [
        ("actions.rs", "pub struct ActionHandle {"),
        ("client/builder/environment.rs", "pub fn from_env() -> Result<Self, Error> {"),
        ("client/builder/mod.rs", "pub struct DefenderClientBuilder {"),
        ("client/request.rs", "pub struct Request<T> {"),
        ("error/mod.rs", "pub struct Error(Box<Inner>);"),
        ("files/download.rs", "pub struct Download {"),
        ("live_response/library.rs", "pub struct Library {"),
        ("machines/handle.rs", "pub struct MachineHandle {"),
        ("machines/mod.rs", "pub struct Machines {"),
        ("preflight/mod.rs", "pub struct Preflight {"),
        ("submit/action_request.rs", "pub struct ActionRequest<A> {"),
        ("submit/cancel.rs", "pub struct Cancel {"),
        ("submit/intent.rs", "pub struct Intent {"),
        ("submit/recover.rs", "pub struct Recover {"),
        ("submit/submitted.rs", "pub struct Submitted {"),
        ("wait/all.rs", "pub struct WaitAll<K = ActionId> {"),
        ("wait/mod.rs", "pub struct Wait {"),
    ] {
        let source = std::fs::read_to_string(format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let (before, _) = source.split_once(declaration).unwrap_or_else(|| panic!("{file}"));
        let documentation = before.rsplit("\n\n").next().unwrap();
        assert!(documentation.contains("/// ```"), "{file}: {declaration} has no example");
    }
}

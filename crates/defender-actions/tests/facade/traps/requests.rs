//! Traps about paths, filters, pages and bodies of requests.

use defender_actions::model::{ActionId, LiveResponseCommand, MachineAction, MachineId};
use futures_util::TryStreamExt;

use super::Saying;
use crate::world::World;

#[tokio::test]
async fn trap_06_every_page_is_read() {
    let world = World::with(|emulator| emulator.history(2_345).page_size(100));
    let rows: Vec<MachineAction> = world.run(world.client().actions().stream().try_collect()).await.unwrap();
    assert_eq!(rows.len(), 2_345);
}

#[tokio::test]
async fn trap_07_filter_quote_is_escaped() {
    let (client, _) = Saying::new(200, r#"{"value":[]}"#).client();
    let request =
        client.actions().filter(MachineAction::REQUESTOR.eq("o'hara' or 1 eq 1 or 'a' eq '")).request().unwrap();
    let query = request.uri().query().unwrap();
    assert_eq!(query.matches("%27%27").count(), 5);
    assert!(!query.contains('\''));
}

#[test]
fn trap_08_unsafe_id_is_rejected() {
    for text in ["", ".", "..", "../machines", "a/b", "a?b", "a#b", "a b", "a%2fb", "a\\b", &"a".repeat(129)] {
        assert!(text.parse::<MachineId>().is_err() && text.parse::<ActionId>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn trap_33_unset_option_is_absent() {
    let world = World::new();
    let machine = world.client().machine(world.machine());
    world.run(machine.isolate("c").send()).await.unwrap();
    let session = machine.run_live_response("c", [LiveResponseCommand::run_script("a.ps1")]);
    world.run(session.send()).await.unwrap();
    assert!(world.ledger().entries().iter().all(|entry| !entry.body.contains("null") && entry.status < 300));
}

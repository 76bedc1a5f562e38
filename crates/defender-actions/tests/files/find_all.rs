//! The search for many machines by their names, beside the search for each.

use std::collections::BTreeSet;

use defender_actions::{Error, ErrorKind, model::Machine};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{World, forbidden, lines, over};

/// Tenant of these machines, in pages of 10,000 without links, whose filters are as case-sensitive as possible.
fn tenant(machines: Vec<Value>) -> impl Fn(&http::Request<bytes::Bytes>) -> (u16, String) {
    move |request| {
        let query = request.uri().query().unwrap_or_default();
        let skip: usize = query.split("$skip=").nth(1).map_or(0, |skip| skip.parse().unwrap());
        let filter =
            query.split("$filter=").nth(1).map(|filter| percent_decode_str(filter).decode_utf8_lossy().into_owned());
        let beginning_of = |name: &str| {
            let starts = Machine::COMPUTER_DNS_NAME.starts_with(name).to_string();
            filter.as_ref().is_none_or(|filter| filter.contains(&starts))
        };
        let rows: Vec<_> = machines
            .iter()
            .filter(|machine| {
                let name = machine["computerDnsName"].as_str().unwrap_or_default();
                name.char_indices().filter_map(|(at, _)| name.get(..at)).chain([name]).any(beginning_of)
            })
            .skip(skip)
            .take(10_000)
            .collect();
        match request.uri().path() {
            "/api/machines" => (200, json!({ "value": rows }).to_string()),
            _ => (404, r#"{"error":{"code":"ResourceNotFound","message":"m"}}"#.to_owned()),
        }
    }
}

#[tokio::test]
async fn thousand_names_take_three_calls() {
    let machines =
        (0..25_000).map(|n| json!({"id": format!("id{n}"), "computerDnsName": format!("WS-{n:05}.contoso.com")}));
    let (defender, transport) = over(tenant(machines.collect()));
    let names: Vec<_> = (0..1_000).map(|n| format!("ws-{:05}.contoso.com", n * 25)).collect();
    let found = defender.machines().find_all(&names[..]).await.unwrap();
    assert_eq!(
        lines(&transport),
        ["GET /api/machines", "GET /api/machines?$skip=10000", "GET /api/machines?$skip=20000"]
    );
    for (n, (name, machine)) in found.into_iter().enumerate() {
        assert_eq!((name, machine.unwrap().id.as_str()), (names[n].clone(), &*format!("id{}", n * 25)));
    }
}

#[tokio::test]
async fn few_names_take_a_call_each() {
    let world = World::new();
    let machines = world.defender.machines();
    let names = ["ws-eng-04.contoso.example", " ", "nobody", "C-LAB-31"];
    let found = world.run(machines.find_all(names).into_future()).await.unwrap();
    let ids = world.emulator.machine_ids();
    assert_eq!(found.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), names);
    assert_eq!((found[0].1.as_ref().unwrap().id.as_str(), found[3].1.as_ref().unwrap().id.as_str()), (ids[0], ids[2]));
    let kinds: Vec<_> = found[1..3].iter().map(|(_, found)| found.as_ref().unwrap_err().kind()).collect();
    assert_eq!(kinds, [ErrorKind::Request, ErrorKind::NotFound]);

    let (defender, transport) = over(tenant(vec![json!({"id": "a", "computerDnsName": "ws-1"})]));
    let both = defender.machines().find_all(["ws-1", "WS-1"]);
    assert!(both.request().unwrap().uri().query().unwrap().contains("ws-1"));
    assert!(both.await.unwrap().iter().all(|(_, found)| found.is_ok()));
    assert_eq!(lines(&transport).len(), 2);
    assert_eq!(defender.machines().find_all::<String>([]).await.unwrap().len(), 0);
    assert_eq!(lines(&transport).len(), 2, "no name takes no call");
}

#[tokio::test]
async fn failed_call_is_one_error() {
    let world = World::with(|builder| builder.without_role("Machine.Read.All").without_role("Machine.ReadWrite.All"));
    for count in [3, 30] {
        let names = (0..count).map(|n| n.to_string());
        forbidden(world.run(world.defender.machines().find_all(names).into_future()).await);
    }
}

#[tokio::test]
async fn unreadable_row_concerns_its_name() {
    let rows = vec![
        json!({"id": "a", "computerDnsName": "ws-1"}),
        json!({"computerDnsName": "WS-1"}),
        json!({"computerDnsName": null}),
        json!({"id": "b", "computerDnsName": "ws-2"}),
    ];
    let names = || (0..11).map(|n| format!("ws-{n}"));
    let (defender, _) = over(tenant(rows.clone()));
    let found = defender.machines().find_all(names()).await.unwrap();
    assert_eq!(found[1].1.as_ref().unwrap_err().kind(), ErrorKind::InvalidResponse);
    assert_eq!(found[2].1.as_ref().unwrap().id.as_str(), "b");
    // A row whose name is no text may be of any name.
    let (defender, _) = over(tenant([rows, vec![json!({"computerDnsName": 5})]].concat()));
    let found = defender.machines().find_all(names()).await.unwrap();
    assert!(found.iter().all(|(_, found)| found.as_ref().unwrap_err().kind() == ErrorKind::InvalidResponse));
}

/// Machine, or kind of the error, with the ids of an ambiguous name.
fn outcome(found: &Result<Machine, Error>) -> Result<String, (ErrorKind, BTreeSet<String>)> {
    let ids = |error: &Error| match error.kind() {
        ErrorKind::Ambiguous => error.machines().iter().map(|machine| machine.id.to_string()).collect(),
        _ => BTreeSet::new(),
    };
    found.as_ref().map(|machine| machine.id.to_string()).map_err(|error| (error.kind(), ids(error)))
}

/// Name of a few letters in one letter case, so that many are equal, longer, or absent.
fn name() -> impl Strategy<Value = String> {
    ("[ab.é]{0,3}", any::<bool>()).prop_map(|(name, upper)| if upper { name.to_uppercase() } else { name })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// The list gives each name what a search for it alone gives.
    #[test]
    fn each_name_is_found_as_alone(
        machines in prop::collection::vec(prop::option::weighted(0.9, name()), 0..12),
        names in prop::collection::vec(name(), 11..16),
    ) {
        let machines = machines.iter().enumerate().map(|(n, name)| json!({"id": format!("m{n}"), "computerDnsName": name}));
        let (defender, _) = over(tenant(machines.collect()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for (name, found) in defender.machines().find_all(names).await.unwrap() {
                let alone = defender.machines().find(name.as_str()).await;
                prop_assert_eq!(outcome(&found), outcome(&alone), "{}", name);
                let (Err(found), Err(alone)) = (found, alone) else { continue };
                prop_assert_eq!(found.machines().is_empty(), alone.machines().is_empty(), "{}", name);
            }
            Ok(())
        })?;
    }
}

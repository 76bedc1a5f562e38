//! The fold of a history against a model that lives through the same actions minute by minute.

use std::collections::{BTreeMap, BTreeSet};

use defender_actions::model::{Machine, MachineAction};
use defender_fleet::{MachineState, StateNow};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

const MACHINES: usize = 40;
/// Length of the history, in minutes: three weeks, so that isolations lapse within it.
const LENGTH: i64 = 21 * 24 * 60;
const WEEK: i64 = 7 * 24 * 60;
const TYPES: [&str; 5] =
    ["Isolate", "Unisolate", "RestrictCodeExecution", "UnrestrictCodeExecution", "RunAntiVirusScan"];
const ENDS: [&str; 6] = ["Succeeded", "Succeeded", "Succeeded", "Failed", "TimeOut", "Cancelled"];

#[derive(Clone, Debug)]
struct Action {
    machine: usize,
    kind: &'static str,
    began: i64,
    lasts: i64,
    end: &'static str,
    /// The history has an older record of the action, too.
    twice: bool,
}

fn action() -> impl Strategy<Value = Action> {
    // Most actions take minutes, and some overlap for days.
    let lasts = prop_oneof![4 => 0..30_i64, 1 => 0..3 * 24 * 60_i64];
    let kind = (prop::sample::select(&TYPES[..]), prop::sample::select(&ENDS[..]));
    (0..MACHINES, kind, 0..LENGTH, lasts, prop::bool::weighted(0.05))
        .prop_map(|(machine, (kind, end), began, lasts, twice)| Action { machine, kind, began, lasts, end, twice })
}

fn time(minute: i64) -> Timestamp {
    Timestamp::constant(1_767_268_800, 0).checked_add(SignedDuration::from_mins(minute)).unwrap()
}

fn record(number: usize, action: &Action, now: i64) -> MachineAction {
    let ended = action.began + action.lasts;
    let (status, updated) = if ended <= now { (action.end, ended) } else { ("InProgress", action.began) };
    serde_json::from_value(json!({
        "id": format!("{number:06}"),
        "type": action.kind,
        "status": status,
        "machineId": format!("m{}", action.machine),
        "scope": "Full",
        "creationDateTimeUtc": time(action.began).to_string(),
        "lastUpdateDateTimeUtc": time(updated).to_string(),
    }))
    .unwrap()
}

fn system(machine: usize) -> &'static str {
    ["Windows11", "macOS", "Ubuntu", "WindowsServer2022"][machine % 4]
}

/// A machine that lives through its actions.
#[derive(Clone, Debug, Default)]
struct Living {
    isolated_since: Option<i64>,
    isolation_ends: Option<i64>,
    restricted_since: Option<i64>,
}

/// Isolated and restricted machines with the minutes since which they are.
type States = (BTreeMap<usize, i64>, BTreeMap<usize, i64>);

fn live(actions: &[Action], now: i64) -> States {
    let mut endings = BTreeMap::<i64, Vec<(i64, usize, &Action)>>::new();
    for (number, action) in actions.iter().enumerate().filter(|(_, action)| action.end == "Succeeded") {
        endings.entry(action.began + action.lasts).or_default().push((action.began, number, action));
    }
    let mut machines = vec![Living::default(); MACHINES];
    for minute in 0..=now {
        for machine in &mut machines {
            if machine.isolation_ends == Some(minute) {
                (machine.isolated_since, machine.isolation_ends) = (None, None);
            }
        }
        let mut ending = endings.remove(&minute).unwrap_or_default();
        ending.sort_by_key(|(began, number, _)| (*began, *number));
        for (_, _, action) in ending {
            let machine = &mut machines[action.machine];
            match action.kind {
                "Isolate" => {
                    machine.isolated_since.get_or_insert(minute);
                    let lapses = matches!(system(action.machine), "macOS" | "Ubuntu");
                    machine.isolation_ends = lapses.then_some(minute + WEEK);
                }
                "Unisolate" => (machine.isolated_since, machine.isolation_ends) = (None, None),
                "RestrictCodeExecution" => drop(machine.restricted_since.get_or_insert(minute)),
                "UnrestrictCodeExecution" => machine.restricted_since = None,
                _ => {}
            }
        }
    }
    let of = |since: fn(&Living) -> Option<i64>| {
        machines.iter().enumerate().filter_map(|(number, machine)| Some((number, since(machine)?))).collect()
    };
    (of(|machine| machine.isolated_since), of(|machine| machine.restricted_since))
}

/// Compares the fold of these actions with the model.
fn agrees(actions: &[Action], now: i64) -> Result<(), TestCaseError> {
    let begun: Vec<_> = actions.iter().filter(|action| action.began <= now).cloned().collect();
    let mut history: Vec<_> = begun.iter().enumerate().map(|(number, action)| record(number, action, now)).collect();
    let older = begun.iter().enumerate().filter(|(_, action)| action.twice);
    history.extend(older.map(|(number, action)| record(number, action, action.began)));
    // The order of the service is no promise.
    history.sort_by_key(|action| action.id.as_str().bytes().rev().collect::<Vec<_>>());
    let machine =
        |number| serde_json::from_value(json!({"id": format!("M{number}"), "osPlatform": system(number)})).unwrap();
    let machines: Vec<Machine> = (0..MACHINES).map(machine).collect();
    let state = StateNow::fold(&history, &machines, time(now));

    let since = |of: fn(&MachineState) -> Option<Timestamp>| -> BTreeMap<usize, Timestamp> {
        let numbered = |machine: &MachineState| Some((machine.machine_id.as_str()[1..].parse().unwrap(), of(machine)?));
        state.machines.iter().filter_map(numbered).collect()
    };
    let (isolated, restricted) = live(&begun, now);
    let times = |of: BTreeMap<usize, i64>| of.into_iter().map(|(number, since)| (number, time(since))).collect();
    prop_assert_eq!(since(|machine| Some(machine.isolation.as_ref()?.since)), times(isolated));
    prop_assert_eq!(since(|machine| Some(machine.restriction.as_ref()?.since)), times(restricted));

    let pending: BTreeSet<_> = state
        .machines
        .iter()
        .flat_map(|machine| &machine.pending)
        .map(|pending| pending.action_id.to_string())
        .collect();
    let under_way = begun
        .iter()
        .enumerate()
        .filter(|(_, action)| action.began + action.lasts > now && action.kind != "RunAntiVirusScan")
        .map(|(number, _)| format!("{number:06}"));
    prop_assert_eq!(pending, under_way.collect());
    let first = begun.iter().map(|action| action.began).min().map(time);
    prop_assert_eq!(state.oldest.and_then(|oldest| oldest.creation_date_time_utc), first);
    prop_assert_eq!(state.actions, begun.len());
    Ok(())
}

const NOW: std::ops::Range<i64> = LENGTH / 2..LENGTH + 2 * WEEK;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn fold_agrees_with_model(actions in prop::collection::vec(action(), 0..400), now in NOW) {
        agrees(&actions, now)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::with_cases(4) })]

    #[test]
    fn long_history_agrees_with_model(actions in prop::collection::vec(action(), 10_000..=10_000), now in NOW) {
        agrees(&actions, now)?;
    }
}

#[test]
fn unmanaged_device_is_contained() {
    let action = |id: &str, scope: serde_json::Value| -> MachineAction {
        serde_json::from_value(
            json!({"id": id, "type": "Isolate", "status": "Succeeded", "machineId": id, "scope": scope,
            "creationDateTimeUtc": "2026-01-01T00:00:00Z"}),
        )
        .unwrap()
    };
    let history = [action("a", json!("UnManagedDevice")), action("b", json!(null)), action("c", json!(null))];
    let machine = |id: &str, status: &str| -> Machine {
        serde_json::from_value(json!({"id": id, "onboardingStatus": status, "osPlatform": "Ubuntu"})).unwrap()
    };
    let machines = [machine("a", "CanBeOnboarded"), machine("b", "CanBeOnboarded"), machine("c", "Onboarded")];
    let now = "2026-01-09T00:00:00Z".parse().unwrap();
    let state = StateNow::fold(&history, &machines, now);
    // A containment does not lapse, and an isolation of Linux does.
    let contained: Vec<_> = state.machines.iter().map(|machine| machine.machine_id.as_str()).collect();
    assert_eq!(contained, ["a", "b"]);
    assert!(state.machines.iter().all(|machine| machine.isolation.as_ref().unwrap().is_containment()));
    // Without its record, a machine stays isolated.
    assert_eq!(StateNow::fold(&history, [], now).machines.len(), 3);
}

/// The year 1 is the date of nothing: such a release is not older than an isolation, and a history does not begin with it.
#[test]
fn unset_date_states_nothing() {
    let action = |id: &str, kind: &str, created: &str, updated: &str| -> MachineAction {
        serde_json::from_value(json!({"id": id, "type": kind, "status": "Succeeded", "machineId": "m1",
            "creationDateTimeUtc": created, "lastUpdateDateTimeUtc": updated}))
        .unwrap()
    };
    let unset = "0001-01-01T00:00:00Z";
    let history = [
        action("a", "Isolate", "2026-01-01T10:00:00Z", "2026-01-01T10:05:00Z"),
        action("b", "Unisolate", "2026-01-01T11:00:00Z", unset),
        action("c", "RestrictCodeExecution", unset, unset),
    ];
    let state = StateNow::fold(&history, [], "2026-01-02T00:00:00Z".parse().unwrap());
    assert!(state.machine("m1").unwrap().isolation.is_none(), "{state}");
    assert_eq!(state.oldest.unwrap().id.as_str(), "a");
}

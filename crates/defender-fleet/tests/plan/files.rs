//! Plans in files, and their hash.

use defender_fleet::{ErrorKind, Plan, Targets};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{folder::Folder, world::World};

/// Plan with each kind of row.
async fn rich_plan() -> Plan {
    let machines = json!([
        {"id": "m1", "computerDnsName": "a", "machineTags": ["hyper-v"]},
        {"id": "m2", "computerDnsName": "b"},
        {"id": "m3", "computerDnsName": "b"},
        {"id": "m4", "computerDnsName": "d", "osPlatform": "Ubuntu"},
    ]);
    let world = World::of(&machines, &json!([]));
    let targets = Targets::names(["a", "b", "nobody", ""]).and(Targets::ids(["m1", "m4"]));
    let plan = world.unrestrict(targets).warn_tag("hyper-v", "A \"host\"\n").halt_after(2).waves([1]);
    plan.exclude_tag("none").resolve().await.unwrap()
}

#[tokio::test]
async fn saved_plan_is_loaded_unchanged() {
    let folder = Folder::new();
    let path = folder.path().join("plan.json");
    let plan = rich_plan().await;
    plan.save(&path).unwrap();
    assert_eq!(Plan::load(&path).unwrap(), plan);
    plan.save(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a partial file is left");
    // The order and the blanks of the text do not matter.
    let compact = serde_json::to_string(&serde_json::from_str::<Value>(&plan.to_json()).unwrap()).unwrap();
    assert_eq!(Plan::from_json(&compact).unwrap(), plan);
}

#[cfg(unix)]
#[tokio::test]
async fn saved_plan_is_private() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let path = folder.path().join("plan.json");
    rich_plan().await.save(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(unix)]
#[tokio::test]
async fn plan_takes_no_place_of_a_link_or_device() {
    use std::os::unix::{fs::symlink, net::UnixListener};

    let folder = Folder::new();
    let (file, link, socket) =
        (folder.path().join("plan.json"), folder.path().join("link"), folder.path().join("socket"));
    let plan = rich_plan().await;
    plan.save(&file).unwrap();
    symlink(&file, &link).unwrap();
    std::fs::write(&file, "old").unwrap();
    plan.save(&link).unwrap();
    assert!(link.is_symlink());
    assert_eq!(Plan::load(&file).unwrap(), plan);
    std::fs::remove_file(&file).unwrap();
    plan.save(&link).unwrap_err();
    assert!(link.is_symlink(), "a link to nothing");
    plan.save(&file).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    let error = plan.save(&socket).unwrap_err();
    assert!(error.to_string().contains("socket`: this is not a regular file; name another one"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "a partial file is left");
}

#[tokio::test]
async fn failed_save_leaves_old_file() {
    let folder = Folder::new();
    let plan = rich_plan().await;
    let error = plan.save(folder.path().join("nowhere/plan.json")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PlanFile);
    assert!(error.to_string().contains("nowhere"), "{error}");
    std::fs::create_dir(folder.path().join("plan.json")).unwrap();
    plan.save(folder.path().join("plan.json")).unwrap_err();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a partial file is left");
}

#[tokio::test]
async fn unreadable_files_are_named() {
    let folder = Folder::new();
    let error = Plan::load(folder.path().join("plan.json")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PlanFile);
    assert!(error.to_string().contains("plan.json"), "{error}");
    for text in ["", "{", "[]x"] {
        assert_eq!(Plan::from_json(text).unwrap_err().kind(), ErrorKind::PlanFile, "{text}");
    }
    // Another form may have another hash.
    let newer = rich_plan().await.to_json().replace("\"version\": 1", "\"version\": 2");
    let error = Plan::from_json(&newer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PlanVersion);
    assert!(error.to_string().contains("form 2"), "{error}");
}

/// Paths of all values in JSON.
fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| paths(value, &format!("{path}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, value)| paths(value, &format!("{path}/{place}"), found));
        }
        _ => {}
    }
    if !path.is_empty() {
        found.push(path.to_owned());
    }
}

/// Change of a value.
#[derive(Clone, Debug)]
enum Edit {
    Set(Value),
    Remove,
    /// Adds a field to the object of the value, or an item to its list.
    Add(String),
}

fn edit() -> impl Strategy<Value = Edit> {
    let set = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z0-9]{0,8}".prop_map(Value::from),
    ];
    prop_oneof![set.prop_map(Edit::Set), Just(Edit::Remove), "[a-z]{1,4}".prop_map(Edit::Add)]
}

/// Applies an edit, and returns false if nothing has changed.
fn apply(plan: &mut Value, path: &str, edit: Edit) -> bool {
    let before = plan.clone();
    let (parent, name) = path.rsplit_once('/').unwrap();
    match (edit, plan.pointer_mut(parent).unwrap()) {
        (Edit::Set(value), Value::Object(fields)) => drop(fields.insert(name.to_owned(), value)),
        (Edit::Set(value), Value::Array(items)) => items[name.parse::<usize>().unwrap()] = value,
        (Edit::Remove, Value::Object(fields)) => drop(fields.remove(name)),
        (Edit::Remove, Value::Array(items)) => drop(items.remove(name.parse().unwrap())),
        (Edit::Add(name), Value::Object(fields)) => drop(fields.entry(name).or_insert(json!("x"))),
        (Edit::Add(name), Value::Array(items)) => items.push(name.into()),
        _ => {}
    }
    *plan != before
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn any_edit_is_noticed(choice in any::<prop::sample::Index>(), edit in edit()) {
        static PLAN: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
        let original = PLAN.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            serde_json::from_str(&runtime.block_on(rich_plan()).to_json()).unwrap()
        });
        let mut found = Vec::new();
        paths(original, "", &mut found);
        let mut plan = original.clone();
        let path = choice.get(&found);
        if apply(&mut plan, path, edit.clone()) {
            let error = Plan::from_json(&plan.to_string()).map(drop).unwrap_err();
            let is_version = path == "/version" && error.kind() == ErrorKind::PlanVersion;
            prop_assert!(is_version || error.kind() == ErrorKind::PlanChanged, "{} {:?}: {}", path, edit, error);
        }
    }
}

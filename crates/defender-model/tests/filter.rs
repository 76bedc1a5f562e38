//! The text of a filter has the intended meaning, for all values.
#![allow(clippy::unwrap_used, reason = "a test fails if it cannot build its input")]

mod odata;

use defender_model::{
    ActionStatus, ActionType, EntraDeviceId, Filter, HealthStatus, Machine, MachineAction, MachineId, Property,
    RiskScore,
};
use jiff::Timestamp;
use odata::{Tree, Value, read};
use proptest::prelude::*;
use serde_json::json;

/// A resource with a property of each type.
struct Row;

const TEXT: Property<Row, String> = Property::named("text");
const TAGS: Property<Row, Vec<String>> = Property::named("tags");
const SEEN: Property<Row, Timestamp> = Property::named("seen");
const STATUS: Property<Row, ActionStatus> = Property::named("status");
const GROUP: Property<Row, i64> = Property::named("group");
const DEVICE: Property<Row, EntraDeviceId> = Property::named("device");

/// A filter, and its intended meaning.
#[derive(Clone, Debug)]
struct Case {
    filter: Filter<Row>,
    meant: Tree,
}

fn case(filter: Filter<Row>, meant: Tree) -> Case {
    Case { filter, meant }
}

fn compare(name: &str, operator: &str, value: Value) -> Tree {
    Tree::Compare(name.to_owned(), operator.to_owned(), value)
}

/// Any text, often one that could break out of its quotes.
fn text() -> impl Strategy<Value = String> {
    let hostile =
        prop::sample::select(vec!["'", "''", " or ", "text eq ", ")", "(", " and ", "not ", "%27", "&$top=1", "a"]);
    prop_oneof![any::<String>(), prop::collection::vec(hostile, 0..6).prop_map(|parts| parts.concat())]
}

/// Dates in the precision of the service, 100 ns, from the year 1 to 9999.
fn date() -> impl Strategy<Value = Timestamp> {
    let ticks = -621_355_968_000_000_000_i128..=2_534_022_000_000_000_000;
    ticks.prop_map(|ticks| Timestamp::from_nanosecond(ticks * 100).unwrap())
}

fn leaf() -> impl Strategy<Value = Case> {
    prop_oneof![
        text().prop_map(|t| case(TEXT.eq(&t), compare("text", "eq", Value::Text(t)))),
        text().prop_map(|t| case(TEXT.ne(t.as_str()), compare("text", "ne", Value::Text(t)))),
        text().prop_map(|t| case(TEXT.starts_with(&t), Tree::StartsWith("text".to_owned(), t))),
        text().prop_map(|t| case(TAGS.contains(&t), Tree::AnyIs("tags".to_owned(), t))),
        text().prop_map(|t| {
            let status = ActionStatus::from(t.as_str());
            let written = status.as_str().to_owned();
            case(STATUS.eq(status), compare("status", "eq", Value::Text(written)))
        }),
        date().prop_map(|d| case(SEEN.gt(d), compare("seen", "gt", Value::Date(d)))),
        date().prop_map(|d| case(SEEN.ge(d), compare("seen", "ge", Value::Date(d)))),
        date().prop_map(|d| case(SEEN.lt(d), compare("seen", "lt", Value::Date(d)))),
        date().prop_map(|d| case(SEEN.le(d), compare("seen", "le", Value::Date(d)))),
        any::<i64>().prop_map(|n| case(GROUP.eq(n), compare("group", "eq", Value::Number(n)))),
        "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}".prop_map(|guid| {
            let device: EntraDeviceId = guid.parse().unwrap();
            case(DEVICE.ne(&device), compare("device", "ne", Value::Guid(guid)))
        }),
    ]
}

fn raw() -> impl Strategy<Value = Case> {
    let text = "group eq 1 or group eq 2";
    Just(Case { filter: Filter::raw(text), meant: read(text).unwrap() })
}

/// Trees with these leaves.
fn tree_of(leaf: impl Strategy<Value = Case> + 'static) -> impl Strategy<Value = Case> {
    leaf.prop_recursive(6, 40, 2, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            two.clone().prop_map(|(a, b)| case(a.filter.and(b.filter), a.meant.and(b.meant))),
            two.prop_map(|(a, b)| case(a.filter.or(b.filter), a.meant.or(b.meant))),
            inner.prop_map(|a| case(!a.filter, a.meant.not())),
        ]
    })
}

/// For each pair of grouping parentheses, the text without that pair.
fn without_a_pair(text: &str) -> Vec<String> {
    let (mut in_quotes, mut open, mut pairs) = (false, Vec::new(), Vec::new());
    let mut before = ' ';
    for (at, char) in text.char_indices() {
        match char {
            '\'' => in_quotes = !in_quotes,
            '(' if !in_quotes => open.push((at, !before.is_alphanumeric())),
            ')' if !in_quotes => {
                let (start, groups) = open.pop().unwrap();
                if groups {
                    pairs.push((start, at));
                }
            }
            _ => {}
        }
        before = char;
    }
    let without = |(start, end)| {
        let kept = text.char_indices().filter(|(at, _)| *at != start && *at != end);
        kept.map(|(_, char)| char).collect()
    };
    pairs.into_iter().map(without).collect()
}

proptest! {
    #[test]
    fn any_filter_keeps_its_meaning(case in tree_of(prop_oneof![9 => leaf(), 1 => raw()])) {
        prop_assert_eq!(read(&case.filter.to_string()), Some(case.meant), "{}", case.filter);
    }

    #[test]
    fn every_pair_of_parentheses_is_required(case in tree_of(leaf())) {
        for shorter in without_a_pair(&case.filter.to_string()) {
            prop_assert_ne!(read(&shorter), Some(case.meant.clone()), "{}", case.filter);
        }
    }

    #[test]
    fn date_is_cut_to_100_nanoseconds(date in any::<(i32, u32)>()) {
        let date = Timestamp::new(i64::from(date.0), (date.1 % 1_000_000_000).cast_signed()).unwrap();
        let Some(Tree::Compare(_, _, Value::Date(written))) = read(&SEEN.ge(date).to_string()) else {
            return Err(TestCaseError::fail("no date"));
        };
        let cut = date.as_nanosecond() - written.as_nanosecond();
        prop_assert!((0..100).contains(&cut), "{}", date);
        prop_assert_eq!(written.as_nanosecond() % 100, 0);
    }
}

#[test]
fn operators_have_odata_precedence() {
    let (a, b, c) = (|| GROUP.eq(1), || GROUP.eq(2), || TEXT.starts_with("x"));
    for (filter, text) in [
        (a().and(b()).or(c()), "group eq 1 and group eq 2 or startswith(text,'x')"),
        (a().and(b().or(c())), "group eq 1 and (group eq 2 or startswith(text,'x'))"),
        (a().and(b().and(c())), "group eq 1 and group eq 2 and startswith(text,'x')"),
        (a().not().and(c().not()), "not (group eq 1) and not startswith(text,'x')"),
        (a().or(b()).not(), "not (group eq 1 or group eq 2)"),
        (c().not().not(), "not not startswith(text,'x')"),
        (Filter::raw("x").and(a()), "(x) and group eq 1"),
        (a().or(Filter::raw("x")), "group eq 1 or (x)"),
        (Filter::raw("x").not(), "not (x)"),
        (Filter::raw("x"), "x"),
        (TAGS.contains("it's"), "tags/any(tag: tag eq 'it''s')"),
    ] {
        assert_eq!(filter.to_string(), text);
    }
}

#[test]
fn documented_samples_are_reproduced() {
    let machine: MachineId = "f46b9bb259ed4a7fb9981b73510e3cc7aa81ec1f".parse().unwrap();
    let since: Timestamp = "2018-08-01T00:00:00Z".parse().unwrap();
    assert_eq!(
        MachineAction::MACHINE_ID.eq(machine).to_string(),
        "machineId eq 'f46b9bb259ed4a7fb9981b73510e3cc7aa81ec1f'"
    );
    let scans = MachineAction::ACTION_TYPE.eq(ActionType::RunAntiVirusScan);
    assert_eq!(
        MachineAction::REQUESTOR.eq("Analyst@contoso.com").and(scans).to_string(),
        "requestor eq 'Analyst@contoso.com' and type eq 'RunAntiVirusScan'"
    );
    for (filter, text) in [
        (Machine::RISK_SCORE.eq(RiskScore::High), "riskScore eq 'High'"),
        (Machine::HEALTH_STATUS.ne(HealthStatus::Active), "healthStatus ne 'Active'"),
        (Machine::LAST_SEEN.gt(since), "lastSeen gt 2018-08-01T00:00:00Z"),
        (Machine::COMPUTER_DNS_NAME.starts_with("mymachine"), "startswith(computerDnsName,'mymachine')"),
        (Machine::MACHINE_TAGS.contains("ExampleTag"), "machineTags/any(tag: tag eq 'ExampleTag')"),
        (Machine::RBAC_GROUP_ID.eq(140), "rbacGroupId eq 140"),
    ] {
        assert_eq!(filter.to_string(), text);
    }
}

/// A null in a known field is dropped; a null in an unknown field is kept in `extra`.
#[test]
fn every_property_is_a_known_field() {
    let action = MachineAction::ID.name();
    for name in [
        MachineAction::STATUS.name(),
        MachineAction::MACHINE_ID.name(),
        MachineAction::ACTION_TYPE.name(),
        MachineAction::REQUESTOR.name(),
        MachineAction::CREATION_DATE_TIME_UTC.name(),
    ] {
        let action: MachineAction = serde_json::from_value(json!({action: "a", name: null})).unwrap();
        assert!(action.extra.is_empty(), "{name}");
    }
    let machine = Machine::ID.name();
    for name in [
        Machine::COMPUTER_DNS_NAME.name(),
        Machine::VERSION.name(),
        Machine::DEVICE_VALUE.name(),
        Machine::AAD_DEVICE_ID.name(),
        Machine::MACHINE_TAGS.name(),
        Machine::LAST_SEEN.name(),
        Machine::EXPOSURE_LEVEL.name(),
        Machine::ONBOARDING_STATUS.name(),
        Machine::LAST_IP_ADDRESS.name(),
        Machine::HEALTH_STATUS.name(),
        Machine::OS_PLATFORM.name(),
        Machine::RISK_SCORE.name(),
        Machine::RBAC_GROUP_ID.name(),
    ] {
        let machine: Machine = serde_json::from_value(json!({machine: "a", name: null})).unwrap();
        assert!(machine.extra.is_empty(), "{name}");
    }
}

//! Any JSON object decodes or is refused, and a decoded object is written back as the same JSON, except for the normalizations
//! that `docs/decisions.md` lists. This file has a second, plain implementation of these normalizations.

use defender_model::{
    ActionId, ActionStatus, ActionType, CommandStatus, DeviceValue, ExposureLevel, HealthStatus, Machine,
    MachineAction, MachineId, OnboardingStatus, Page, RiskScore, Transcript,
};
use jiff::{Timestamp, civil::DateTime, tz::Offset};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Type of a field.
enum Kind {
    Text,
    Flag,
    Whole(i64, i64),
    Date,
    /// A value of an open enum, and the function that writes it.
    Word(fn(&str) -> String),
    /// The same, with the unknown value `""` for a missing field.
    Always(fn(&str) -> String),
    Id(fn(&str) -> bool),
    Any,
    Object(&'static Record),
    Array(&'static Kind),
}

/// For each field: name, older spelling, type.
type Record = [(&'static str, Option<&'static str>, Kind)];

use Kind::{Always, Any, Array, Date, Flag, Id, Object, Text, Whole, Word};

const I32: Kind = Whole(i32::MIN as i64, i32::MAX as i64);
const I64: Kind = Whole(i64::MIN, i64::MAX);

const ACTION: &Record = &[
    ("id", None, Id(|text| text.parse::<ActionId>().is_ok())),
    ("type", None, Always(|word| ActionType::from(word).as_str().to_owned())),
    ("title", None, Text),
    ("requestor", None, Text),
    ("requestorComment", None, Text),
    ("status", None, Always(|word| ActionStatus::from(word).as_str().to_owned())),
    ("machineId", None, Id(|text| text.parse::<MachineId>().is_ok())),
    ("computerDnsName", None, Text),
    ("creationDateTimeUtc", None, Date),
    ("lastUpdateDateTimeUtc", Some("lastUpdateTimeUtc"), Date),
    ("cancellationRequestor", None, Text),
    ("cancellationComment", None, Text),
    ("cancellationDateTimeUtc", None, Date),
    ("errorHResult", None, I32),
    ("scope", None, Text),
    ("externalId", Some("externalID"), Text),
    ("requestSource", None, Text),
    ("relatedFileInfo", None, Object(&[("fileIdentifier", None, Text), ("fileIdentifierType", None, Text)])),
    ("commands", None, Array(&Object(COMMAND))),
    ("troubleshootInfo", None, Any),
];

const COMMAND: &Record = &[
    ("index", None, I32),
    ("startTime", None, Date),
    ("endTime", None, Date),
    ("commandStatus", None, Always(|word| CommandStatus::from(word).as_str().to_owned())),
    ("errors", None, Array(&Text)),
    ("command", None, Object(&[("type", None, Text), ("params", None, Array(&Object(PARAM)))])),
];

const PARAM: &Record = &[("key", None, Text), ("value", None, Text)];

const MACHINE: &Record = &[
    ("id", None, Id(|text| text.parse::<MachineId>().is_ok())),
    ("computerDnsName", None, Text),
    ("firstSeen", None, Date),
    ("lastSeen", None, Date),
    ("osPlatform", None, Text),
    ("osBuild", None, I64),
    ("onboardingStatus", Some("onboardingstatus"), Word(|word| OnboardingStatus::from(word).as_str().to_owned())),
    ("healthStatus", None, Word(|word| HealthStatus::from(word).as_str().to_owned())),
    ("ipAddresses", None, Array(&Object(ADDRESS))),
    ("rbacGroupId", None, I64),
    ("riskScore", None, Word(|word| RiskScore::from(word).as_str().to_owned())),
    ("exposureLevel", None, Word(|word| ExposureLevel::from(word).as_str().to_owned())),
    ("deviceValue", None, Word(|word| DeviceValue::from(word).as_str().to_owned())),
    ("machineTags", None, Array(&Text)),
    ("isAadJoined", None, Flag),
    ("isExcluded", None, Flag),
    ("vmMetadata", None, Any),
];

const ADDRESS: &Record =
    &[("ipAddress", None, Text), ("macAddress", None, Text), ("type", None, Text), ("operationalStatus", None, Text)];

const TRANSCRIPT: &Record = &[
    ("script_name", Some("name"), Text),
    ("exit_code", None, I32),
    ("script_output", None, Text),
    ("script_errors", Some("script_error"), Text),
];

/// Returns the normal form: `Err` for another shape, `Ok(None)` for a missing value.
fn normal(kind: &Kind, value: &Value) -> Result<Option<Value>, ()> {
    let text = || value.as_str().ok_or(());
    match kind {
        _ if value.is_null() => Ok(None),
        Any => Ok(Some(value.clone())),
        Text => text().map(|text| Some(json!(text))),
        Flag => value.as_bool().map(|flag| Some(json!(flag))).ok_or(()),
        Whole(least, most) => {
            let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            number.filter(|number| (*least..=*most).contains(number)).map(|number| Some(json!(number))).ok_or(())
        }
        Date => {
            let text = text()?.trim();
            let local = || text.parse::<DateTime>().and_then(|local| Offset::UTC.to_timestamp(local));
            if text.is_empty() {
                return Ok(None);
            }
            let date = text.parse::<Timestamp>().or_else(|_| local());
            date.map(|date| Some(json!(date.to_string()))).map_err(drop)
        }
        Word(written) => text().map(|word| Some(json!(written(word)))),
        Always(written) => text().map(|word| Some(json!(written(word))).filter(|_| !word.is_empty())),
        Id(is_one) => text().and_then(|id| if is_one(id) { Ok(Some(json!(id))) } else { Err(()) }),
        Object(record) => value.as_object().map(|object| Some(record_of(record, object).into())).ok_or(()),
        Array(kind) => {
            let elements: Vec<_> = value.as_array().ok_or(())?.iter().map(|element| normal(kind, element)).collect();
            elements.into_iter().map(|element| element?.ok_or(())).collect::<Result<_, _>>().map(Some)
        }
    }
}

fn record_of(record: &Record, object: &Map<String, Value>) -> Map<String, Value> {
    let mut out = object.clone();
    for (name, older, kind) in record {
        let mut read = object.get(*name).map_or(Ok(None), |value| normal(kind, value));
        if let (Ok(None), Some(older)) = (&read, older)
            && let Some(value) = object.get(*older)
            && let Ok(older_read) = normal(kind, value)
        {
            out.remove(*older);
            read = Ok(older_read);
        }
        match read {
            Ok(Some(value)) => drop(out.insert((*name).to_owned(), value)),
            Ok(None) => drop(out.remove(*name)),
            Err(()) => half_read(kind, out.get_mut(*name)),
        }
    }
    out
}

/// An array with an element of another shape is kept; the elements before that element are in their normal form.
fn half_read(kind: &Kind, value: Option<&mut Value>) {
    let (Array(kind), Some(Value::Array(elements))) = (kind, value) else { return };
    for element in elements {
        let Ok(Some(read)) = normal(kind, element) else {
            half_read(kind, Some(element));
            return;
        };
        *element = read;
    }
}

/// Returns the expected JSON; `None` for an object that must not decode.
fn expected(record: &Record, json: &Value) -> Option<Value> {
    let object = json.as_object()?;
    let decodes = record.iter().all(|(name, _, kind)| {
        *name != "id" || object.get(*name).is_some_and(|id| matches!(normal(kind, id), Ok(Some(_))))
    });
    decodes.then(|| record_of(record, object).into())
}

/// Names of fields of all resources, and other names.
fn name() -> impl Strategy<Value = String> {
    let mut names = vec!["lastUpdateTimeUtc", "externalID", "onboardingstatus", "name", "script_error", "new", ""];
    for record in [ACTION, COMMAND, PARAM, MACHINE, ADDRESS, TRANSCRIPT] {
        names.extend(record.iter().map(|(name, ..)| name));
    }
    prop_oneof![9 => prop::sample::select(names).prop_map(str::to_owned), 1 => any::<String>()]
}

fn text() -> impl Strategy<Value = String> {
    let telling = prop::sample::select(vec![
        "",
        " ",
        "a",
        "../a",
        "failed",
        "Canceled",
        "offboard",
        "COMPLETED",
        "high",
        "0",
        "-5",
        "+5",
        "2149122456",
        "1e3",
        "2025-03-01T09:15:00.1234567Z",
        "2025-03-01T09:15:00",
        "2025-03-01T09:15:00+02:00",
        "2025-02-30T09:15:00.1234567Z",
        " 2025-03-01T09:15:60.0000000Z ",
        "9999-12-31T23:59:59.9999999Z",
        "-000001-01-01T00:00:00Z",
        "2025-03-01",
    ]);
    prop_oneof![3 => telling.prop_map(str::to_owned), 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        4 => text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Objects as text, mostly with an id. A key may occur twice.
fn object() -> impl Strategy<Value = String> {
    let id = prop_oneof![6 => Just(Some(json!("a"))), 1 => Just(None), 1 => value().prop_map(Some)];
    (id, prop::collection::vec((name(), value()), 0..12)).prop_map(|(id, entries)| {
        let id = id.map(|id| ("id".to_owned(), id));
        let entries = id.into_iter().chain(entries).map(|(name, value)| format!("{}:{value}", Value::from(name)));
        format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
    })
}

fn written<T: serde::Serialize>(read: Option<T>) -> Option<Value> {
    read.and_then(|read| serde_json::to_value(read).ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn object_survives_or_is_refused(text in object()) {
        // `Value` also takes the last of two equal keys.
        let json: Value = serde_json::from_str(&text)?;
        let action = serde_json::from_str::<MachineAction>(&text).ok();
        if let Some(action) = &action {
            prop_assert_eq!(&serde_json::from_str::<MachineAction>(&serde_json::to_string(action)?)?, action);
        }
        prop_assert_eq!(written(action), expected(ACTION, &json), "{}", text);
        let machine = serde_json::from_str::<Machine>(&text).ok();
        prop_assert_eq!(written(machine), expected(MACHINE, &json), "{}", text);
        let transcript = Transcript::parse(text.as_bytes()).ok();
        prop_assert_eq!(written(transcript), expected(TRANSCRIPT, &json), "{}", text);
    }

    #[test]
    fn each_row_keeps_its_position(rows in prop::collection::vec(prop_oneof![object(), value().prop_map(|value| value.to_string())], 0..6)) {
        let page: Page<MachineAction> = serde_json::from_str(&format!("{{\"value\":[{}]}}", rows.join(",")))?;
        prop_assert_eq!(page.value.len() + page.unreadable.len(), rows.len());
        let back = serde_json::to_value(&page)?;
        for (index, row) in rows.iter().enumerate() {
            let row: Value = serde_json::from_str(row)?;
            let back = &back["value"][index];
            match (expected(ACTION, &row), &row) {
                (Some(expected), _) => prop_assert_eq!(back, &expected),
                // An unreadable row keeps its nulls, too.
                (None, Value::Object(object)) => {
                    let back = back.as_object().cloned().unwrap_or_default();
                    prop_assert_eq!(record_of(ACTION, &back), record_of(ACTION, object));
                }
                (None, row) => prop_assert_eq!(back, row),
            }
            prop_assert_eq!(page.unreadable.iter().any(|odd| odd.index == index), expected(ACTION, &row).is_none());
        }
    }
}

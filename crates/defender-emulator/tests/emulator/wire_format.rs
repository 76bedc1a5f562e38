//! The form of records, dates and responses, by choice and by seed.

use std::{collections::BTreeSet, time::Duration};

use defender_emulator::{
    Comments, DateHeader, Duplicates, Effect, EmulatorBuilder, ExternalIds, Fault, Operation, Particulars, Requestor,
    Rows,
};
use serde_json::{Value, json};

use crate::{
    driver::{MACHINE, claims},
    here::{Came, Here},
};

const BODY: &str = r#"{"Comment":"Ransomware","IsolationType":"Selective","ExternalId":"INC-7"}"#;
const SECOND: Duration = Duration::from_secs(1);

fn isolate(here: &Here) -> Value {
    let came = here.post(&format!("/api/machines/{MACHINE}/isolate"), BODY);
    assert_eq!(came.status, 201, "{came:?}");
    came.body
}

/// The first records of 64 isolations, one after the other.
fn many(set_up: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> (Here, Vec<Value>) {
    let here = Here::with(|builder| set_up(builder).quotas(defender_emulator::Quotas::Off));
    let records = (0..64).map(|_| {
        here.clock.advance(3 * SECOND);
        isolate(&here)
    });
    let records = records.collect();
    (here, records)
}

fn texts(records: &[Value], name: &str) -> BTreeSet<Option<String>> {
    records.iter().map(|record| record[name].as_str().map(str::to_owned)).collect()
}

fn id(record: &Value) -> &str {
    record["id"].as_str().unwrap()
}

#[test]
fn application_is_written_by_its_name() {
    let here = Here::with(|builder| builder);
    assert_eq!(isolate(&here)["requestor"], here.emulator.application_name());
}

#[test]
fn requestor_is_written_as_chosen() {
    let here = Here::with(|builder| builder.requestor(Requestor::ApplicationId));
    assert_eq!(isolate(&here)["requestor"], here.emulator.client_id());
    for (requestor, written) in
        [(Requestor::Mail, "analyst@contoso.example"), (Requestor::Guest, "guest@fabrikam.example")]
    {
        assert_eq!(isolate(&Here::with(|builder| builder.requestor(requestor)))["requestor"], written);
    }
    let (here, records) = many(|builder| builder.requestor(Requestor::Seeded(4)));
    assert_eq!(texts(&records, "requestor").len(), 4, "a seed draws each");
    let cancelled = here.post(&format!("/api/machineactions/{}/cancel", id(&records[63])), r#"{"Comment":"c"}"#);
    assert_eq!(cancelled.body["cancellationRequestor"], records[63]["requestor"]);
}

#[test]
fn guest_token_has_the_forms_of_guests() {
    let token = |requestor| {
        let here = Here::with(|builder| builder.requestor(requestor));
        claims(&here.emulator.user_token().unwrap())
    };
    let guest = token(Requestor::Guest);
    assert_eq!(guest["unique_name"], "live.com#guest@fabrikam.example");
    assert_eq!(guest["upn"], "guest_fabrikam.example#EXT#@contoso.example");
    let user = token(Requestor::DisplayName);
    assert_eq!((&user["unique_name"], &user["upn"]), (&user["upn"], &json!("analyst@contoso.example")));
}

#[test]
fn particulars_are_stated_after_pending() {
    let here = Here::with(|builder| builder);
    let body = format!(r#"{{"Comment":"c","Sha1":"{}"}}"#, "a".repeat(40));
    let made = [isolate(&here), here.post(&format!("/api/machines/{MACHINE}/StopAndQuarantineFile"), &body).body];
    let stated = |here: &Here| {
        let [isolation, file] = [0, 1].map(|place: usize| here.action(id(&made[place])));
        (isolation["scope"].clone(), file["relatedFileInfo"]["fileIdentifier"].clone())
    };
    assert_eq!((&made[0]["scope"], &made[1]["relatedFileInfo"]), (&Value::Null, &Value::Null));
    here.clock.advance(Duration::from_nanos(999_999_999));
    assert_eq!(stated(&here), (Value::Null, Value::Null));
    here.clock.advance(Duration::from_nanos(1));
    assert_eq!(stated(&here), (json!("Selective"), json!("a".repeat(40))));
}

#[test]
fn particulars_are_stated_as_chosen() {
    for (particulars, expected) in [
        (Particulars::AtOnce, [true, true, true]),
        (Particulars::After(30 * SECOND), [false, false, true]),
        (Particulars::Never, [false, false, false]),
    ] {
        let here = Here::with(|builder| builder.particulars(particulars));
        let made = isolate(&here);
        let mut stated = vec![!made["scope"].is_null()];
        for step in [29, 1] {
            here.clock.advance(step * SECOND);
            stated.push(!here.action(id(&made))["scope"].is_null());
        }
        assert_eq!(stated, expected, "{particulars:?}");
    }
    let (here, records) = many(|builder| builder.particulars(Particulars::Seeded(4)));
    assert_eq!(texts(&records, "scope").len(), 2, "a seed draws both");
    here.clock.advance(1800 * SECOND);
    let later: BTreeSet<_> = records.iter().map(|record| here.action(id(record))["scope"].is_null()).collect();
    assert_eq!(later.len(), 2, "and some are never filled in");
}

#[test]
fn comment_and_external_id_are_written_as_chosen() {
    let written = |comments, external_ids| {
        let here = Here::with(|builder| builder.comments(comments).external_ids(external_ids));
        let made = isolate(&here);
        let again = here.action(id(&made));
        assert_eq!(
            (&made["requestorComment"], &made["externalId"]),
            (&again["requestorComment"], &again["externalId"])
        );
        (made["requestorComment"].clone(), made["externalId"].clone())
    };
    assert_eq!(written(Comments::Blank, ExternalIds::Echoed), (json!("Ransomware "), json!("INC-7")));
    assert_eq!(written(Comments::Cut(3), ExternalIds::Absent), (json!("Ran"), json!(null)));
    let (comment, uuid) = written(Comments::Null, ExternalIds::Uuid);
    assert_eq!((comment, uuid.as_str().unwrap().parse::<uuid::Uuid>().unwrap().get_version_num()), (json!(null), 4));
    let (comment, word) = written(Comments::Crlf, ExternalIds::Word);
    assert!(comment == "Ransomware\r\n" && word.as_str().unwrap().starts_with("INC"), "{comment} {word}");

    let (_, records) = many(|builder| builder.comments(Comments::Seeded(4)).external_ids(ExternalIds::Seeded(4)));
    let (comments, ids) = (texts(&records, "requestorComment"), texts(&records, "externalId"));
    assert!(comments.len() >= 4 && ids.len() > 20 && ids.contains(&None), "{comments:?} {ids:?}");
}

#[test]
fn external_id_is_filled_in_where_none_was_sent() {
    let here = Here::with(|builder| builder.external_ids(ExternalIds::Word));
    let made = here.post(&format!("/api/machines/{MACHINE}/isolate"), r#"{"Comment":"c"}"#).body;
    assert!(made["externalId"].is_string(), "{made}");
}

#[test]
fn rows_are_unreadable_as_chosen() {
    for (rows, name) in
        [(Rows::NullMachine, "machineId"), (Rows::NullType, "type"), (Rows::NullCreation, "creationDateTimeUtc")]
    {
        let here = Here::with(|builder| builder.rows(rows));
        let made = isolate(&here);
        assert!(made[name].is_string(), "the response to the POST is readable");
        assert_eq!(here.action(id(&made))[name], Value::Null);
        let filter = format!("/api/machineactions?$filter=machineId%20eq%20'{MACHINE}'%20and%20type%20eq%20'Isolate'");
        let row = &here.get(&filter).body["value"][0];
        assert_eq!((&row[name], &row["id"]), (&Value::Null, &made["id"]), "a filter knows what the row does not say");
    }
    let here = Here::with(|builder| builder.rows(Rows::UnknownType));
    assert_eq!(here.action(id(&isolate(&here)))["type"], "QuantumQuarantine");
}

#[test]
fn unreadable_rows_have_five_forms() {
    let (here, records) = many(|builder| builder.rows(Rows::Unreadable));
    let page = here.get("/api/machineactions").body;
    let rows = page["value"].as_array().unwrap();
    let forms: BTreeSet<_> = rows
        .iter()
        .map(|row| {
            (
                row.is_object(),
                row["id"].is_string(),
                row["machineId"].is_string(),
                row["creationDateTimeUtc"].is_string(),
            )
        })
        .collect();
    assert_eq!((rows.len(), forms.len()), (records.len(), 4), "two forms have no text as id: {forms:?}");
    let (here, _) = many(|builder| builder.rows(Rows::Seeded(4)));
    let page = here.get("/api/machineactions").body;
    let odd = |row: &&Value| {
        !["id", "machineId", "type", "creationDateTimeUtc"].iter().all(|name| row[name].is_string())
            || row["type"] == "QuantumQuarantine"
    };
    let odd = page["value"].as_array().unwrap().iter().filter(odd).count();
    assert!((4..32).contains(&odd), "{odd} of 64");
}

#[test]
fn date_is_written_as_chosen() {
    let date = |date| {
        let here = Here::with(|builder| builder.date_header(date));
        here.get("/api/machines").headers.get("date").map(|date| date.to_str().unwrap().to_owned())
    };
    assert_eq!(date(DateHeader::Clock).as_deref(), Some("Thu, 01 Jan 2026 12:00:00 GMT"));
    assert_eq!(date(DateHeader::Absent), None);
    assert_eq!(date(DateHeader::Epoch).as_deref(), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    assert_eq!(date(DateHeader::Ahead(600 * SECOND)).as_deref(), Some("Thu, 01 Jan 2026 12:10:00 GMT"));
    assert_eq!(date(DateHeader::Behind(600 * SECOND)).as_deref(), Some("Thu, 01 Jan 2026 11:50:00 GMT"));
    let here = Here::with(|builder| builder.date_header(DateHeader::Seeded(4)));
    let drawn: BTreeSet<_> = (0..64)
        .map(|_| here.get("/api/machines").headers.get("date").cloned())
        .map(|date| format!("{date:?}"))
        .collect();
    assert!(drawn.len() > 20 && drawn.contains("None"), "{drawn:?}");
}

#[tokio::test]
async fn absent_date_is_absent_over_a_socket() {
    let driver = crate::driver::Driver::with(|builder| builder.date_header(DateHeader::Absent)).await;
    assert_eq!(driver.get("/api/machines").await.header("date"), "", "hyper puts none on");
    let http1 = |builder: EmulatorBuilder| {
        builder.date_header(DateHeader::Absent).http(defender_emulator::AlpnProtocols::Http1)
    };
    assert_eq!(crate::driver::Driver::with(http1).await.get("/api/machines").await.header("date"), "");
}

#[test]
fn ended_action_answers_a_new_post() {
    let here = Here::with(|builder| builder.duplicates(Duplicates::Ended));
    let first = isolate(&here);
    here.clock.advance(24 * 3600 * SECOND);
    let here =
        Here { token: here.token_for(here.emulator.audience()).body["access_token"].as_str().unwrap().into(), ..here };
    let again = isolate(&here);
    assert_eq!((&again["id"], &again["status"]), (&first["id"], &json!("Succeeded")));
    assert_eq!(here.emulator.ledger()[1].effect, Effect::Joined(id(&first).to_owned()));
    let other = here.post(&format!("/api/machines/{MACHINE}/unisolate"), r#"{"Comment":"c"}"#).body;
    assert_ne!(other["id"], first["id"], "another type is made");

    let (_, records) = many(|builder| builder.duplicates(Duplicates::Seeded(4)));
    let ended = records.iter().filter(|record| record["status"] == "Succeeded").count();
    assert!((2..24).contains(&ended), "a seed draws it: {ended} of 64");
}

#[test]
fn block_page_stands_in_the_service_s_place() {
    for status in [200, 302, 400, 403, 404, 511] {
        for (fault, done) in [(Fault::BlockPage(status), false), (Fault::BlockPageAfterEffect(status), true)] {
            let here = Here::with(|builder| builder);
            here.emulator.fault(fault).on(Operation::Isolate).times(1);
            let came = here.post(&format!("/api/machines/{MACHINE}/isolate"), BODY);
            assert_eq!(
                (came.status, came.headers["content-type"].to_str().unwrap()),
                (status, "text/html; charset=UTF-8")
            );
            assert!(came.raw.starts_with(b"<!DOCTYPE html>") && !came.headers.contains_key("odata-version"));
            assert_eq!(came.headers.contains_key("location"), status == 302);
            assert_eq!(matches!(here.emulator.ledger()[0].effect, Effect::Created(_)), done, "{fault:?}");
        }
    }
}

#[test]
fn gateway_answers_in_json_of_its_own() {
    let here = Here::with(|builder| builder);
    here.emulator.fault(Fault::GatewayNotFound);
    let came = here.get("/api/machines");
    assert_eq!((came.status, came.body), (404, json!({"statusCode": 404, "message": "Resource not found"})));
}

#[test]
fn response_speaks_of_another_record() {
    let here = Here::with(|builder| builder);
    let other = |fault| -> Came {
        here.emulator.fault(fault).on(Operation::GetAction).times(1);
        here.get(&format!(
            "/api/machineactions/{}",
            here.get("/api/machineactions").body["value"][0]["id"].as_str().unwrap()
        ))
    };
    let made = isolate(&here);
    assert_eq!(other(Fault::OtherMachine).body["machineId"], here.emulator.machine_ids()[1]);
    assert_eq!(other(Fault::OtherType).body["type"], "CollectInvestigationPackage");
    assert_ne!(other(Fault::OtherRecord).body["id"], made["id"]);
    assert_eq!(here.action(id(&made))["machineId"], MACHINE, "and then of the one that was asked for");
    here.emulator.fault(Fault::OtherMachine).on(Operation::TagMachine).times(1);
    let tagged = here.post(&format!("/api/machines/{MACHINE}/tags"), r#"{"Value":"v","Action":"Add"}"#);
    assert_eq!((tagged.status, &tagged.body["id"]), (200, &json!(here.emulator.machine_ids()[1])));
    here.emulator.fault(Fault::OtherType).on(Operation::ListActions).times(1);
    assert_eq!(here.get("/api/machineactions").body["value"][0]["type"], "CollectInvestigationPackage");
}

#[test]
fn next_links_lead_in_a_circle() {
    let here = Here::with(|builder| builder);
    isolate(&here);
    let next = |path: &str| {
        let link = here.get(path).body["@odata.nextLink"].as_str().unwrap().to_owned();
        link.strip_prefix(here.emulator.base_url()).unwrap().to_owned()
    };
    let first = "/api/machineactions?$filter=type%20eq%20'Isolate'";
    let rule = here.emulator.fault(Fault::CircularLinks).on(Operation::ListActions);
    let second = next(first);
    assert_eq!((second.as_str(), next(&second).as_str()), (&*format!("{first}&$skip=1"), first));
    rule.stop();
    here.emulator.fault(Fault::RepeatedPage).on(Operation::ListActions);
    let second = next(first);
    let third = next(&second);
    assert!(second != first && third != second, "{second} {third}");
    assert_eq!(here.get(&third).body["value"], here.get(first).body["value"]);
}

#[test]
fn behaviors_are_ordered_over_http() {
    let here = Here::with(EmulatorBuilder::control_over_http);
    let order = r#"{"requestor":"app-id","particulars":"at-once","comments":"as-sent","externalIds":"absent"}"#;
    assert_eq!(here.post("/emulator/behaviors", order).status, 200);
    let made = isolate(&here);
    let expected = json!([here.emulator.client_id(), "Selective", "Ransomware", null]);
    assert_eq!(json!([made["requestor"], made["scope"], made["requestorComment"], made["externalId"]]), expected);
    here.post("/emulator/behaviors", r#"{"rows":"null-type","date":"absent","duplicates":"join"}"#);
    let came = here.get(&format!("/api/machineactions/{}", id(&made)));
    assert_eq!((&came.body["type"], came.headers.contains_key("date")), (&Value::Null, false));
    assert_eq!(isolate(&here)["id"], made["id"]);
    assert_eq!(here.send("DELETE", "/emulator/behaviors", "", "").unwrap().unwrap().status, 200);
    assert_eq!(here.action(id(&made))["type"], "Isolate");
    let refused = here.post("/emulator/behaviors", r#"{"rows":"odd"}"#);
    assert_eq!(refused.status, 400);
    assert!(refused.body["error"].as_str().unwrap().contains("null-machine"), "{refused:?}");
}

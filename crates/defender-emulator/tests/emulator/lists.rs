//! The list of actions.

use std::time::Duration;

use serde_json::Value;

use crate::driver::{Driver, MACHINE, encoded, unrestrict_path};

const COMMENT: &str = r#"{"Comment":"c"}"#;

/// Six actions, a minute apart: three types on each of two machines.
async fn six() -> (Driver, Vec<Value>) {
    let driver = Driver::with(|builder| builder.page_size(4)).await;
    let other = driver.emulator.machine_ids()[1].to_owned();
    let mut made = Vec::new();
    for machine in [MACHINE, &other] {
        for segment in ["isolate", "unisolate", "restrictCodeExecution"] {
            made.push(driver.act_on(machine, segment, COMMENT).await);
            driver.clock.advance(Duration::from_secs(60));
        }
    }
    made.push(driver.act("offboard", COMMENT).await);
    (driver, made)
}

fn ids(page: &Value) -> Vec<String> {
    page["value"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// The places in `made` of what the filter finds.
async fn found(driver: &Driver, made: &[Value], options: &str) -> Vec<usize> {
    let response = driver.get(&format!("/api/machineactions?{options}")).await;
    assert_eq!(response.status, 200, "{options}: {response:?}");
    let place = |id: String| made.iter().position(|action| action["id"] == *id).unwrap();
    ids(&response.json()).into_iter().map(place).collect()
}

#[tokio::test]
async fn list_is_newest_first_with_next_links() {
    let (driver, made) = six().await;
    let page = driver.get("/api/machineactions").await.json();
    assert_eq!(page["@odata.context"], driver.url("/api/$metadata#MachineActions"));
    assert!(page["value"][0].get("@odata.context").is_none());
    assert_eq!(page["value"][0].as_object().unwrap().len(), 20);
    let mut seen = ids(&page);
    assert_eq!(seen.len(), 4);
    let link = page["@odata.nextLink"].as_str().unwrap().strip_prefix(driver.emulator.base_url()).unwrap().to_owned();
    let last = driver.get(&link).await.json();
    assert!(last.get("@odata.nextLink").is_none());
    seen.extend(ids(&last));
    let newest_first: Vec<_> = made.iter().rev().map(|action| action["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, newest_first);
}

#[tokio::test]
async fn a_next_link_keeps_the_filter() {
    let (driver, made) = six().await;
    let filter = encoded("type ne 'Offboard' and requestor ne 'o''neil'");
    let page = driver.get(&format!("/api/machineactions?$filter={filter}")).await.json();
    let link = page["@odata.nextLink"].as_str().unwrap().strip_prefix(driver.emulator.base_url()).unwrap().to_owned();
    let last = driver.get(&link).await.json();
    assert_eq!([ids(&page), ids(&last)].concat().len(), made.len() - 1);
}

#[tokio::test]
async fn each_documented_property_is_filtered_by() {
    let (driver, made) = six().await;
    let id = made[2]["id"].as_str().unwrap();
    for (filter, expected) in [
        (format!("id eq '{id}'"), vec![2]),
        (format!("id eq '{id}' or id eq '{}'", made[0]["id"].as_str().unwrap()), vec![2, 0]),
        (format!("machineId eq '{MACHINE}'"), vec![6, 2, 1, 0]),
        (format!("MachineId eq '{MACHINE}' and Type eq 'Isolate'"), vec![0]),
        ("type eq 'Isolate' or type eq 'Offboard'".to_owned(), vec![6, 3, 0]),
        ("status eq 'Pending'".to_owned(), vec![6]),
        ("status eq 'Pending' or status eq 'InProgress'".to_owned(), vec![6]),
        ("status eq 'Failed'".to_owned(), vec![]),
        ("not (status eq 'Succeeded')".to_owned(), vec![6]),
        ("creationDateTimeUtc ge 2026-01-01T12:04:00Z".to_owned(), vec![6, 5, 4]),
        ("creationDateTimeUtc gt 2026-01-01T12:04:00Z".to_owned(), vec![6, 5]),
        ("creationDateTimeUtc lt 2026-01-01T12:02:00Z and creationDateTimeUtc gt 2026-01-01Z".to_owned(), vec![1, 0]),
        (format!("requestor ne '{}'", driver.emulator.application_name()), vec![]),
        ("startswith(type,'Un')".to_owned(), vec![4, 1]),
        (
            "(type eq 'Isolate' or type eq 'Unisolate') and creationDateTimeUtc le 2026-01-01T12:01:00Z".to_owned(),
            vec![1, 0],
        ),
        ("type eq 'Isolate' and id eq 'no guid'".to_owned(), vec![]),
    ] {
        let query = format!("$filter={}", encoded(&filter));
        assert_eq!(found(&driver, &made, &query).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn top_skip_order_and_count_are_kept() {
    let (driver, made) = six().await;
    assert_eq!(found(&driver, &made, "$top=2").await, [6, 5]);
    assert_eq!(found(&driver, &made, "$top=2&$skip=3").await, [3, 2]);
    assert_eq!(found(&driver, &made, "$orderby=creationDateTimeUtc").await, [0, 1, 2, 3]);
    assert_eq!(found(&driver, &made, "$orderby=CreationDateTimeUtc%20desc&$top=1").await, [6]);
    assert_eq!(found(&driver, &made, "$orderby=type%20asc,creationDateTimeUtc%20desc").await, [3, 0, 6, 5]);
    assert_eq!(found(&driver, &made, "$top=0").await, [0; 0]);
    let page = driver.get("/api/machineactions?$top=2&$count=true").await.json();
    assert_eq!(page["@odata.count"], 7);
    assert!(page.get("@odata.nextLink").is_none(), "no more was asked for");
    let count = driver.get("/api/machineactions/$count?$filter=type+eq+'Isolate'").await;
    assert_eq!((count.header("content-type"), &count.body[..]), ("text/plain", b"2".as_slice()));
}

#[tokio::test]
async fn a_top_above_the_page_is_given_in_pages() {
    let (driver, _) = six().await;
    let page = driver.get("/api/machineactions?$top=6").await.json();
    assert_eq!(ids(&page).len(), 4);
    let link = page["@odata.nextLink"].as_str().unwrap().strip_prefix(driver.emulator.base_url()).unwrap().to_owned();
    let rest = driver.get(&link).await.json();
    assert_eq!(ids(&rest).len(), 2);
    assert!(rest.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn undocumented_query_is_refused() {
    let driver = Driver::start().await;
    for options in [
        "$stop=1",
        "$expand=commands",
        "$top=10001",
        "$top=many",
        "$filter=computerDnsName%20eq%20'x'",
        "$filter=id%20in%20('x','y')",
        "$filter=contains(type,'x')",
        "$filter=status%20eq%207",
        "$filter=creationDateTimeUtc%20ge%20'2026-01-01T00:00:00Z'",
        "$filter=type%20eq%20'o'neil'",
        "$orderby=title",
    ] {
        let response = driver.get(&format!("/api/machineactions?{options}")).await;
        assert_eq!(response.status, 400, "{options}");
        let error = &response.json()["error"];
        assert_eq!(error["code"], "", "{options}");
        assert_eq!(error["details"], serde_json::json!([]));
        assert!(error.get("target").is_none());
        assert!(error["message"].as_str().unwrap().starts_with("The query specified in the URI is not valid"));
    }
}

#[tokio::test]
async fn new_action_is_not_listed_yet() {
    let driver = Driver::with(|builder| builder.read_lag(Duration::from_secs(5))).await;
    driver.unrestrict().await;
    assert_eq!(driver.get("/api/machineactions").await.json()["value"], serde_json::json!([]));
    driver.clock.advance(Duration::from_secs(5));
    assert_eq!(driver.get("/api/machineactions").await.json()["value"].as_array().unwrap().len(), 1);
    assert_eq!(driver.post(&unrestrict_path(), COMMENT).await.status, 201);
}

#[tokio::test]
async fn a_list_takes_the_role_of_a_reader() {
    let driver =
        Driver::with(|builder| builder.without_role("Machine.Read.All").without_role("Machine.ReadWrite.All")).await;
    assert_eq!(driver.get("/api/machineactions").await.status, 403);
}

#[tokio::test]
async fn history_is_listed_newest_first() {
    let driver = Driver::with(|builder| builder.history(1_000).page_size(10_000)).await;
    let rows = driver.get("/api/machineactions").await.json()["value"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 1_000);
    assert!(rows.iter().all(|row| row["status"] == "Succeeded" || row["status"] == "Failed"));
    let dates: Vec<_> = rows.iter().map(|row| row["creationDateTimeUtc"].as_str().unwrap()).collect();
    assert!(dates.is_sorted_by(|one, other| one > other));
    let failed = driver.get("/api/machineactions/$count?$filter=status%20eq%20'Failed'").await;
    assert_eq!(&failed.body[..], b"10");
}

// No time is measured, since other load on the machine counts in it; a list that compared each action with each would take minutes here.
#[tokio::test]
async fn list_of_100_000_actions_is_answered() {
    let driver = Driver::with(|builder| builder.history(100_000).quotas(defender_emulator::Quotas::Off)).await;
    for (options, rows) in [
        (String::new(), 10_000),
        (format!("$filter={}", encoded("status eq 'Failed'")), 1_000),
        (
            "$filter=lastUpdateDateTimeUtc%20gt%202020-01-01T00:00:00Z&$orderby=lastUpdateDateTimeUtc%20asc".to_owned(),
            10_000,
        ),
    ] {
        let answer = driver.get(&format!("/api/machineactions?{options}")).await;
        assert_eq!(answer.json()["value"].as_array().map(Vec::len), Some(rows), "{options}");
    }
}

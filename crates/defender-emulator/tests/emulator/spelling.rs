//! The form of a record.

use std::time::Duration;

use defender_emulator::{CreatedStatus, JsonStyle};

use crate::driver::{Driver, MACHINE, unrestrict_path};

#[tokio::test]
async fn documented_update_name_is_a_choice() {
    let driver =
        Driver::with(|builder| builder.json_style(JsonStyle { documented_update_name: true, ..JsonStyle::default() }))
            .await;
    let action = driver.unrestrict().await;
    assert_eq!(action["lastUpdateTimeUtc"], action["creationDateTimeUtc"]);
    assert!(action.get("lastUpdateDateTimeUtc").is_none());
}

#[tokio::test]
async fn omitted_nulls_are_a_choice() {
    let driver =
        Driver::with(|builder| builder.json_style(JsonStyle { omit_nulls: true, ..JsonStyle::default() })).await;
    let action = driver.unrestrict().await;
    let names: std::collections::BTreeSet<_> = action.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "@odata.context",
        "creationDateTimeUtc",
        "id",
        "lastUpdateDateTimeUtc",
        "machineId",
        "requestSource",
        "requestor",
        "requestorComment",
        "status",
        "type",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn dates_have_any_number_of_digits_by_seed() {
    let driver =
        Driver::with(|builder| builder.json_style(JsonStyle { fraction_seed: Some(2), ..JsonStyle::default() })).await;
    let mut seen = std::collections::BTreeSet::new();
    driver.clock.advance(Duration::from_nanos(123_456_789));
    for _ in 0..60 {
        let action = driver.unrestrict().await;
        let date = action["creationDateTimeUtc"].as_str().unwrap().to_owned();
        assert!(date.ends_with('Z'), "{date}");
        seen.insert(date.trim_end_matches('Z').split_once('.').map_or(0, |(_, fraction)| fraction.len()));
        driver.clock.advance(Duration::from_secs(3));
        assert_eq!(driver.action(&action).await["creationDateTimeUtc"], date);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn created_status_is_a_choice() {
    let offboard = format!("/api/machines/{MACHINE}/offboard");
    for (created, one, other) in
        [(CreatedStatus::Documented, 201, 200), (CreatedStatus::Created, 201, 201), (CreatedStatus::Ok, 200, 200)]
    {
        let driver = Driver::with(|builder| builder.created_status(created)).await;
        assert_eq!(driver.post(&unrestrict_path(), r#"{"Comment":"c"}"#).await.status, one);
        assert_eq!(driver.post(&offboard, r#"{"Comment":"c"}"#).await.status, other);
    }
}

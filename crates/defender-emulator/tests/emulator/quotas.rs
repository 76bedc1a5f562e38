//! Too many calls.

use std::time::Duration;

use defender_emulator::{Quotas, RetryAfterForm};

use crate::driver::{Driver, MACHINE};

/// The status and `Retry-After` of so many calls in one moment.
async fn calls(driver: &Driver, path: &str, count: usize) -> Vec<(u16, String)> {
    let token = driver.token().await;
    let mut seen = Vec::new();
    for _ in 0..count {
        let mut request = driver.request_to_post(path, &token, "");
        *request.method_mut() = http::Method::GET;
        let response = driver.send(request).await;
        seen.push((response.status.as_u16(), response.header("retry-after").to_owned()));
    }
    seen
}

#[tokio::test]
async fn call_over_quota_gets_retry_after() {
    let driver = Driver::start().await;
    let path = format!("/api/machines/{MACHINE}");
    let first = calls(&driver, &path, 60).await;
    driver.clock.advance(Duration::from_millis(20_500));
    let then = calls(&driver, &path, 41).await;
    assert!(first.iter().chain(&then[..40]).all(|(status, _)| *status == 200));
    assert_eq!(then[40], (429, "40".to_owned()));
    assert_eq!(calls(&driver, "/api/machines", 1).await[0].0, 200, "another operation has its own");
    driver.clock.advance(Duration::from_secs(40));
    assert_eq!(calls(&driver, &path, 1).await[0].0, 200);
}

#[tokio::test]
async fn a_package_link_is_asked_for_twice_a_minute() {
    let driver = Driver::with(|builder| builder.retry_after(RetryAfterForm::Date)).await;
    let seen = calls(&driver, "/api/machineactions/none/getPackageUri", 3).await;
    let date = "Thu, 01 Jan 2026 12:01:01 GMT".to_owned();
    assert_eq!(seen, [(404, String::new()), (404, String::new()), (429, date)]);
}

#[tokio::test]
async fn a_429_need_not_say_when_to_come_again() {
    let driver = Driver::with(|builder| builder.retry_after(RetryAfterForm::Absent)).await;
    let seen = calls(&driver, "/api/machineactions/none/getPackageUri", 3).await;
    assert_eq!(seen[2], (429, String::new()));
}

#[tokio::test]
async fn quotas_can_be_off() {
    let driver = Driver::with(|builder| builder.quotas(Quotas::Off)).await;
    let seen = calls(&driver, "/api/machineactions/none/getPackageUri", 200).await;
    assert!(seen.iter().all(|(status, _)| *status == 404));
}

#[tokio::test]
async fn who_may_not_call_spends_no_quota() {
    let driver = Driver::start().await;
    for _ in 0..3 {
        let request = http::Request::get(driver.url("/api/machineactions/none/getPackageUri"));
        assert_eq!(driver.send(request.body(bytes::Bytes::new()).unwrap()).await.status, 401);
    }
    assert_eq!(calls(&driver, "/api/machineactions/none/getPackageUri", 1).await[0].0, 404);
}

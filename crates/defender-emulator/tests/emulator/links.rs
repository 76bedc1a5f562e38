//! The links, what is behind them, and the library.

use std::{io::Read, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::driver::{Answer, Driver};

const DONE: Duration = Duration::from_secs(3);
const SESSION: &str = r#"{"Commands":[
    {"type":"PutFile","params":[{"key":"FileName","value":"tool.exe"}]},
    {"type":"RunScript","params":[{"key":"ScriptName","value":"a.ps1"},{"key":"Args","value":"-x"}]},
    {"type":"GetFile","params":[{"key":"Path","value":"C:\\temp\\out.txt"}]}]}"#;

fn plain(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

async fn package(driver: &Driver) -> Answer {
    let action = driver.act("collectInvestigationPackage", r#"{"Comment":"c"}"#).await;
    let path = format!("/api/machineactions/{}/getPackageUri", action["id"].as_str().unwrap());
    assert_eq!(driver.get(&path).await.status, 404, "it is not there yet");
    driver.clock.advance(DONE);
    driver.get(&path).await
}

async fn package_url(driver: &Driver) -> String {
    let response = package(driver).await.json();
    response["value"].as_str().unwrap().trim_matches('"').to_owned()
}

async fn result(driver: &Driver, action: &Value, index: usize) -> Answer {
    let id = action["id"].as_str().unwrap();
    driver.get(&format!("/api/machineactions/{id}/GetLiveResponseResultDownloadLink(index={index})")).await
}

#[tokio::test]
async fn package_link_has_quotes() {
    let driver = Driver::start().await;
    let response = package(&driver).await;
    assert_eq!(response.status, 200);
    let value = response.json()["value"].as_str().unwrap().to_owned();
    assert!(value.starts_with("\"https://") && value.ends_with('"'), "{value}");
    assert!(!value.contains(driver.emulator.base_url()), "another host than the API's: {value}");
    let blob = driver.send(plain(value.trim_matches('"'))).await;
    assert_eq!(blob.status, 200);
    assert!(blob.body.starts_with(b"PK\x03\x04"));
}

#[tokio::test]
async fn another_actions_id_leads_to_no_package() {
    let driver = Driver::start().await;
    let action = driver.unrestrict().await;
    driver.clock.advance(DONE);
    let path = format!("/api/machineactions/{}/GetPackageUri", action["id"].as_str().unwrap());
    assert_eq!(driver.get(&path).await.status, 400);
    assert_eq!(driver.get("/api/machineactions/none/getPackageUri").await.status, 404);
}

#[tokio::test]
async fn link_expires_and_refuses_tokens() {
    let driver = Driver::start().await;
    let url = package_url(&driver).await;
    let mut bearer = plain(&url);
    bearer.headers_mut().insert("authorization", "Bearer x".parse().unwrap());
    let refused = driver.send(bearer).await;
    assert_eq!((refused.status.as_u16(), refused.header("x-ms-error-code")), (401, "InvalidAuthenticationInfo"));
    assert!(refused.body.starts_with(b"<?xml"));
    assert_eq!(driver.send(plain(&url.replace("sig=", "sig=x"))).await.status, 403);
    assert_eq!(driver.send(plain(url.split('?').next().unwrap())).await.status, 403);
    driver.clock.advance(Duration::from_secs(30 * 60 - 1));
    assert_eq!(driver.send(plain(&url)).await.status, 200);
    driver.clock.advance(Duration::from_secs(1));
    let expired = driver.send(plain(&url)).await;
    assert_eq!((expired.status.as_u16(), expired.header("x-ms-error-code")), (403, "AuthenticationFailed"));
}

#[tokio::test]
async fn range_returns_a_part_of_a_blob() {
    let driver = Driver::start().await;
    let url = package_url(&driver).await;
    let whole = driver.send(plain(&url)).await.body;
    let ask = async |range: &str| {
        let mut request = plain(&url);
        request.headers_mut().insert("range", range.parse().unwrap());
        driver.send(request).await
    };
    let part = ask("bytes=4-9").await;
    assert_eq!((part.status.as_u16(), part.header("content-range")), (206, &*format!("bytes 4-9/{}", whole.len())));
    assert_eq!(part.body, whole.slice(4..10));
    let rest = ask("bytes=10-").await;
    assert_eq!(rest.body, whole.slice(10..));
    let none = ask("bytes=99999-").await;
    assert_eq!((none.status.as_u16(), none.header("content-range")), (416, &*format!("bytes */{}", whole.len())));
}

#[tokio::test]
async fn result_links_have_no_quotes() {
    let driver = Driver::with(|builder| builder.library_file("tool.exe", "").library_file("a.ps1", "")).await;
    let action = driver.act("runliveresponse", SESSION).await;
    assert_eq!(result(&driver, &action, 1).await.status, 404, "it has not run yet");
    driver.clock.advance(DONE);
    assert_eq!(result(&driver, &action, 0).await.status, 404, "PutFile has no result");
    assert_eq!(result(&driver, &action, 3).await.status, 404);
    let url = result(&driver, &action, 1).await.json()["value"].as_str().unwrap().to_owned();
    let transcript = driver.send(plain(&url)).await.json();
    assert_eq!((&transcript["script_name"], &transcript["exit_code"]), (&json!("a.ps1"), &json!(0)));
    assert!(transcript["script_output"].as_str().unwrap().ends_with('\0'));

    let url = result(&driver, &action, 2).await.json()["value"].as_str().unwrap().to_owned();
    let packed = driver.send(plain(&url)).await.body;
    let mut file = flate2::read::GzDecoder::new(&packed[..]);
    assert_eq!(file.header().unwrap().filename(), Some(b"out.txt".as_slice()));
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "Contents of C:\\temp\\out.txt\r\n");
}

fn upload(driver: &Driver, token: &str, file: &str, more: &[(&str, &str)]) -> Request<Bytes> {
    let mut parts =
        vec![format!("Content-Disposition: form-data; name=\"{file}\"; filename=\"a.ps1\"\r\n\r\nGet-Date\r\n")];
    parts.extend(
        more.iter().map(|(name, value)| format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")),
    );
    let body = format!("--b\r\n{}", parts.join("--b\r\n"));
    let mut request = driver.request_to_post("/api/libraryfiles", token, &format!("{body}--b--\r\n"));
    request.headers_mut().insert("content-type", "multipart/form-data; boundary=b".parse().unwrap());
    request
}

#[tokio::test]
async fn library_file_is_added_replaced_and_deleted() {
    let driver = Driver::start().await;
    let token = driver.token().await;
    let first = driver.send(upload(&driver, &token, "file", &[("Description", "The date")])).await;
    assert_eq!(first.status, 200, "{first:?}");
    let row = first.json();
    assert_eq!((&row["fileName"], &row["description"]), (&json!("a.ps1"), &json!("The date")));
    assert_eq!(row["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(row["hasParameters"], json!(false));
    assert_eq!(driver.send(upload(&driver, &token, "File", &[])).await.status, 400, "it is there");
    driver.clock.advance(Duration::from_secs(1));
    let again = [("OverrideIfExists", "true"), ("ParametersDescription", "none")];
    let replaced = driver.send(upload(&driver, &token, "File", &again)).await.json();
    assert_eq!(replaced["creationTime"], row["creationTime"]);
    assert_ne!(replaced["lastUpdatedTime"], row["lastUpdatedTime"]);
    assert_eq!(driver.get("/api/libraryfiles").await.json()["value"][0]["parametersDescription"], "none");
    for status in [204, 404] {
        let mut delete = driver.request_to_post("/api/libraryfiles/a.ps1", &token, "");
        *delete.method_mut() = Method::DELETE;
        assert_eq!(driver.send(delete).await.status, status);
    }
    assert_eq!(driver.post("/api/libraryfiles", "{}").await.code(), "InvalidRequestBody");
    assert_eq!(driver.send(upload(&driver, &token, "other", &[])).await.code(), "MissingRequiredParameter");
}

#[tokio::test]
async fn the_library_takes_its_own_role() {
    let driver = Driver::with(|builder| builder.without_role("Library.Manage")).await;
    assert_eq!(driver.get("/api/libraryfiles").await.status, 403);
}

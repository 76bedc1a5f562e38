//! Deprecation notices of the service reach the caller.

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, ErrorKind,
    auth::StaticCredential,
    transport::{Body, Error, Transport},
};
use http::{Method, Request, Response};

/// Service that deprecates the isolation and has retired the reading of actions.
#[derive(Debug)]
pub(crate) struct Ending;

#[async_trait]
impl Transport for Ending {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let response = match request.uri().path().rsplit('/').next() {
            _ if request.method() == Method::GET => Response::builder().status(410).header("odata-version", "4.0"),
            Some("isolate") => Response::builder()
                .status(201)
                .header("Deprecation", "@1785542400")
                .header("Sunset", "Mon, 01 Feb 2027 00:00:00 GMT")
                .header("Link", "<https://learn.microsoft.com/graph>; rel=\"sunset\""),
            _ => Response::builder().status(201),
        };
        Ok(response.body(Body::from(format!(r#"{{"id":"{}"}}"#, named_after(request.uri().path())))).unwrap())
    }
}

/// Id that differs for each path.
fn named_after(path: &str) -> String {
    path.replace('/', "-")
}

fn client() -> DefenderClient {
    DefenderClient::builder().credential(StaticCredential::new("t")).transport(Ending).build().unwrap()
}

#[tokio::test]
async fn deprecation_is_noticed_once() {
    let client = client();
    assert!(client.deprecation_notices().is_empty());
    for machine in ["m1", "m2", "m3"] {
        client.machine(machine.parse().unwrap()).isolate("c").await.unwrap();
    }
    client.machine("m1".parse().unwrap()).unisolate("c").await.unwrap();
    let announced = client.clone().deprecation_notices();
    let [isolate] = announced.as_slice() else { panic!("{announced:?}") };
    assert_eq!((isolate.operation.as_str(), isolate.gone), ("POST /machines/{id}/isolate", false));
    assert_eq!(isolate.deprecation.as_deref(), Some("@1785542400"));
    assert_eq!(isolate.sunset.as_deref(), Some("Mon, 01 Feb 2027 00:00:00 GMT"));
    assert_eq!(
        isolate.to_string(),
        "the service announces the end of POST /machines/{id}/isolate; deprecated since @1785542400; ends Mon, 01 Feb 2027 \
         00:00:00 GMT; details: <https://learn.microsoft.com/graph>; rel=\"sunset\""
    );
}

#[tokio::test]
async fn retired_operation_fails_and_is_noticed() {
    let client = client();
    let error = client.action("a".parse().unwrap()).get().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Retired, Some(410)));
    assert!(!error.is_retryable());
    let announced = client.deprecation_notices();
    assert!(announced[0].gone && announced[0].operation == "GET /machineactions/{id}");
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn each_notice_is_one_event() {
    let recorder = crate::recorder::Recorder::default();
    let _guard = recorder.listen();
    let client = client();
    for machine in ["m1", "m2", "m3"] {
        client.clone().machine(machine.parse().unwrap()).isolate("c").await.unwrap();
        client.action(machine.parse().unwrap()).get().await.unwrap_err();
    }
    let events = recorder.events("defender_actions::lifecycle");
    let operations: Vec<_> = events.iter().map(|event| event.fields.0["operation"].as_str()).collect();
    assert_eq!(operations, ["POST /machines/{id}/isolate", "GET /machineactions/{id}"]);
    assert_eq!(events[0].fields.0["sunset"], "Mon, 01 Feb 2027 00:00:00 GMT");
    assert_eq!(events[1].fields.0["gone"], "true");
}

//! The finished request of each method, before anything is sent, and the first one that is sent.

use defender_actions::{
    Error, ErrorKind, Request,
    model::{DeviceValue, Isolate, UpdateMachine},
};
use serde_json::Value;

use crate::support::{body, line, over};

/// Returns the request that `request()` shows. The await must send it first.
async fn shown_and_sent<T: 'static>(
    sent: impl Fn() -> Vec<http::Request<bytes::Bytes>>,
    request: Request<T>,
) -> String {
    let before = sent().len();
    let shown = request.request().unwrap();
    assert_eq!(sent().len(), before, "nothing is sent");
    assert!(!shown.headers().contains_key("authorization"));
    let _read_or_not = request.await;
    let first = &sent()[before];
    assert_eq!((line(&shown), body(&shown)), (line(first), body(first)));
    assert_eq!(shown.headers().get("content-type"), first.headers().get("content-type"));
    line(&shown)
}

#[tokio::test]
async fn request_shown_is_the_first_sent() {
    let (defender, wire) = over(|request| match request.uri().path() {
        path if path.starts_with("/api/machineactions") => (200, r#"{"id":"a1"}"#.to_owned()),
        _ => (200, r#"{"value":[]}"#.to_owned()),
    });
    let sent = || wire.requests();
    let (machine, machines) = (defender.machine("m1".parse().unwrap()), defender.machines());
    let action = defender.action("a1".parse().unwrap());
    let ids = || ["m1".parse().unwrap()];
    let shown = [
        shown_and_sent(sent, action.get()).await,
        shown_and_sent(sent, defender.get::<Value>("/api/machineactions?$top=1")).await,
        shown_and_sent(sent, defender.post::<Value>("/api/indicators", "x")).await,
        shown_and_sent(sent, machine.get()).await,
        shown_and_sent(sent, machine.check::<Isolate>()).await,
        shown_and_sent(sent, machine.add_tag("t")).await,
        shown_and_sent(sent, machine.set_device_value(DeviceValue::Low)).await,
        shown_and_sent(sent, machine.update(UpdateMachine::new().device_value(DeviceValue::Low))).await,
        shown_and_sent(sent, machines.get("ws-1")).await,
        shown_and_sent(sent, machines.find("ws-1")).await,
        shown_and_sent(sent, machines.add_tag("t", ids())).await,
        shown_and_sent(sent, machines.find_by_tag("t").one()).await,
        shown_and_sent(sent, defender.library().delete("a.ps1")).await,
        shown_and_sent(sent, action.package().link()).await,
        shown_and_sent(sent, action.result(0).stored().link()).await,
        shown_and_sent(sent, action.result(0).transcript()).await,
    ];
    assert_eq!(
        shown,
        [
            "GET /api/machineactions/a1",
            "GET /api/machineactions?$top=1",
            "POST /api/indicators",
            "GET /api/machines/m1",
            "GET /api/machines/m1",
            "POST /api/machines/m1/tags",
            "POST /api/machines/m1/setDeviceValue",
            "PATCH /api/machines/m1",
            "GET /api/machines/ws-1",
            "GET /api/machines?$filter=startswith%28computerDnsName%2C%27ws-1%27%29%20or%20startswith%28computerDnsName%2C\
             %27WS-1%27%29",
            "POST /api/machines/AddOrRemoveTagForMultipleMachines",
            "GET /api/machines/findbytag?tag=t&useStartsWithFilter=false",
            "DELETE /api/libraryfiles/a.ps1",
            "GET /api/machineactions/a1/getPackageUri",
            "GET /api/machineactions/a1",
            "GET /api/machineactions/a1",
        ]
    );
}

#[tokio::test]
async fn invalid_request_has_one_error() {
    async fn errors<T: 'static>(request: Request<T>) -> [Error; 2] {
        [request.request().unwrap_err(), request.send().await.err().unwrap()]
    }
    let (defender, wire) = over(|_| panic!("nothing may be sent"));
    let machine = defender.machine("m1".parse().unwrap());
    for [shown, sent] in [
        errors(machine.add_tag(" ")).await,
        errors(machine.update(UpdateMachine::new())).await,
        errors(defender.machines().find(" ")).await,
        errors(defender.machines().get("../offboard")).await,
        errors(defender.library().delete("..")).await,
        errors(defender.get::<Value>("/etc/passwd")).await,
    ] {
        assert_eq!((shown.kind(), shown.to_string()), (ErrorKind::Request, sent.to_string()));
        assert_eq!(shown.cause().map(ToString::to_string), sent.cause().map(ToString::to_string));
        assert!(shown.never_sent() && sent.never_sent());
    }
    assert!(wire.requests().is_empty());
}

#[tokio::test]
async fn debug_shows_neither_query_nor_body() {
    let (defender, _) = over(|_| panic!("nothing may be sent"));
    let read = defender.get::<Value>("/api/machines?$filter=secret");
    let text = format!("{read:?} {:?}", defender.post::<Value>("/api/machines/m1/isolate", "secret"));
    assert!(!text.contains("secret") && text.contains("GET /machines") && text.contains("isolate"), "{text}");
}

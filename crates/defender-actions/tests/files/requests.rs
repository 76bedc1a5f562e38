//! Each request exactly as its page prints it.

use std::time::Duration;

use defender_actions::{
    ErrorKind,
    model::{DeviceValue, HealthStatus, Machine, UpdateMachine},
    transport::extensions::{self, Idempotency, RateLimitScope},
};
use futures_util::TryStreamExt;

use crate::support::{body, line, lines, over};

const MACHINE: &str = r#"{"id":"m1","computerDnsName":"WS-1"}"#;

#[tokio::test]
async fn machine_reads_match_documentation() {
    let (defender, transport) = over(|request| match request.uri().path() {
        "/api/machines/m1" | "/api/machines/ws-1" => (200, MACHINE.to_owned()),
        _ => (200, format!(r#"{{"value":[{MACHINE}]}}"#)),
    });
    let machines = defender.machines();
    let listed: Vec<Machine> = machines.stream().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    let filter = Machine::HEALTH_STATUS.eq(HealthStatus::Active);
    let _: Vec<Machine> = machines.filter(filter).page_size(5).stream().try_collect().await.unwrap();
    machines.find_by_ip_at("10.0.0.1".parse().unwrap(), "2019-09-22T08:44:05.9Z".parse().unwrap()).one().await.unwrap();
    machines.find_by_ip("fe80::1".parse().unwrap()).one().await.unwrap();
    machines.find_by_tag("a b&c").one().await.unwrap();
    machines.find_by_tag_prefix("a").one().await.unwrap();
    machines.get("ws-1").await.unwrap();
    defender.machine("m1".parse().unwrap()).get().await.unwrap();
    assert_eq!(
        lines(&transport),
        [
            "GET /api/machines",
            "GET /api/machines?$filter=healthStatus%20eq%20%27Active%27&$top=5",
            "GET /api/machines/findbyip(ip='10.0.0.1',timestamp=2019-09-22T08:44:05Z)",
            "GET /api/machines/findbyip(ip='fe80::1',timestamp=2026-01-01T12:00:00Z)",
            "GET /api/machines/findbytag?tag=a%20b%26c&useStartsWithFilter=false",
            "GET /api/machines/findbytag?tag=a&useStartsWithFilter=true",
            "GET /api/machines/ws-1",
            "GET /api/machines/m1",
        ]
    );
}

#[tokio::test]
async fn machine_changes_match_documentation() {
    let (defender, transport) = over(|request| {
        let many = request.uri().path().ends_with("ForMultipleMachines");
        (200, if many { format!(r#"{{"value":[{MACHINE},{{"id":"m2"}}]}}"#) } else { MACHINE.to_owned() })
    });
    let machine = defender.machine("m1".parse().unwrap());
    machine.add_tag("under investigation").await.unwrap();
    machine.remove_tag("old").await.unwrap();
    machine.set_device_value(DeviceValue::High).await.unwrap();
    machine.update(UpdateMachine::new().machine_tags(["a"]).device_value(DeviceValue::Low)).await.unwrap();
    let ids = ["m1", "m2"].map(|id| id.parse().unwrap());
    let tagged = defender.machines().add_tag("x", ids.clone()).await.unwrap();
    assert_eq!(tagged.value[0].id.as_str(), "m1");
    defender.machines().remove_tag("x", ids).await.unwrap();
    let sent: Vec<_> =
        transport.requests().iter().map(|request| format!("{} {}", line(request), body(request))).collect();
    assert_eq!(
        sent,
        [
            r#"POST /api/machines/m1/tags {"Value":"under investigation","Action":"Add"}"#,
            r#"POST /api/machines/m1/tags {"Value":"old","Action":"Remove"}"#,
            r#"POST /api/machines/m1/setDeviceValue {"DeviceValue":"High"}"#,
            r#"PATCH /api/machines/m1 {"machineTags":["a"],"deviceValue":"Low"}"#,
            r#"POST /api/machines/AddOrRemoveTagForMultipleMachines {"Value":"x","Action":"Add","MachineIds":["m1","m2"]}"#,
            r#"POST /api/machines/AddOrRemoveTagForMultipleMachines {"Value":"x","Action":"Remove","MachineIds":["m1","m2"]}"#,
        ]
    );
    for request in transport.requests() {
        assert_eq!(request.headers()["content-type"], "application/json");
        // Adding a tag twice has no further effect.
        assert_eq!(extensions::of(&request), Some(&Idempotency::Idempotent));
        let scope = extensions::of::<RateLimitScope, _>(&request).unwrap();
        let minute = scope.limits.iter().find(|window| window.per == Duration::from_secs(60)).unwrap();
        assert_eq!(minute.calls, 100);
    }
}

#[tokio::test]
async fn link_requests_match_documentation() {
    let (defender, transport) = over(|request| {
        let record = r#"{"id":"a1","status":"Succeeded","commands":[
            {"index":0,"commandStatus":"Completed","command":{"type":"GetFile"}}]}"#;
        let is_record = request.uri().path() == "/api/machineactions/a1";
        (200, if is_record { record.to_owned() } else { r#"{"value":"https://b.example/?sig=s"}"#.to_owned() })
    });
    let action = defender.action("a1".parse().unwrap());
    action.package().link().await.unwrap();
    let link = action.result(0).stored().link().await.unwrap();
    assert_eq!(link.url(), "https://b.example/?sig=s");
    assert_eq!(
        lines(&transport),
        [
            "GET /api/machineactions/a1/getPackageUri",
            "GET /api/machineactions/a1",
            "GET /api/machineactions/a1/GetLiveResponseResultDownloadLink(index=0)",
        ]
    );
    let [package, _, result] = &transport.requests()[..] else { panic!() };
    let limits = |request: &http::Request<bytes::Bytes>| {
        let scope = extensions::of::<RateLimitScope, _>(request).unwrap().clone();
        scope.limits.iter().map(|window| (window.calls, window.per.as_secs())).collect::<Vec<_>>()
    };
    assert_eq!((limits(package), limits(result)), (vec![(2, 60), (120, 3_600)], vec![(100, 60), (1_500, 3_600)]));
}

#[tokio::test]
async fn invalid_request_is_never_sent() {
    let (defender, transport) = over(|_| panic!("nothing may be sent"));
    let machine = defender.machine("m1".parse().unwrap());
    let many = |count: u32| (0..count).map(|n| n.to_string().parse().unwrap()).collect::<Vec<_>>();
    let errors = [
        machine.add_tag(" ").await.unwrap_err(),
        machine.update(UpdateMachine::new()).await.unwrap_err(),
        defender.machines().find(" ").await.unwrap_err(),
        defender.machines().get("../offboard").await.unwrap_err(),
        defender.machines().add_tag("x", many(501)).await.unwrap_err(),
        defender.machines().add_tag("x", many(0)).await.unwrap_err(),
        defender.library().upload("../a.ps1", "x").await.unwrap_err(),
        defender.library().upload("a\r\nb", "x").await.unwrap_err(),
        defender.library().delete("..").await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Request, "{error}");
        assert!(error.never_sent());
    }
    let large = defender.library().upload("a.bin", vec![0; (20 << 20) + 1]).await.unwrap_err();
    assert_eq!((large.kind(), large.never_sent()), (ErrorKind::TooLarge, true));
    assert!(transport.requests().is_empty());
}

#[tokio::test]
async fn library_requests_match_documentation() {
    let (defender, transport) = over(|request| match request.method().as_str() {
        "GET" => (200, r#"{"value":[{"fileName":"a.ps1"}]}"#.to_owned()),
        "POST" => (200, r#"{"fileName":"a.ps1"}"#.to_owned()),
        _ => (204, String::new()),
    });
    let library = defender.library();
    let files: Vec<_> = library.files().stream().try_collect().await.unwrap();
    assert_eq!(files[0].file_name, "a.ps1");
    library.upload("a.ps1", "Get-Date").await.unwrap();
    library.upload("a.ps1", "Get-Date").description("d").parameters("p").override_if_exists().await.unwrap();
    library.delete("a b.ps1").await.unwrap();
    assert_eq!(
        lines(&transport),
        [
            "GET /api/libraryfiles",
            "POST /api/libraryfiles",
            "POST /api/libraryfiles",
            "DELETE /api/libraryfiles/a%20b.ps1"
        ]
    );
    let [_, bare, full, _] = &transport.requests()[..] else { panic!() };
    assert_eq!(
        extensions::of(bare),
        Some(&Idempotency::NonIdempotent),
        "a second attempt would find the file of the first"
    );
    assert_eq!(extensions::of(full), Some(&Idempotency::Idempotent));
    let boundary = "defender-form-0000000000000000";
    assert_eq!(full.headers()["content-type"], format!("multipart/form-data; boundary={boundary}"));
    let file = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"File\"; filename=\"a.ps1\"\r\n\
         Content-Type: application/octet-stream\r\n\r\nGet-Date\r\n"
    );
    let field =
        |name, value| format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    assert_eq!(body(bare), format!("{file}--{boundary}--\r\n"));
    let fields = [
        field("Description", "d"),
        field("ParametersDescription", "p"),
        field("HasParameters", "true"),
        field("OverrideIfExists", "true"),
    ];
    assert_eq!(body(full), format!("{file}{}--{boundary}--\r\n", fields.concat()));
}

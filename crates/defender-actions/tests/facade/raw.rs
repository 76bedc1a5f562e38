//! Raw calls: they stay on the API's host, below its prefix, and within the quota.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use defender_actions::{
    DefenderClient, ErrorKind,
    auth::StaticCredential,
    model::LiveResponseCommand,
    transport::{Clock, testing::MockTransport},
};
use defender_emulator::{Fault, Operation};
use futures_util::{
    TryStreamExt,
    future::{join, join_all},
};
use serde_json::{Value, json};

use crate::world::{MINUTE, World};

#[tokio::test]
async fn raw_get_and_post_work() {
    let world = World::new();
    let client = world.client();
    let made: Value = world
        .run(client.post(format!("/api/machines/{}/isolate", world.machine()), &json!({"Comment": "c"})).send())
        .await
        .unwrap();
    let id = made["id"].as_str().unwrap();
    let read: Value = world.run(client.get(format!("/api/machineactions/{id}")).send()).await.unwrap();
    assert_eq!(read["id"], made["id"]);
    let url = format!("{}/api/machineactions?$top=1&$filter=type%20eq%20'Isolate'", world.emulator.base_url());
    let listed: Value = world.run(client.get(url).send()).await.unwrap();
    assert_eq!(listed["value"][0]["id"], made["id"]);
}

#[tokio::test]
async fn foreign_path_is_never_sent() {
    // A mock without expectations fails the test when it is called.
    let transport = MockTransport::new();
    let client = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport).build().unwrap();
    for path in [
        "",
        "/",
        "/api",
        "machineactions",
        "/machineactions",
        "/apix/machineactions",
        "/api/../secrets",
        "/api/machines/..",
        "/api/./machines",
        "/api/%2e%2e/secrets",
        "/api/machines%2f..",
        "/api//evil.example.com",
        "//evil.example.com/api/machineactions",
        "https://evil.example.com/api/machineactions",
        "http://api.security.microsoft.com/api/machineactions",
        "https://api.security.microsoft.com:8443/api/machineactions",
        "https://api.security.microsoft.com.evil.example.com/api/machineactions",
        "https://user@api.security.microsoft.com/api/machineactions",
        "https://login.microsoftonline.com/api/x",
        "/api/a b",
    ] {
        for error in [
            client.get::<Value>(path).await.unwrap_err(),
            client.post::<Value>(path, &json!({})).await.unwrap_err(),
            client.get::<Value>(path).request().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Request, "{path}");
            assert!(error.never_sent(), "{path}");
        }
    }
    assert!(client.get::<Value>("https://API.security.microsoft.com:443/api/machineactions").request().is_ok());
}

#[tokio::test]
async fn only_raw_get_is_retried() {
    let world = World::new();
    let client = world.client();
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Isolate).times(1);
    let path = format!("/api/machines/{}/isolate", world.machine());
    let error = world.run(client.post::<Value>(path, &json!({"Comment": "c"})).send()).await.unwrap_err();
    assert!(error.is_outcome_unknown() && !error.is_retryable());
    assert_eq!(world.ledger().len(), 1);
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::ListActions).times(1);
    assert!(world.run(client.get::<Value>("/api/machineactions").send()).await.is_ok());
    world.emulator.fault(Fault::Hang).on(Operation::ListActions).times(1);
    let began = world.clock.elapsed();
    let late = client.get::<Value>("/api/machineactions").timeout(Duration::from_secs(3));
    assert_eq!(world.run(late.send()).await.unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(world.clock.elapsed().saturating_sub(began).as_secs(), 3);
}

#[tokio::test]
async fn raw_spellings_share_typed_quota() {
    let world = World::with(|emulator| emulator.machines(60));
    let client = world.client();
    for machine in world.machines() {
        world.run(client.machine(machine.clone()).isolate("c").send()).await.unwrap();
        let repeat = client.post::<Value>(format!("/api/v1.0/MACHINES/{machine}/Isolate"), &json!({"Comment": "c"}));
        // The first request causes the refusal, and not the quota.
        assert_eq!(world.run(repeat.send()).await.unwrap_err().status(), Some(400));
    }
    assert!(world.ledger().entries().iter().all(|entry| entry.status != 429));
    assert!(world.clock.elapsed() >= Duration::from_secs(60));
}

/// Lines of the emulator's log.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Times of the requests whose path ends with `suffix` in any letter case.
    fn times(&self, of: &str) -> Vec<jiff::Timestamp> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let is_it = |line: &Value| line["path"].as_str().unwrap().to_ascii_lowercase().contains(of);
        let found: Vec<_> = lines.filter(is_it).collect();
        assert!(found.iter().all(|line| line["status"] != 429));
        found.iter().map(|line| line["time"].as_str().unwrap().parse().unwrap()).collect()
    }
}

/// Makes 80 typed and 80 raw calls at once and checks the first minute.
async fn share_one_quota(
    (world, log): (&World, &Log),
    of: &str,
    paths: [String; 4],
    typed: impl AsyncFn(&DefenderClient),
) {
    let client = world.client();
    let typed = join_all((0..80).map(|_| typed(&client)));
    let raw = join_all((0..80).zip(paths.iter().cycle()).map(|(_, path)| client.get::<Value>(path).send()));
    world.run(join(typed, raw)).await;
    let times = log.times(of);
    let begin = *times.iter().min().unwrap();
    let first_minute = times.iter().filter(|time| time.duration_since(begin).unsigned_abs() < MINUTE).count();
    assert_eq!((times.len(), first_minute), (160, 100), "{of}");
}

fn logged() -> (World, Log) {
    let log = Log::default();
    (World::with(|emulator| emulator.log(log.clone())), log)
}

#[tokio::test]
async fn ip_searches_share_one_quota() {
    let (world, log) = logged();
    let paths = [
        "/api/machines/findbyip(ip='10.0.0.1',timestamp=2026-01-01T00:00:00Z)",
        "/api/v1.0/machines/findbyip(ip='10.0.0.2',timestamp=2026-01-01T00:00:00Z)",
        "/api/Machines/FindByIp(ip='10.0.0.1',timestamp=2026-01-01T00:00:00Z)",
        "/api/machines/%66indbyip(ip=%2710.0.0.1',timestamp=2026-01-01T00:00:00Z)",
    ];
    share_one_quota((&world, &log), "indbyip(", paths.map(ToOwned::to_owned), async |client| {
        let found = client.machines().find_by_ip_at("10.0.0.1".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH);
        let _empty_or_refused = found.stream().try_collect::<Vec<_>>().await;
    })
    .await;
}

#[tokio::test]
async fn result_links_share_one_quota() {
    let (world, log) = logged();
    let command = LiveResponseCommand::get_file("C:\\a.txt");
    let run = world.client().machine(world.machine()).run_live_response("c", [command]);
    let done = world.run(async { run.await.unwrap().wait().await }).await.unwrap();
    let paths = [
        format!("/api/machineactions/{}/GetLiveResponseResultDownloadLink(index=0)", done.id),
        "/api/machineactions/another/GetLiveResponseResultDownloadLink(index=1)".to_owned(),
        format!("/api/v1.0/machineactions/{}/getliveresponseresultdownloadlink(index=0)", done.id),
        format!("/api/MACHINEACTIONS/{}/%47etLiveResponseResultDownloadLink(index=0)", done.id),
    ];
    share_one_quota((&world, &log), "etliveresponseresultdownloadlink(", paths, async |client| {
        client.action(done.id.clone()).result(0).stored().link().await.unwrap();
    })
    .await;
}

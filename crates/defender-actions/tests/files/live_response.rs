//! Results of live response, on the emulator and from a machine with false metadata.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use defender_actions::{
    DefenderClient, ErrorKind,
    model::{ActionId, ActionStatus, LiveResponseCommand as Command},
};
use defender_emulator::{Fault, Operation, Outcome};
use flate2::{Compression, GzBuilder};

use crate::{
    store::{Folder, Store, always},
    support::{World, error_chain, forbidden, over},
};

async fn session(world: &World) -> ActionId {
    for name in ["tool.exe", "a.ps1"] {
        let upload = world.defender.library().upload(name, "content").override_if_exists();
        world.run(upload.into_future()).await.unwrap();
    }
    let machine = world.defender.machine(world.emulator.machine_ids()[0].parse().unwrap());
    let commands =
        [Command::put_file("tool.exe"), Command::run_script("a.ps1").args("-x"), Command::get_file(r"C:\temp\out.txt")];
    world.run(machine.run_live_response("c", commands).into_future()).await.unwrap().id().clone()
}

fn gzip(name: Option<&[u8]>, content: &[u8]) -> Bytes {
    let mut builder = GzBuilder::new();
    if let Some(name) = name {
        builder = builder.filename(name);
    }
    let mut packed = builder.write(Vec::new(), Compression::default());
    packed.write_all(content).unwrap();
    packed.finish().unwrap().into()
}

#[tokio::test]
async fn script_output_is_read() {
    let world = World::new();
    let action = world.defender.action(session(&world).await);
    let early = world.run(action.result(1).transcript().into_future()).await.unwrap_err();
    assert_eq!((early.kind(), early.action().is_some()), (ErrorKind::NotReady, true));
    world.clock.advance(Duration::from_secs(3));
    let result = world.run(action.result(1).transcript().into_future()).await.unwrap();
    assert_eq!((result.script_name().as_str(), result.exit_code()), ("a.ps1", Some(0)));
    assert_eq!(result.output(), "Transcript started\na.ps1 -x\n");
    assert_eq!(result.raw().script_output.as_deref(), Some("Transcript started\r\na.ps1 -x\r\n\0"));
    assert_eq!((result.errors().as_str(), result.to_string()), ("", result.output()));
}

#[tokio::test]
async fn collected_file_is_unpacked() {
    let (world, folder) = (World::new(), Folder::new());
    let action = world.defender.action(session(&world).await);
    world.clock.advance(Duration::from_secs(3));
    let got = world.run(action.result(2).file().save_as(folder.0.join("got"))).await.unwrap();
    assert_eq!(std::fs::read_to_string(folder.0.join("got")).unwrap(), "Contents of C:\\temp\\out.txt\r\n");
    assert_eq!((got.file_name().as_deref(), got.untrusted_name()), (Some("out.txt"), Some("out.txt")));
    let mut stored = Vec::new();
    world.run(action.result(2).stored().write_to(&mut stored)).await.unwrap();
    assert!(stored.starts_with(&[0x1f, 0x8b]));
}

#[tokio::test]
async fn transcript_download_times_out() {
    let world = World::new();
    let action = world.defender.action(session(&world).await);
    world.clock.advance(Duration::from_secs(3));
    world.emulator.fault(Fault::Hang).on(Operation::DownloadBlob);
    let download = action.result(1).transcript().timeout(Duration::from_secs(20));
    let error = world.run(download.into_future()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error_chain(&error).contains("within 20s"));
}

#[tokio::test]
async fn trap_19_put_file_has_no_result() {
    let world = World::new();
    let action = world.defender.action(session(&world).await);
    world.clock.advance(Duration::from_secs(3));
    let record = world.run(action.get().into_future()).await.unwrap();
    let put = &record.commands.unwrap()[0];
    let params = put.command.as_ref().unwrap().params.as_ref().unwrap();
    assert_eq!(params[0].key.as_deref(), Some("FileName"));

    let store = Store::with_link("https://blobs.example.com/x?sig=s", "PutFile", [always(200, &[], "no")]);
    for error in [
        world.run(action.result(0).transcript().into_future()).await.unwrap_err(),
        world.run(action.result(0).file().write_to(Vec::new())).await.unwrap_err(),
        world.run(action.result(0).stored().link().into_future()).await.unwrap_err(),
        // A successful PutFile is not a failed action.
        store.run(store.result().transcript().into_future()).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.never_sent()), (ErrorKind::NoResult, true), "{error}");
        assert!(error_chain(&error).contains("PutFile puts a file") && error.action().is_some());
    }
    assert_eq!(store.transport.requests().len(), 1, "the record alone was read");
}

#[tokio::test]
async fn missing_result_is_never_requested() {
    let world = World::new();
    let action = world.defender.action(session(&world).await);
    world.clock.advance(Duration::from_secs(3));
    let no_file = world.run(action.result(1).file().write_to(Vec::new())).await.unwrap_err();
    let no_transcript = world.run(action.result(2).transcript().into_future()).await.unwrap_err();
    let no_command = world.run(action.result(3).stored().write_to(Vec::new())).await.unwrap_err();
    for (error, why) in [
        (no_file, "is a transcript, and not a file"),
        (no_transcript, "is a file, and not a transcript"),
        (no_command, "has 3 commands"),
    ] {
        assert_eq!((error.kind(), error.action().is_some()), (ErrorKind::NoResult, true), "{error}");
        assert!(error_chain(&error).contains(why), "{error:?}");
    }
    // The first command fails, and the others are never run.
    let world = World::new();
    world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 });
    let failed = world.defender.action(session(&world).await);
    world.clock.advance(Duration::from_secs(3));
    let error = world.run(failed.result(1).transcript().into_future()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoResult);
    assert!(error_chain(&error).contains("the command was not run, since the action ended as Failed"));
}

#[tokio::test]
async fn unknown_action_is_not_found() {
    let world = World::with(|builder| builder.without_role("Machine.Read.All").without_role("Machine.ReadWrite.All"));
    let action = world.defender.action(session(&world).await);
    forbidden(world.run(action.result(1).transcript().into_future()).await);
    forbidden(world.run(action.result(2).file().write_to(Vec::new())).await);
    let world = World::new();
    let nobody = world.defender.action("nobody".parse().unwrap());
    assert!(world.run(nobody.result(0).transcript().into_future()).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn unsafe_file_name_is_sanitized() {
    let folder = Folder::new();
    let packed = gzip(Some(b"../../etc/passwd"), b"root");
    let store = Store::with_link("https://blobs.example.com/x?sig=s", "GetFile", [always(200, &[], packed)]);
    let got = store.run(store.result().file().save_as(folder.0.join("mine"))).await.unwrap();
    assert_eq!(folder.names(), ["mine"]);
    assert_eq!(std::fs::read(folder.0.join("mine")).unwrap(), b"root");
    assert_eq!((got.file_name().as_deref(), got.untrusted_name()), (Some("passwd"), Some("../../etc/passwd")));
    // A file without the gzip magic is not gzip.
    let endless = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3][..], &vec![b'a'; 1 << 20]].concat();
    let store = Store::with_link("https://blobs.example.com/x?sig=s", "GetFile", [always(200, &[], endless)]);
    let error = store.run(store.result().file().save_as(folder.0.join("other"))).await.unwrap_err();
    assert_eq!((error.kind(), folder.names().len()), (ErrorKind::Corrupt, 1));
}

#[tokio::test]
async fn gzip_bomb_ends_at_limit() {
    let bomb = gzip(None, &vec![0; 20 << 20]);
    let folder = Folder::new();
    let link = "https://blobs.example.com/x?sig=s";
    let store = Store::with_link(link, "GetFile", [always(200, &[], bomb.clone())]);
    let error = store.run(store.result().file().limit(2 << 20).save_as(folder.0.join("x"))).await.unwrap_err();
    assert_eq!((error.kind(), folder.names().len()), (ErrorKind::TooLarge, 0));
    let store = Store::with_link(link, "RunScript", [always(200, &[], bomb)]);
    let error = store.run(store.result().transcript().into_future()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn broken_gzip_is_corrupt() {
    let link = "https://blobs.example.com/x?sig=s";
    let mut flipped = gzip(Some(b"a"), &[7; 1_000]).to_vec();
    let crc = flipped.len() - 8;
    flipped[crc] ^= 1;
    let store = Store::with_link(link, "GetFile", [always(200, &[], flipped)]);
    let error = store.run(store.result().file().write_to(Vec::new())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let store = Store::with_link(link, "GetFile", [always(200, &[], "MZ plain")]);
    let mut written = Vec::new();
    let got = store.run(store.result().file().write_to(&mut written)).await.unwrap();
    assert_eq!((written.as_slice(), got.untrusted_name()), (&b"MZ plain"[..], None));
}

#[tokio::test]
async fn transcript_escapes_are_sanitized() {
    let link = "https://blobs.example.com/x?sig=s";
    let output = "\u{1b}[2J\u{1b}]0;owned\u{7}all is well\r\nerror\rfine\u{202e}\0\0";
    let body =
        serde_json::json!({"script_name": "a\u{1b}[31m.ps1", "exit_code": 1, "script_output": output}).to_string();
    for stored in [Bytes::from(format!("{body}\0\0")), gzip(None, body.as_bytes())] {
        let store = Store::with_link(link, "RunScript", [always(200, &[], stored)]);
        let result = store.run(store.result().transcript().into_future()).await.unwrap();
        assert_eq!(result.output(), "all is well\nerror\nfine");
        assert_eq!((result.script_name().as_str(), result.exit_code()), ("a.ps1", Some(1)));
        assert_eq!(result.raw().script_output.as_deref(), Some(output));
        assert!(!format!("{result}{result:?}").contains('\u{1b}'));
    }
    let store = Store::with_link(link, "RunScript", [always(200, &[], "\u{1b}[2J no JSON")]);
    let error = store.run(store.result().transcript().into_future()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(!error_chain(&error).contains('\u{1b}'));
}

#[tokio::test]
async fn failed_command_is_visible() {
    let world = World::new();
    world.emulator.outcome(Outcome::Succeeded);
    let machine = world.defender.machine(world.emulator.machine_ids()[0].parse().unwrap());
    let commands = [Command::run_script("not-there.ps1"), Command::get_file(r"C:\x")];
    let session = world.run(machine.run_live_response("c", commands).into_future()).await.unwrap();
    let ended = world.run(session.wait().into_future()).await.unwrap();
    assert_eq!(ended.status, ActionStatus::Succeeded);
    let failed: Vec<_> = ended.failed_commands().filter_map(|command| command.index).collect();
    assert_eq!(failed, [0]);
}

/// Client of a session with this status and these fields. The link has this status, and the store has a transcript.
fn with_record(status: &str, fields: &str, link: u16) -> DefenderClient {
    let record = format!(r#"{{"id":"a1","type":"LiveResponse","status":"{status}"{fields}}}"#);
    let (defender, _) = over(move |request| match request.uri().path() {
        "/api/machineactions/a1" => (200, record.clone()),
        "/x" => (200, r#"{"script_name":"a.ps1","exit_code":1}"#.to_owned()),
        _ if link == 200 => (200, r#"{"value":"https://blobs.example.com/x?sig=s"}"#.to_owned()),
        _ => (link, r#"{"error":{"code":"ResourceNotFound","message":"m"}}"#.to_owned()),
    });
    defender
}

#[tokio::test]
async fn unstated_commands_exclude_no_result() {
    for commands in ["", r#","commands":null"#, r#","commands":7"#, r#","commands":[]"#, r#","commands":[{}]"#] {
        for status in ["Succeeded", "Cancelled"] {
            let session = with_record(status, commands, 200).action("a1".parse().unwrap());
            assert_eq!(session.result(0).transcript().await.unwrap().exit_code(), Some(1), "{status} {commands}");
            session.result(0).file().write_to(Vec::new()).await.unwrap();
            let missing = with_record(status, commands, 404).action("a1".parse().unwrap());
            let error = missing.result(0).stored().link().await.unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::NotFound, true), "{status} {commands}");
        }
        let pending = with_record("Pending", commands, 404).action("a1".parse().unwrap());
        let error = pending.result(0).transcript().await.unwrap_err();
        assert_eq!((error.kind(), error.action().is_some()), (ErrorKind::NotReady, true), "{commands}");
    }
}

#[tokio::test]
async fn failed_command_without_link_has_no_result() {
    let failed = r#","commands":[{"index":0,"commandStatus":"Failed","errors":["no such script"],"command":{"type":"RunScript"}}]"#;
    for (status, link) in [("Succeeded", 404), ("Failed", 404), ("Failed", 400)] {
        let session = with_record(status, failed, link).action("a1".parse().unwrap());
        for error in [
            session.result(0).transcript().await.unwrap_err(),
            session.result(0).stored().write_to(Vec::new()).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.is_retryable(), error.never_sent()), (ErrorKind::NoResult, false, false));
            assert_eq!((error.commands().len(), error.status()), (1, None), "{error}");
            assert!(error.to_string().contains("the command failed and has no result: no such script"), "{error}");
            assert!(error_chain(&error).contains("ResourceNotFound"), "{error:?}");
        }
    }
    // A failed script may have a transcript, and a running session may still get one.
    let session = with_record("Failed", failed, 200).action("a1".parse().unwrap());
    assert_eq!(session.result(0).transcript().await.unwrap().exit_code(), Some(1));
    let session = with_record("InProgress", failed, 404).action("a1".parse().unwrap());
    assert_eq!(session.result(0).transcript().await.unwrap_err().kind(), ErrorKind::NotReady);
}

#[tokio::test]
async fn action_of_another_type_has_no_link() {
    for (kind, may_appear) in [("Isolate", false), ("", true), ("TypeOfTomorrow", true)] {
        for link in [404, 400] {
            let (defender, _) = over(move |request| match request.uri().path() {
                "/api/machineactions/a1" => (200, format!(r#"{{"id":"a1","type":"{kind}","status":"Succeeded"}}"#)),
                _ => (link, r#"{"error":{"code":"ResourceNotFound","message":"m"}}"#.to_owned()),
            });
            let action = defender.action("a1".parse().unwrap());
            for error in [
                action.result(0).stored().link().await.unwrap_err(),
                action.result(0).transcript().await.unwrap_err(),
                action.package().link().await.unwrap_err(),
            ] {
                assert_eq!((error.status(), error.action().is_some()), (Some(link), true), "{kind}: {error}");
                assert_eq!(error.is_retryable(), may_appear && link == 404, "{kind} {link}: {error}");
            }
        }
    }
    // The action may be running.
    let (defender, _) = over(|request| match request.uri().path() {
        "/api/machineactions/a1" => (200, r#"{"id":"a1","type":"Isolate","status":"Pending"}"#.to_owned()),
        _ => (404, r#"{"error":{"code":"ResourceNotFound","message":"m"}}"#.to_owned()),
    });
    let action = defender.action("a1".parse().unwrap());
    for error in
        [action.result(0).file().write_to(Vec::new()).await.unwrap_err(), action.package().link().await.unwrap_err()]
    {
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::NotFound, false), "{error}");
    }
}

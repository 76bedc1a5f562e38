//! The emulator as a program.

use std::{path::PathBuf, process::Stdio};

use tokio::process::Command;

#[cfg(unix)]
use crate::driver::ends;

/// The program, to be ended with the test if the test does not end it.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_defender-emulator"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A file that is gone when the test is.
struct CaFile(PathBuf);

impl CaFile {
    fn new() -> Self {
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.pem", uuid::Uuid::new_v4())))
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
async fn stop(child: &mut tokio::process::Child, signal: &str) -> Option<i32> {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    ends(child.wait()).await.unwrap().code()
}

#[cfg(unix)]
#[tokio::test]
async fn program_prints_one_line_and_stops_on_signal() {
    use bytes::Bytes;
    use defender_transport::{HyperTransport, Roots, Transport};
    use http::Request;
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

    for signal in ["-TERM", "-INT"] {
        let file = CaFile::new();
        let mut child = program().args(["--port", "0", "--ca-file"]).arg(&file.0).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).await.unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        for name in
            ["authority", "audience", "tenant_id", "client_id", "application_name", "client_secret", "imds_endpoint"]
        {
            assert!(!said[name].as_str().unwrap().is_empty(), "{name}");
        }
        assert_eq!(said.as_object().unwrap().len(), 12);
        assert_eq!(said["machine_ids"][0], "1e5bc9d7e413ddd7902c2932e418702b84d0cc07");
        assert_eq!(said["ca_file"], file.0.to_str().unwrap());

        let roots = Roots::pem(std::fs::read(&file.0).unwrap()).unwrap();
        let wire = HyperTransport::builder().roots(roots).build().unwrap();
        let url = format!("{}/api/machineactions/some", said["base_url"].as_str().unwrap());
        assert_eq!(wire.send(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap().status(), 401);

        assert_eq!(stop(&mut child, signal).await, Some(0), "{signal}");
        let mut rest = String::new();
        out.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "", "one line and no more");
    }
}

#[tokio::test]
async fn help_is_what_a_stranger_is_meant_to_read() {
    for flag in ["--help", "-h"] {
        let output = program().arg(flag).output().await.unwrap();
        assert!(output.status.success());
        let help = String::from_utf8(output.stdout).unwrap();
        // Written anew with `cargo run -p defender-emulator -- --help > crates/defender-emulator/tests/emulator/help.txt`.
        assert_eq!(help, include_str!("help.txt"));
        assert!(help.lines().all(|line| line.len() <= 130), "it fits on a screen");
    }
    let version = program().arg("--version").output().await.unwrap();
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        concat!("defender-emulator ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[cfg(unix)]
#[tokio::test]
async fn program_takes_state_log_and_manual_clock() {
    use bytes::Bytes;
    use defender_transport::{HyperTransport, Roots, Transport};
    use http::Request;
    use tokio::io::{AsyncBufReadExt, BufReader};

    let (ca_file, log) = (CaFile::new(), CaFile::new());
    let state = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulator/state.json");
    let mut command = program();
    command.args(["--manual-clock", "--state", state, "--ca-file"]).arg(&ca_file.0).arg("--log").arg(&log.0);
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(said["machine_ids"][1], "dc9e8e5c2f4b4a6d8f1e0a9b7c6d5e4f3a2b1c0d");

    let roots = Roots::pem(std::fs::read(&ca_file.0).unwrap()).unwrap();
    let wire = HyperTransport::builder().roots(roots).build().unwrap();
    let base = said["base_url"].as_str().unwrap();
    let send = async |request: http::request::Builder, body: &'static str| {
        let response = wire.send(request.body(Bytes::from_static(body.as_bytes())).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        (status, response.into_body().collect(1 << 20).await.unwrap())
    };
    let turn = Request::post(format!("{base}/emulator/clock")).header("content-type", "application/json");
    let (status, body) = send(turn, r#"{"advanceSeconds":259200}"#).await;
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["elapsedSeconds"]), (200, &serde_json::json!(259_200.0)));
    let (status, _) = send(Request::get(format!("{base}/api/machines?$top=1")), "").await;
    assert_eq!(status, 401);
    let (status, body) = send(Request::get(format!("{base}/emulator/ledger")), "").await;
    assert_eq!((status, &body[..]), (200, &br#"{"entries":[],"next":0}"#[..]));

    assert_eq!(stop(&mut child, "-TERM").await, Some(0));
    let written = std::fs::read_to_string(&log.0).unwrap();
    let lines: Vec<serde_json::Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "orders are not requests: {written}");
    assert_eq!((&lines[0]["path"], &lines[0]["status"]), (&"/api/machines".into(), &401.into()));
}

#[cfg(unix)]
#[tokio::test]
async fn program_takes_http_version_and_clock_speed() {
    use bytes::Bytes;
    use defender_transport::{HyperTransport, Roots, Transport};
    use http::{Request, Version};
    use tokio::io::{AsyncBufReadExt, BufReader};

    for (offer, version) in [("both", Version::HTTP_2), ("1.1", Version::HTTP_11), ("2", Version::HTTP_2)] {
        let ca_file = CaFile::new();
        let mut command = program();
        command.args(["--http", offer, "--clock-speed", "100000", "--stop-with-stdin", "--ca-file"]).arg(&ca_file.0);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let roots = Roots::pem(std::fs::read(&ca_file.0).unwrap()).unwrap();
        let wire = HyperTransport::builder().roots(roots).build().unwrap();
        let time = async || {
            let url = format!("{}/emulator/clock", said["base_url"].as_str().unwrap());
            let response = wire.send(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap();
            assert_eq!(response.version(), version, "{offer}");
            let body = response.into_body().collect(1 << 20).await.unwrap();
            serde_json::from_slice::<serde_json::Value>(&body).unwrap()["elapsedSeconds"].as_f64().unwrap()
        };
        let (first, second) = (time().await, time().await);
        // A round trip takes some hundredths of a millisecond at the very least, which are seconds there.
        assert!(second - first > 1.0, "{first} {second}");
        drop(child.stdin.take());
        assert_eq!(ends(child.wait()).await.unwrap().code(), Some(0), "{offer}");
    }
}

#[tokio::test]
async fn bad_arguments_are_named_on_stderr() {
    for (arguments, named) in [
        (vec![], "--ca-file"),
        (vec!["--ca-file"], "--ca-file"),
        (vec!["--ca-file", "x", "--port", "many"], "many"),
        (vec!["--ca-file", "x", "--port", "65536"], "65536"),
        (vec!["--ca-file", "x", "--colour"], "--colour"),
        (vec!["--ca-file", "x", "stray"], "stray"),
        (vec!["--ca-file", "x", "--pending-for", "-1"], "such as 0.5"),
        (vec!["--ca-file", "x", "--duplicates", "maybe"], "refuse, join, accept"),
        (vec!["--ca-file", "x", "--quotas", "on"], "enforced or off"),
        (vec!["--ca-file", "x", "--chaos", "7,2"], "between 0 and 1"),
        (vec!["--ca-file", "x", "--http", "3"], "both or 1.1 or 2"),
        (vec!["--ca-file", "x", "--clock-speed", "0"], "from 1 to 100000"),
        (vec!["--ca-file", "x", "--fractions", "3"], "seeded:NUMBER"),
        (vec!["--ca-file", "x", "--comments", "short"], "cut:LENGTH"),
        (vec!["--cert", "x"], "'--cert' and '--key' go together"),
    ] {
        let output = program().args(&arguments).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(named) && said.contains("--help"), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn offline_machine_stays_offline_after_reset() {
    use bytes::Bytes;
    use defender_transport::{HyperTransport, Roots, Transport};
    use http::Request;
    use tokio::io::{AsyncBufReadExt, BufReader};

    let file = CaFile::new();
    let machine = crate::driver::MACHINE;
    let mut child = program().args(["--offline", machine, "--ca-file"]).arg(&file.0).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let base = said["base_url"].as_str().unwrap();
    let wire = HyperTransport::builder().roots(Roots::pem(std::fs::read(&file.0).unwrap()).unwrap()).build().unwrap();
    let sent = async |request: http::request::Builder| {
        let response = wire.send(request.body(Bytes::from_static(b"{}")).unwrap()).await.unwrap();
        let body = response.into_body().collect(1 << 20).await.unwrap();
        serde_json::from_slice::<serde_json::Value>(&body).unwrap()
    };
    let online = async || sent(Request::get(format!("{base}/emulator/machines/{machine}"))).await["online"].clone();
    assert_eq!(online().await, false);
    sent(Request::post(format!("{base}/emulator/reset")).header("content-type", "application/json")).await;
    assert_eq!(online().await, false, "it is as at the start");
}

#[tokio::test]
async fn start_errors_are_printed_on_stderr() {
    let nowhere = CaFile::new().0.join("ca.pem");
    let output = program().arg("--ca-file").arg(&nowhere).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write the CA certificate to"), "{said}");
    assert!(output.stdout.is_empty());

    for (option, named) in [
        ("--state", "no-such-folder/x cannot be used: No such file"),
        ("--log", "cannot write the log to"),
        ("--cert", "cannot read /no-such-folder/x"),
        ("--offline", "unknown machine"),
        ("--without-role", "unknown role"),
    ] {
        let file = CaFile::new();
        let more: &[&str] = if option == "--cert" { &["--key", "y"] } else { &[] };
        let output = program()
            .args([option, "/no-such-folder/x"])
            .args(more)
            .arg("--ca-file")
            .arg(&file.0)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{option}: {said}");
        assert!(said.contains(named), "{option}: {said}");
        assert!(output.stdout.is_empty() && !file.0.exists(), "{option}");
    }

    let taken = defender_emulator::Emulator::start().await.unwrap();
    let port = taken.base_url().rsplit(':').next().unwrap();
    let file = CaFile::new();
    let output = program().args(["--port", port, "--ca-file"]).arg(&file.0).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("choose another port"), "{said}");
}

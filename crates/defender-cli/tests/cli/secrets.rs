//! No secret in arguments, output, files, the process list or a dump.

use std::{fs, path::Path};

use defender_emulator::{Emulator, Fault};

use crate::program::Home;

/// Part of every secret of these tests.
const CANARY: &str = "canary";

/// Commands of which each one ends, with or without success.
const COMMANDS: [&[&str]; 27] = [
    &["find", "ws-eng-04.contoso.example"],
    &["find", "--tag", "x", "-o", "json"],
    &["actions", "list"],
    &["actions", "show", "44cffc15-0e3d-4cbf-96aa-bf76f9b27f5e"],
    &["actions", "cancel", "44cffc15-0e3d-4cbf-96aa-bf76f9b27f5e", "--comment", "x", "--yes"],
    &["isolate", "ws-eng-04.contoso.example", "--comment", "INC-1", "--yes"],
    &["unisolate", "ws-eng-04.contoso.example", "--comment", "INC-1", "--yes"],
    &["restrict", "ws-eng-04.contoso.example", "--comment", "INC-1", "--dry-run"],
    &["unrestrict", "ws-eng-04.contoso.example", "--comment", "INC-1"],
    &["scan", "ws-eng-04.contoso.example", "--comment", "INC-1", "--yes"],
    &[
        "quarantine",
        "ws-eng-04.contoso.example",
        "--sha1",
        "87662bc3d60e4200ceaf7aae249d1c343f4b83c9",
        "--comment",
        "x",
        "--yes",
    ],
    &["collect", "ws-eng-04.contoso.example", "--comment", "INC-1", "--yes"],
    &["live-response", "ws-eng-04.contoso.example", "--get", "C:\\x", "--comment", "INC-1", "--yes"],
    &["offboard", "ws-eng-04.contoso.example", "--comment", "INC-1", "--dry-run"],
    &["plan", "isolate", "ws-eng-04.contoso.example", "--comment", "INC-1", "--out", "plan.json"],
    &["apply", "plan.json", "--yes"],
    &["report"],
    &["report", "000000000000"],
    &["resume", "000000000000"],
    &["halt", "000000000000"],
    &["retry", "000000000000"],
    &["revert", "000000000000", "--comment", "x"],
    &["download", "000000000000", "--to", "files"],
    &["state"],
    &["preflight"],
    &["tenants"],
    &["completions", "bash"],
];

/// Name of a failure, and the variables that lead to it.
type Failure = (&'static str, fn(&mut Home, &Emulator));

/// Failures of the sign-in and of the service.
#[tokio::test(flavor = "multi_thread")]
async fn no_command_prints_a_secret() {
    let emulator = Emulator::builder().pending_for(std::time::Duration::ZERO).start().await.unwrap();
    let failures: [Failure; 4] = [
        ("wrong secret", |home, _| home.set("AZURE_CLIENT_SECRET", "canary-wrong~secret")),
        ("wrong tenant", |home, _| {
            home.set("AZURE_CLIENT_SECRET", "canary-1");
            home.set("AZURE_TENANT_ID", "00000000-0000-4000-8000-00000000000f");
            home.set("DEFENDER_TENANT", "00000000-0000-4000-8000-00000000000f");
        }),
        ("no service", |home, _| {
            home.set("AZURE_CLIENT_SECRET", "canary-1");
            home.set("DEFENDER_BASE_URL", "https://127.0.0.1:1");
            home.set("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1");
        }),
        ("proxy", |home, _| {
            home.set("AZURE_CLIENT_SECRET", "canary-1");
            home.set("DEFENDER_BASE_URL", "https://defender.test");
            home.set("AZURE_AUTHORITY_HOST", "https://defender.test");
            home.set("HTTPS_PROXY", "http://analyst:canary-proxy@127.0.0.1:1");
        }),
    ];
    for (failure, change) in failures {
        let mut home = Home::new();
        home.sign_in(&emulator);
        change(&mut home, &emulator);
        // At the same time, since most of them wait between attempts.
        let ran: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = COMMANDS.iter().map(|command| scope.spawn(|| home.run(command))).collect();
            started.into_iter().map(|command| command.join().unwrap()).collect()
        });
        for (command, ran) in COMMANDS.iter().zip(ran) {
            assert!(!format!("{ran:?}").contains(CANARY), "{failure}: {command:?}: {ran:?}");
            assert_ne!(ran.code(), -1, "{failure}: {command:?} was killed: {ran:?}");
        }
        no_secret_in_files(home.folder(), &[CANARY]);
    }
}

/// A good secret and its tokens, while the service misbehaves.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_printed_or_kept() {
    let emulator = Emulator::builder().pending_for(std::time::Duration::ZERO).start().await.unwrap();
    let mut home = Home::new();
    home.sign_in(&emulator);
    home.set("RUST_LOG", "trace");
    let secret = emulator.client_secret();
    for fault in [None, Some(Fault::Empty(403)), Some(Fault::Empty(500))] {
        if let Some(fault) = fault {
            emulator.fault(fault).times(3);
        }
        for command in [&["isolate", "ws-eng-04.contoso.example", "--comment", "INC-1", "--yes"][..], &["preflight"]] {
            let ran = format!("{:?}", home.run(command));
            assert!(!ran.contains(secret) && !ran.contains("eyJ"), "{ran}");
        }
    }
    no_secret_in_files(home.folder(), &[secret, "eyJ"]);
}

/// Fails if a file has one of these texts. The file of the CA has none.
fn no_secret_in_files(folder: &Path, secrets: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            no_secret_in_files(&path, secrets);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for secret in secrets {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{} has {secret:?}", path.display());
        }
    }
}

/// It would become the name of an SQLite file.
#[test]
fn connection_string_names_no_file() {
    let mut home = Home::new();
    for (store, why) in [
        ("host=db.example dbname=r user=u password=canary", "is not a store"),
        ("user=u", "is not a store"),
        ("postgres:u:canary@db", "begins with postgres://"),
    ] {
        home.set("DEFENDER_STORE", store);
        let ran = home.run(&["report"]);
        assert_eq!(ran.code(), 1, "{ran:?}");
        assert!(ran.stderr.contains(why) && !ran.stderr.contains(CANARY), "{ran:?}");
        assert_eq!(fs::read_dir(home.folder()).unwrap().count(), 0, "{store}");
        let ran = home.run(&["--store", store, "report"]);
        assert!(ran.code() == 1 && !format!("{ran:?}").contains(CANARY), "{ran:?}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn files_are_of_the_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    let emulator = Emulator::start().await.unwrap();
    let mut home = Home::new();
    home.sign_in(&emulator);
    home.run(&["plan", "isolate", "ws-eng-04.contoso.example", "--comment", "INC-1", "--out", "plan.json"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.path("plan.json")), 0o600);
    assert_eq!(mode(&home.path("state/defender")), 0o700);
    let mut files = 0;
    for file in fs::read_dir(home.path("state/defender")).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
        files += 1;
    }
    assert!(files > 0, "the journal is there");
}

/// A profile with a secret in a file that others can read is refused.
#[cfg(unix)]
#[test]
fn readable_secret_file_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let home = Home::new();
    let secret = home.write("config/defender/contoso.secret", "canary-file");
    let profile = "[tenants.contoso]\ntenant_id = \"7e4a47d0-0000-4000-8000-000000000001\"\nclient_id = \
                   \"c11e47d0-0000-4000-8000-000000000002\"\ncredential = \"client-secret\"\nsecret_file = \"contoso.secret\"\n";
    home.write("config/defender/tenants.toml", profile);
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = home.run(&["--tenant", "contoso", "find", "ws-1"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("chmod 600") && !ran.stderr.contains(CANARY), "{ran:?}");
    let inline = home.write("inline.toml", "[tenants.contoso]\nclient_secret = \"canary-inline\"\n");
    let ran = home.run(&["--tenants", inline.to_str().unwrap(), "--tenant", "contoso", "find", "ws-1"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(!format!("{ran:?}").contains(CANARY), "{ran:?}");
}

/// While a run waits, the process list has no secret; and the process leaves no dump, whatever kills it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn process_list_and_dump_have_no_secret() {
    use std::{
        io::{BufRead, BufReader},
        os::unix::process::ExitStatusExt,
        process::Stdio,
    };

    let emulator = Emulator::start().await.unwrap();
    emulator.machine_offline(emulator.machine_ids()[0]);
    let mut home = Home::new();
    home.sign_in(&emulator);
    let line = format!(
        "ulimit -c unlimited; exec '{}' isolate ws-eng-04.contoso.example --even-if-inactive --comment INC-1 --yes",
        crate::program::DEFENDER
    );
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &line]).current_dir(home.folder()).env_clear().envs(home.environment());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(talk.by_ref().map_while(Result::ok).any(|line| line.contains("created, action")), "the run waits");
    let process = Path::new("/proc").join(child.id().to_string());
    let arguments = fs::read_to_string(process.join("cmdline")).unwrap();
    assert!(arguments.contains("isolate") && !arguments.contains(emulator.client_secret()), "{arguments}");
    let limits = fs::read_to_string(process.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let killed = std::process::Command::new("kill").args(["-ABRT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    drop(talk);
    let status = child.wait().unwrap();
    assert!(status.signal() == Some(6) && !status.core_dumped(), "{status:?}");
}

//! The program against an emulator in another process, over TLS: HTTP/1.1, another cloud, a proxy, a private CA.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::Engine as _;
use defender_emulator::{AlpnProtocols, Emulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{program::Home, transcripts::words};

/// Name of a machine of every emulator.
const MACHINE: &str = "ws-eng-04.contoso.example";

#[tokio::test(flavor = "multi_thread")]
async fn http_1_1_alone_is_enough() {
    let emulator = Emulator::builder().http(AlpnProtocols::Http1).start().await.unwrap();
    let mut home = Home::new();
    home.sign_in(&emulator);
    let ran = home.run(&["find", MACHINE, "-o", "csv"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.contains(MACHINE), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_ca_must_be_named() {
    let emulator = Emulator::start().await.unwrap();
    let mut home = Home::new();
    home.sign_in(&emulator);
    assert_eq!(home.run(&["find", MACHINE]).code(), 0);
    home.set("DEFENDER_CA_FILE", "");
    let ran = home.run(&["find", MACHINE]);
    assert_eq!(ran.code(), 4, "{ran:?}");
    assert!(ran.stderr.contains("certificate"), "{ran:?}");
    let ran = home.run(&["state"]);
    assert!(ran.stderr.ends_with("nothing was sent [credential]\n"), "one kind, that of the call: {ran:?}");
    home.set("DEFENDER_CA_FILE", home.path("missing.pem").display().to_string());
    let ran = home.run(&["find", MACHINE]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("DEFENDER_CA_FILE is"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn audience_of_government_cloud_is_requested() {
    let audience = "https://api-gov.securitycenter.microsoft.us";
    let emulator = Emulator::builder().audience(audience).start().await.unwrap();
    let mut home = Home::new();
    home.sign_in(&emulator);
    // The address of the emulator, and the audience of the cloud.
    home.set("DEFENDER_AUDIENCE", "");
    home.set("DEFENDER_CLOUD", "gcc-high");
    let audience_of = |home: &Home| {
        let ran = home.run(&["preflight"]);
        assert_eq!(ran.code(), 0, "{ran:?}");
        ran.stderr.lines().find_map(|line| line.split(", for ").nth(1)).unwrap_or_default().to_owned()
    };
    assert_eq!(audience_of(&home), format!("{audience}."));
    assert_eq!(home.run(&["find", MACHINE]).code(), 0);
    home.set("DEFENDER_CLOUD", "public");
    assert_eq!(audience_of(&home), "https://api.securitycenter.microsoft.com.");
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_names_cloud_and_secret_place() {
    let audience = "https://api-gov.securitycenter.microsoft.us";
    let emulator = Emulator::builder().audience(audience).start().await.unwrap();
    let mut home = Home::new();
    let ca = home.write("ca.pem", emulator.ca_pem());
    home.set("DEFENDER_CA_FILE", ca.to_str().unwrap());
    home.set("CONTOSO_SECRET", emulator.client_secret());
    let profile = format!(
        "[tenants.contoso]\ntenant_id = \"{}\"\nclient_id = \"{}\"\ncredential = \"client-secret\"\nsecret_env = \"CONTOSO_SECRET\"\n\
         cloud = \"gcc-high\"\nbase_url = \"{}\"\nauthority = \"{}\"\n",
        emulator.tenant_id(),
        emulator.client_id(),
        emulator.base_url(),
        emulator.authority()
    );
    home.write("config/defender/tenants.toml", &profile);
    let ran = home.run(&["--tenant", "contoso", "find", MACHINE, "-o", "jsonl"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stdout.contains("\"tenant\":\"contoso\""), "{ran:?}");
    // There is no default, and a name is exact.
    assert_eq!(home.run(&["find", MACHINE]).code(), 1);
    assert_eq!(home.run(&["--tenant", "Contoso", "find", MACHINE]).code(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_gets_its_password() {
    let host = "defender.test";
    let certified = rcgen::generate_simple_self_signed([host.to_owned(), "localhost".to_owned()]).unwrap();
    let (chain, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let emulator = Emulator::builder().certificate(chain, key).start().await.unwrap();
    let port = emulator.base_url().rsplit(':').next().unwrap().to_owned();
    let proxy = Proxy::start("analyst:canary-proxy").await;
    let mut home = Home::new();
    home.sign_in(&emulator);
    home.set("DEFENDER_BASE_URL", format!("https://{host}:{port}"));
    home.set("AZURE_AUTHORITY_HOST", format!("https://{host}:{port}"));
    home.set("HTTPS_PROXY", format!("http://analyst:canary-proxy@{}", proxy.address));
    let ran = home.run(&["find", MACHINE]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    let tunnels = proxy.tunnels.lock().unwrap().clone();
    assert!(!tunnels.is_empty() && tunnels.iter().all(|to| *to == format!("{host}:{port}")), "{tunnels:?}");
    home.set("HTTPS_PROXY", format!("http://analyst:canary-wrong@{}", proxy.address));
    let ran = home.run(&["find", MACHINE]);
    assert_ne!(ran.code(), 0);
    assert!(!format!("{ran:?}").contains("canary"), "{ran:?}");
    assert!(ran.stderr.contains("proxy"), "{ran:?}");
}

/// Proxy that requires a password, and opens tunnels to ports of this machine.
struct Proxy {
    address: SocketAddr,
    tunnels: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(user_and_password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tunnels = Arc::<Mutex<Vec<String>>>::default();
        let expected = format!(
            "proxy-authorization: basic {}",
            base64::engine::general_purpose::STANDARD.encode(user_and_password).to_lowercase()
        );
        let told = Arc::clone(&tunnels);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, expected.clone(), Arc::clone(&told)));
            }
        });
        Self { address, tunnels }
    }
}

async fn tunnel(mut client: TcpStream, expected: String, told: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let to = head.split(' ').nth(1).unwrap_or_default().to_owned();
    if !head.to_lowercase().contains(&expected) {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
    }
    told.lock().unwrap().push(to.clone());
    let port: u16 = to.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default();
    let mut service = TcpStream::connect(("127.0.0.1", port)).await?;
    client.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut service).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_azure_name_their_tenant() {
    let emulator = Emulator::builder().without_role("Machine.Offboard").start().await.unwrap();
    let mut home = Home::new();
    home.sign_in(&emulator);
    home.set("DEFENDER_TENANT", "");
    assert_eq!(home.run(&["find", MACHINE]).code(), 0);
    assert_eq!(home.run(&["preflight"]).code(), 4);
    let ran = home.run(&["preflight", "restrict", "unrestrict", "-o", "csv"]);
    assert_eq!((ran.code(), ran.stdout.lines().count()), (0, 3), "{ran:?}");
    assert_eq!(home.run(&["preflight", "offboard"]).code(), 4);
}

/// Nothing is known of such a token, and a script must not take that for a permission.
#[cfg(unix)]
#[test]
fn unreadable_token_permits_nothing() {
    use std::os::unix::fs::PermissionsExt;

    let mut home = Home::new();
    home.write(
        "config/defender/tenants.toml",
        "[tenants.contoso]\ntenant_id = \"0b5c7a57-3a3c-4e2c-9f0c-1a2b3c4d5e6f\"\ncredential = \"azure-cli\"\n",
    );
    let token = r#"{"accessToken": "opaque", "expires_on": 4102444800, "tokenType": "Bearer"}"#;
    let az = home.write("bin/az", &format!("#!/bin/sh\necho '{token}'\n"));
    std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).unwrap();
    home.set("PATH", format!("{}:/usr/bin:/bin", home.path("bin").display()));
    let ran = home.run(&["--tenant", "contoso", "preflight", "isolate", "-o", "csv"]);
    assert!(ran.code() == 2 && ran.stdout.contains(",unknown,"), "{ran:?}");
}

/// The README's trial, with its variables and commands, against an emulator on another port.
#[tokio::test(flavor = "multi_thread")]
async fn trial_of_the_readme_works() {
    let emulator = Emulator::start().await.unwrap();
    let port = emulator.base_url().rsplit(':').next().unwrap().to_owned();
    let readme = include_str!("../../README.md").split("## Try it without a tenant").nth(1).unwrap();
    let trial = readme.split("```sh").nth(2).unwrap().split("```").next().unwrap().replace("8443", &port);
    let mut home = Home::new();
    home.write("ca.pem", emulator.ca_pem());
    let mut outputs = Vec::new();
    for line in trial.lines().filter(|line| !line.is_empty()) {
        if let Some(variables) = line.strip_prefix("export ") {
            for (name, value) in variables.split(' ').filter_map(|variable| variable.split_once('=')) {
                home.set(name, value.trim_matches('\''));
            }
            continue;
        }
        let line = words(line.strip_prefix("defender ").unwrap());
        let ran = home.run(&line.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ran.code(), 0, "{line:?}: {ran:?}");
        outputs.push(ran.stdout);
    }
    assert!(outputs[1].contains("a trial") && outputs[1].contains("RestrictCodeExecution"), "{outputs:?}");
    assert_eq!(emulator.ledger().len(), 1, "{:?}", emulator.ledger());
}

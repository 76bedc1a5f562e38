//! Secrets are wiped: they are looked for in the memory of the process once all that held them is gone.
//!
//! What hyper and rustls keep in a connection's own rooms is not looked at: the transport is a mock, which keeps nothing.
#![cfg(all(target_os = "linux", feature = "encrypted-keys", feature = "aws-lc-rs", feature = "azure-cli"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot set up its world has failed")]

use std::{
    ffi::OsString,
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use defender_auth::{
    AzureCliCredential, ClientCertificateCredential, ClientSecretCredential, Cloud, CredentialContext,
    DeviceCodeCredential, EnvironmentCredential, IntoCredential, ManagedIdentityCredential, MemoryTokenStore,
    OnBehalfOfCredential, RefreshToken, RefreshTokenCredential, StaticCredential, TokenCredential, TokenRequest,
    WorkloadIdentityCredential,
};
use defender_transport::{Body, Error, Transport, testing::ManualClock};
use http::{Request, Response};
use zeroize::{Zeroize, Zeroizing};

/// Something that nobody else has, kept in a form in which it is not found.
#[derive(Debug)]
struct Canary {
    masked: Vec<u8>,
    /// The parts of it that are looked for.
    parts: Vec<Range<usize>>,
}

const MASK: u8 = 0x5a;

/// Length of a part. The allocator overwrites the beginning of freed memory, and a value that was moved while
/// it grew has only its beginning there, so several parts are searched for.
const PART: usize = 20;

/// Number of letters between one sign of the canary and the next.
const GROUP: usize = 32;

impl Canary {
    /// `groups` of letters with one of `signs` between each and the next.
    fn new(groups: usize, signs: &[u8]) -> Self {
        let (mut masked, mut parts) = (Vec::new(), Vec::new());
        for group in 0..groups {
            if let Some(sign) =
                signs.get((group + signs.len()).saturating_sub(1) % signs.len().max(1)).filter(|_| group > 0)
            {
                masked.push(*sign ^ MASK);
            }
            let random = uuid::Uuid::new_v4().into_bytes();
            masked.extend(
                random.iter().flat_map(|byte| [b'a' + (byte & 15), b'A' + (byte >> 4)]).map(|byte| byte ^ MASK),
            );
            // Each of a few, and a few of many.
            if groups <= 4 || group % 8 == 7 || group == 2 {
                parts.push(masked.len() - PART..masked.len());
            }
        }
        assert_eq!(masked.len(), groups * GROUP + if signs.is_empty() { 0 } else { groups - 1 });
        Self { masked, parts }
    }

    /// These bytes, of which the parts near the middle and the end are looked for.
    fn of(bytes: &[u8]) -> Self {
        let parts = [bytes.len() / 2, bytes.len() - 70, bytes.len()].map(|end| end - PART..end).to_vec();
        Self { masked: bytes.iter().map(|byte| byte ^ MASK).collect(), parts }
    }

    fn bytes(&self) -> Vec<u8> {
        // Without growing, which would leave parts behind.
        let mut bytes = Vec::with_capacity(self.masked.len());
        bytes.extend(self.masked.iter().map(|byte| byte ^ MASK));
        bytes
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    /// A text with it between two others, all in one piece of memory.
    fn within(&self, before: &str, after: &str) -> String {
        let mut text = String::with_capacity(before.len() + self.masked.len() + after.len());
        text.push_str(before);
        text.extend(self.masked.iter().map(|byte| char::from(byte ^ MASK)));
        text.push_str(after);
        text
    }

    /// Number of its parts in the writable memory of this process.
    fn count(&self) -> usize {
        self.count_in(&mut Room::new())
    }

    /// As [`count`](Self::count), with memory from before the use: new memory may be what the use freed, and overwrite it.
    fn count_in(&self, Room { maps, seen }: &mut Room) -> usize {
        let parts: Vec<_> = self.parts.iter().map(|part| &self.masked[part.clone()]).collect();
        let mut begins = [false; 256];
        for part in &parts {
            begins[usize::from(part[0] ^ MASK)] = true;
        }
        maps.clear();
        File::open("/proc/self/maps").unwrap().read_to_string(maps).unwrap();
        let mut memory = File::open("/proc/self/mem").unwrap();
        let mut found = 0;
        // What is read is a copy of what is there, and is not looked at where it stands.
        let own = seen.as_ptr().addr()..seen.as_ptr().addr() + SEEN;
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let (mut at, end) = (usize::from_str_radix(start, 16).unwrap(), usize::from_str_radix(end, 16).unwrap());
            while at + PART <= end {
                let length = (end - at).min(SEEN);
                // What cannot be read, such as a guard page, holds nothing.
                if memory.seek(SeekFrom::Start(at as u64)).is_err() || memory.read_exact(&mut seen[..length]).is_err() {
                    break;
                }
                for offset in (0..=length - PART).filter(|offset| begins[usize::from(seen[*offset])]) {
                    let window = &seen[offset..offset + PART];
                    let is_it = |part: &&[u8]| window.iter().zip(*part).all(|(byte, masked)| byte ^ MASK == *masked);
                    let is_own = own.contains(&(at + offset));
                    found += if is_own { 0 } else { parts.iter().filter(|part| is_it(part)).count() };
                }
                if length < SEEN {
                    break;
                }
                at += length - PART + 1;
            }
        }
        seen.zeroize();
        seen.resize(SEEN, 0);
        found
    }
}

/// Memory of a search.
struct Room {
    maps: String,
    seen: Vec<u8>,
}

impl Room {
    fn new() -> Self {
        Self { maps: String::with_capacity(SEEN), seen: vec![0; SEEN] }
    }
}

/// Number of bytes that are searched at once.
const SEEN: usize = 1 << 16;

/// Responds to everything with a token or a code, keeps nothing of it, and writes the canary where it is told to.
#[derive(Debug)]
struct Grants(Option<Arc<Canary>>, Place);

/// Place of the canary in a response.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    AccessToken,
    RefreshToken,
    DeviceCode,
    /// In a response that is no token.
    Page,
    Refusal,
}

#[async_trait]
impl Transport for Grants {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"expires_on":"1767272400","access_token":""#;
        let is_code = request.uri().path().ends_with("/devicecode");
        let challenges = request.uri().path().starts_with("/arc") && !request.headers().contains_key("authorization");
        if challenges {
            let file = request.uri().path().strip_prefix("/arc").unwrap();
            let response = Response::builder().status(401).header("www-authenticate", format!("Basic realm={file}"));
            return Ok(response.body(Body::empty()).unwrap());
        }
        drop(request);
        let (status, body) = match (self.0.as_deref(), self.1, is_code) {
            (Some(canary), Place::DeviceCode, true) => (200, canary.within(r#"{"device_code":""#, DEVICE)),
            (_, _, true) => (200, format!(r#"{{"device_code":"code{DEVICE}"#)),
            (Some(canary), Place::AccessToken, _) => (200, canary.within(TOKEN, "\"}")),
            (Some(canary), Place::RefreshToken, _) => {
                (200, canary.within(&format!(r#"{TOKEN}the-token","refresh_token":""#), "\"}"))
            }
            (Some(canary), Place::Page, _) => (200, canary.within("<html>", "</html>")),
            (Some(canary), Place::Refusal, _) => {
                (400, canary.within(r#"{"error":"invalid_grant","error_description":"of "#, "\"}"))
            }
            _ => (200, format!(r#"{TOKEN}the-token"}}"#)),
        };
        Ok(Response::builder().status(status).body(Body::from(body)).unwrap())
    }
}

const DEVICE: &str =
    r#"","user_code":"ABCD","verification_uri":"https://x.example/","expires_in":900,"interval":5,"message":"m"}"#;

/// Asks a credential for a token, over a transport that responds so, and drops all of it.
fn used_over(grants: Grants, credential: impl IntoCredential) {
    let clock = ManualClock::new();
    let context = CredentialContext::new(Arc::new(grants), Arc::new(clock.clone()), Cloud::Public);
    let credential: Arc<dyn TokenCredential> = credential.into_credential(&context).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(clock.run(credential.token(&TokenRequest::new())));
    drop(outcome);
}

fn used(credential: impl IntoCredential) {
    used_over(Grants(None, Place::Page), credential);
}

fn receives(canary: &Arc<Canary>, place: Place, credential: impl IntoCredential) {
    used_over(Grants(Some(Arc::clone(canary)), place), credential);
}

fn application(secret: String) -> ClientSecretCredential {
    ClientSecretCredential::new("contoso.com", "the-client", secret)
}

fn other() -> ClientSecretCredential {
    application("other".to_owned())
}

/// The credential of an environment with these variables, the last of which is the canary and `end`.
fn described(canary: &Canary, end: u8, variables: &[&str]) -> Result<EnvironmentCredential, defender_auth::Error> {
    EnvironmentCredential::from_variables(|name| {
        let place = variables.iter().position(|variable| *variable == name)?;
        Some(match name {
            _ if place + 1 == variables.len() => OsString::from_vec(ending(canary, end)),
            "IDENTITY_ENDPOINT" => "http://127.0.0.1:1/msi".into(),
            _ => "contoso.com".into(),
        })
    })
}

/// The canary with `end` after it.
fn ending(canary: &Canary, end: u8) -> Vec<u8> {
    let mut bytes = canary.within("", " ").into_bytes();
    *bytes.last_mut().unwrap() = end;
    bytes
}

/// A byte that is no text.
const NO_TEXT: u8 = 0xff;

fn kept() -> MemoryTokenStore {
    MemoryTokenStore::with(RefreshToken::new("refresh"))
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("defender-auth-wiped-{}-{name}", std::process::id()))
}

const PEM: &str = include_str!("flows/keys/pbkdf2.pem");

fn certificate() -> &'static str {
    let (_, rest) = PEM.split_once("-----BEGIN CERTIFICATE-----").unwrap();
    rest.split_once("-----END CERTIFICATE-----").unwrap().0
}

/// The private key of [`PEM`], as DER.
fn key() -> Canary {
    let locked = PEM.split_once("-----BEGIN ENCRYPTED PRIVATE KEY-----").unwrap().1.split("-----END").next().unwrap();
    let locked = STANDARD.decode(locked.split_whitespace().collect::<String>()).unwrap();
    let locked = pkcs8::EncryptedPrivateKeyInfo::try_from(&*locked).unwrap();
    // In its place, in memory that is wiped.
    let mut room = Zeroizing::new(locked.encrypted_data.to_vec());
    let key = Canary::of(locked.encryption_algorithm.decrypt_in_place("correct horse", &mut room).unwrap());
    wipe_stack();
    key
}

/// AES leaves the last blocks on the stack.
#[inline(never)]
fn wipe_stack() {
    [0_u8; 16 << 10].zeroize();
}

/// A use of a secret, after which nothing of it is to be left.
type Use = fn(&Arc<Canary>);

const USES: [(&str, Use); 24] = [
    ("a description", |canary| drop(application(canary.text()))),
    ("a client secret", |canary| used(application(canary.text()))),
    ("a client secret in the body of a refusal", |canary| {
        receives(canary, Place::Refusal, application(canary.text()));
    }),
    ("a client secret in the environment", |canary| {
        used(described(canary, b'\n', &["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"]).unwrap());
    }),
    ("a client secret without a client in the environment", |canary| {
        drop(described(canary, b'\n', &["AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"]).unwrap_err());
    }),
    ("a client secret that is no text", |canary| {
        drop(described(canary, NO_TEXT, &["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"]).unwrap_err());
    }),
    ("a header of App Service in the environment", |canary| {
        used(described(canary, b'\n', &["IDENTITY_ENDPOINT", "IDENTITY_HEADER"]).unwrap());
    }),
    ("a file of a certificate that is no text", |canary| {
        let file = file("no-text.pem");
        std::fs::write(&file, Zeroizing::new(ending(canary, NO_TEXT))).unwrap();
        let found = EnvironmentCredential::from_variables(|name| match name {
            "AZURE_TENANT_ID" | "AZURE_CLIENT_ID" => Some("contoso.com".into()),
            "AZURE_CLIENT_CERTIFICATE_PATH" => Some(file.clone().into()),
            _ => None,
        });
        drop(found.unwrap_err());
        std::fs::remove_file(&file).unwrap();
    }),
    ("a user's token", |canary| used(OnBehalfOfCredential::with_secret(other(), canary.text()))),
    ("a refresh token", |canary| {
        let store = MemoryTokenStore::with(RefreshToken::new(canary.text()));
        used(RefreshTokenCredential::new("contoso.com", "the-client", store));
    }),
    ("a platform's token", |canary| {
        let file = file("token");
        std::fs::write(&file, Zeroizing::new(canary.text())).unwrap();
        used(WorkloadIdentityCredential::new("contoso.com", "the-client", &file));
        std::fs::remove_file(file).unwrap();
    }),
    ("a header of App Service", |canary| {
        used(ManagedIdentityCredential::system_assigned().at_app_service("http://127.0.0.1:1/msi", canary.text()));
    }),
    ("a key of Azure Arc", |canary| {
        let file = file("arc.key");
        std::fs::write(&file, Zeroizing::new(canary.text())).unwrap();
        let agent = format!("http://localhost:1/arc{}", file.display());
        used(ManagedIdentityCredential::system_assigned().at_azure_arc(agent, std::env::temp_dir()));
        std::fs::remove_file(file).unwrap();
    }),
    ("a bearer", |canary| {
        let base = http::Uri::from_static("https://api.example.com");
        let credential = Arc::new(StaticCredential::new(canary.text()));
        let stack = defender_auth::Authorized::new(Grants(None, Place::Page), credential, &base).unwrap();
        let request = Request::get("https://api.example.com/x").body(Bytes::new()).unwrap();
        drop(futures_util::FutureExt::now_or_never(stack.send(request)).unwrap().unwrap());
    }),
    ("a token for a client secret", |canary| receives(canary, Place::AccessToken, other())),
    ("a token for a user", |canary| {
        receives(canary, Place::AccessToken, OnBehalfOfCredential::with_secret(other(), "user"));
    }),
    ("a token for a refresh token", |canary| {
        receives(canary, Place::AccessToken, RefreshTokenCredential::new("contoso.com", "the-client", kept()));
    }),
    ("a refresh token that comes with a token", |canary| {
        receives(canary, Place::RefreshToken, RefreshTokenCredential::new("contoso.com", "the-client", kept()));
    }),
    ("a token for a device", |canary| {
        receives(canary, Place::AccessToken, DeviceCodeCredential::new("contoso.com", "the-client", |_| ()));
    }),
    ("a device code", |canary| {
        receives(canary, Place::DeviceCode, DeviceCodeCredential::new("contoso.com", "the-client", |_| ()));
    }),
    ("a token of a managed identity", |canary| {
        let here = ManagedIdentityCredential::system_assigned();
        receives(canary, Place::AccessToken, here.at_imds("http://127.0.0.1:1"));
    }),
    ("a token in a page", |canary| receives(canary, Place::Page, other())),
    ("a token of the Azure CLI", |canary| {
        let (script, printed) = (file("az"), file("printed"));
        let json = canary.within(r#"{"expires_on":1767272400,"tokenType":"Bearer","accessToken":""#, "\"}");
        std::fs::write(&printed, Zeroizing::new(json)).unwrap();
        std::fs::write(&script, format!("#!/bin/sh\nexec cat {}\n", printed.display())).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        used(AzureCliCredential::new().program(&script));
        std::fs::remove_file(script).unwrap();
        std::fs::remove_file(printed).unwrap();
    }),
    ("a token for a certificate", |canary| {
        let credential = ClientCertificateCredential::new("contoso.com", "the-client", PEM).password("correct horse");
        receives(canary, Place::AccessToken, credential);
    }),
];

/// The key, and its text as it stands in a PEM without a line in it.
const KEY_USES: [(&str, Use); 2] = [
    ("a private key", |key| {
        let key = Zeroizing::new(STANDARD.encode(&*Zeroizing::new(key.bytes())));
        let before = format!(
            "-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n",
            certificate()
        );
        let mut pem = String::with_capacity(before.len() + key.len() + 30);
        pem.extend([&before, &**key, "\n-----END PRIVATE KEY-----\n"]);
        used(ClientCertificateCredential::new("contoso.com", "the-client", pem));
    }),
    ("a locked private key", |_| {
        used(ClientCertificateCredential::new("contoso.com", "the-client", PEM).password("correct horse"));
    }),
];

#[test]
fn secrets_are_gone_from_memory_after_drop() {
    let canary = Canary::new(1, b"");
    let held = canary.text();
    assert_eq!(canary.count(), 1, "the look finds what is there");
    // Wiped by hand, as what follows is wiped by the crate.
    drop(Zeroizing::new(held));
    assert_eq!(canary.count(), 0, "the look finds nothing that is not there");

    let key = Arc::new(key());
    let text = Canary::of(Zeroizing::new(STANDARD.encode(&*Zeroizing::new(key.bytes()))).as_bytes());
    assert_eq!((key.count(), text.count()), (0, 0), "the test itself leaves nothing");

    let mut left = Vec::new();
    for (name, with) in KEY_USES {
        let mut room = Room::new();
        with(&key);
        for (what, canary) in [("itself", &*key), ("in base64", &text)] {
            let times = canary.count_in(&mut room);
            left.extend((times > 0).then(|| format!("{name}, {what}: {times} times")));
        }
    }
    for (name, with) in USES {
        // Short, of signs that a form and a URL encode, and long.
        for (kind, canary) in
            [("short", Canary::new(1, b"")), ("signs", Canary::new(48, b"&~+")), ("long", Canary::new(48, b""))]
        {
            let (canary, mut room) = (Arc::new(canary), Room::new());
            with(&canary);
            let times = canary.count_in(&mut room);
            left.extend((times > 0).then(|| format!("{name}, {kind}: {times} times")));
        }
    }
    assert_eq!(left, [""; 0]);
}

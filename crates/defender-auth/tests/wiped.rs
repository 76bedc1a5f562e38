//! Secrets are wiped: they are looked for in the memory of the process once all that held them is gone.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot set up its world has failed")]

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_auth::{
    ClientSecretCredential, Cloud, Connect, Context, MemoryTokenStore, OnBehalfOfCredential, RefreshToken,
    RefreshTokenCredential, StaticCredential, TokenCredential, TokenRequest, WorkloadIdentityCredential,
};
use defender_transport::{Body, Error, Transport, testing::ManualClock};
use futures_util::FutureExt;
use http::{Request, Response};

/// Text that nobody else has, kept in a form in which it is not found.
struct Canary(Vec<u8>);

const MASK: u8 = 0x5a;

impl Canary {
    /// Of letters alone, which stay as they are in a form and in a URL.
    fn new() -> Self {
        let random = uuid::Uuid::new_v4().into_bytes();
        let letters = random.iter().flat_map(|byte| [b'a' + (byte & 15), b'A' + (byte >> 4)]);
        Self(b"canary".iter().copied().chain(letters).map(|byte| byte ^ MASK).collect())
    }

    fn text(&self) -> String {
        // Without growing, which would leave parts behind.
        let mut text = String::with_capacity(self.0.len());
        text.extend(self.0.iter().map(|byte| char::from(byte ^ MASK)));
        text
    }

    /// How often it stands in the writable memory of this process.
    fn count(&self) -> usize {
        // What is freed is written over at its beginning by whoever manages the memory, so its end is looked for.
        let end_of_it = &self.0[self.0.len() - END..];
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut memory = File::open("/proc/self/mem").unwrap();
        let (mut seen, mut found) = (vec![0_u8; SEEN], 0);
        // What is read is a copy of what is there, and is not looked at where it stands.
        let own = seen.as_ptr().addr()..seen.as_ptr().addr() + SEEN;
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let (mut at, end) = (usize::from_str_radix(start, 16).unwrap(), usize::from_str_radix(end, 16).unwrap());
            while at + END <= end {
                let length = (end - at).min(SEEN);
                // What cannot be read, such as a guard page, holds nothing.
                if memory.seek(SeekFrom::Start(at as u64)).is_err() || memory.read_exact(&mut seen[..length]).is_err() {
                    break;
                }
                for (offset, window) in seen[..length].windows(END).enumerate() {
                    let is_it = window.iter().zip(end_of_it).all(|(byte, masked)| byte ^ MASK == *masked);
                    found += usize::from(is_it && !own.contains(&(at + offset)));
                }
                if length < SEEN {
                    break;
                }
                at += length - END + 1;
            }
        }
        drop(zeroize::Zeroizing::new(seen));
        found
    }
}

/// How much of a canary is looked for.
const END: usize = 20;

/// How much is looked at in one go.
const SEEN: usize = 1 << 16;

/// Says yes to everything, and keeps nothing of it.
#[derive(Debug)]
struct Grants;

#[async_trait]
impl Transport for Grants {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        drop(request);
        Ok(Response::new(Body::from(r#"{"token_type":"Bearer","expires_in":3599,"access_token":"the-token"}"#)))
    }
}

fn used(credential: impl Connect) {
    let context = Context::new(Arc::new(Grants), Arc::new(ManualClock::new()), Cloud::Public);
    let credential: Arc<dyn TokenCredential> = credential.connect(&context).unwrap();
    credential.token(&TokenRequest::new()).now_or_never().unwrap().unwrap();
}

fn application(secret: String) -> ClientSecretCredential {
    ClientSecretCredential::new("contoso.com", "the-client", secret)
}

/// A use of a secret, after which nothing of it is to be left.
type Use = fn(&Canary);

#[test]
fn secrets_are_gone_from_memory_after_drop() {
    let canary = Canary::new();
    let held = canary.text();
    assert_eq!(canary.count(), 1, "the look finds what is there");
    // Wiped by hand, as what follows is wiped by the crate.
    drop(zeroize::Zeroizing::new(held));
    assert_eq!(canary.count(), 0, "the look finds nothing that is not there");

    let uses: [(&str, Use); 6] = [
        ("a description", |canary| drop(application(canary.text()))),
        ("a client secret", |canary| used(application(canary.text()))),
        ("a user's token", |canary| {
            let other = ClientSecretCredential::new("contoso.com", "the-client", "other");
            used(OnBehalfOfCredential::with_secret(other, canary.text()));
        }),
        ("a refresh token", |canary| {
            let store = MemoryTokenStore::with(RefreshToken::new(canary.text()));
            used(RefreshTokenCredential::new("contoso.com", "the-client", store));
        }),
        ("a platform's token", |canary| {
            let file = std::env::temp_dir().join(format!("defender-auth-wiped-{}", std::process::id()));
            std::fs::write(&file, zeroize::Zeroizing::new(canary.text())).unwrap();
            used(WorkloadIdentityCredential::new("contoso.com", "the-client", &file));
            std::fs::remove_file(file).unwrap();
        }),
        ("a bearer", |canary| {
            let base = http::Uri::from_static("https://api.example.com");
            let credential = Arc::new(StaticCredential::new(canary.text()));
            let stack = defender_auth::Authorized::new(Grants, credential, &base).unwrap();
            let request = Request::get("https://api.example.com/x").body(Bytes::new()).unwrap();
            drop(stack.send(request).now_or_never().unwrap().unwrap());
        }),
    ];
    for (name, with) in uses {
        let canary = Canary::new();
        with(&canary);
        assert_eq!(canary.count(), 0, "{name}");
    }
}

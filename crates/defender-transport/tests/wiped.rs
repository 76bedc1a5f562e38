//! A client's key and a proxy's password are wiped: they are looked for in the memory of the process once all that held them is
//! gone.
#![cfg(all(target_os = "linux", feature = "hyper", feature = "aws-lc-rs"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot set up its world has failed, and a process of its own has an output"
)]

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    process::Command,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use defender_transport::{ClientIdentity, HyperTransport, HyperTransportBuilder, Proxy, Roots, Secrets, Transport};
use rcgen::{CertificateParams, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use zeroize::Zeroizing;

const MASK: u8 = 0x5a;
/// Length of a part that is searched for: the allocator overwrites the beginning of freed memory.
const PART: usize = 16;
/// Number of bytes that are searched at once.
const SEEN: usize = 1 << 16;

/// Something that nobody else has, kept in a form in which it is not found.
struct Canary {
    masked: Vec<u8>,
    /// Offsets of the parts that are searched for.
    parts: [usize; 2],
}

impl Canary {
    fn of(bytes: &[u8], parts: [usize; 2]) -> Self {
        Self { masked: bytes.iter().map(|byte| byte ^ MASK).collect(), parts }
    }

    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.masked.len()));
        bytes.extend(self.masked.iter().map(|byte| byte ^ MASK));
        bytes
    }

    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.masked.len()));
        text.extend(self.masked.iter().map(|byte| char::from(byte ^ MASK)));
        text
    }

    /// Number of places in the writable memory of this process that have one of its parts.
    fn count(&self) -> usize {
        let parts = self.parts.map(|begin| &self.masked[begin..begin + PART]);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut memory = File::open("/proc/self/mem").unwrap();
        let (mut seen, mut found) = (vec![0_u8; SEEN], 0);
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
                for offset in
                    (0..=length - PART).filter(|offset| parts.iter().any(|part| part[0] == seen[*offset] ^ MASK))
                {
                    let is_it =
                        |part: &&&[u8]| part.iter().zip(&seen[offset..]).all(|(masked, byte)| byte ^ MASK == *masked);
                    found += if own.contains(&(at + offset)) { 0 } else { parts.iter().filter(is_it).count() };
                }
                if length < SEEN {
                    break;
                }
                at += length - PART + 1;
            }
        }
        drop(Zeroizing::new(seen));
        found
    }
}

/// Set for a process of this test's own, which makes the key: what makes keys does not wipe them.
const INSIDE: &str = "DEFENDER_TRANSPORT_TEST_KEY";

/// In the private number of a P-256 key in PKCS #8, which is followed by the public point.
const SCALAR: [usize; 2] = [38, 50];

/// A certificate as PEM, and its key as DER.
fn identity() -> (String, Canary) {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "secrets_are_gone_from_memory_after_drop", "--nocapture"]).env(INSIDE, "1");
    let output = String::from_utf8(process.output().unwrap().stdout).unwrap();
    let of = |name: &str| {
        let line = output.lines().find_map(|line| line.split_once(name)).unwrap().1;
        STANDARD.decode(line).unwrap()
    };
    (String::from_utf8(of("certificate: ")).unwrap(), Canary { masked: of("masked key: "), parts: SCALAR })
}

fn make_an_identity() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["soar.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    println!("\ncertificate: {}", STANDARD.encode(certificate.pem()));
    println!("masked key: {}", STANDARD.encode(Canary::of(&key.serialize_der(), SCALAR).masked));
}

/// Builds a transport and asks a proxy for a way, which it refuses.
fn used(identity: Option<ClientIdentity>, password: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Zeroizing::new(format!("http://user:{password}@{}", listener.local_addr().unwrap()));
        let serve = tokio::spawn(async move {
            let mut client = listener.accept().await.unwrap().0;
            let mut asked = Zeroizing::new(Vec::with_capacity(1 << 12));
            while !asked.ends_with(b"\r\n\r\n") {
                client.read_buf(&mut *asked).await.unwrap();
            }
            client.write_all(b"HTTP/1.1 407 Denied\r\n\r\n").await.unwrap();
        });
        let transport = HyperTransport::builder().roots(Roots::bundled()).proxy(Proxy::http(&*url).unwrap());
        let transport = identity.into_iter().fold(transport, HyperTransportBuilder::client_identity).build().unwrap();
        let request = http::Request::get("https://api.example/").body(Bytes::new()).unwrap();
        assert!(transport.send(request).await.unwrap_err().to_string().contains("407"));
        serve.await.unwrap();
    });
}

#[test]
fn secrets_are_gone_from_memory_after_drop() {
    if std::env::var_os(INSIDE).is_some() {
        return make_an_identity();
    }
    let (certificate, key) = identity();
    let base64 = Canary::of(Zeroizing::new(STANDARD.encode(&*key.bytes())).as_bytes(), [52, 68]);
    let held = key.bytes();
    assert_eq!(key.count(), 2, "the look finds what is there");
    drop(held);
    assert_eq!((key.count(), base64.count()), (0, 0), "the look finds nothing that is not there");
    let mut left = Vec::new();
    for label in ["PRIVATE KEY", "CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY"] {
        let text = base64.text();
        let mut pem = Zeroizing::new(String::with_capacity(text.len() + 200));
        pem.extend(["-----BEGIN ", label, "-----\n", &**text, "\n-----END PRIVATE KEY-----\n"]);
        used(Some(ClientIdentity::pem(&certificate, &*pem).unwrap()), "other");
        drop((text, pem));
        left.extend([("key", key.count()), ("key in base64", base64.count())]);
    }

    let mut random = Zeroizing::new(Vec::with_capacity(5 + 60));
    random.extend_from_slice(b"user:");
    random.extend((0..60).map(|_| u8::try_from(fastrand::alphanumeric()).unwrap()));
    let canary = Canary::of(&random[5..], [44, 24]);
    let encoded = Canary::of(Zeroizing::new(STANDARD.encode(&*random)).as_bytes(), [70, 50]);
    drop(random);
    assert_eq!((canary.count(), encoded.count()), (0, 0));
    used(None, &canary.text());
    drop(Zeroizing::new(Secrets::new([&**canary.text()]).redact(&canary.text()).into_owned()));
    left.extend([("password", canary.count()), ("password in base64", encoded.count())]);
    left.retain(|(_, count)| *count > 0);
    assert_eq!(left, [("", 0); 0]);
}

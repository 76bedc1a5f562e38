//! State that is kept from start to start, and certificates from outside.

use std::path::PathBuf;

use bytes::Bytes;
use defender_emulator::Emulator;
use defender_transport::{HyperTransport, Roots, Transport};
use http::Request;
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// A folder that is gone when the test is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(uuid::Uuid::new_v4().to_string()))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn said(emulator: &Emulator) -> [String; 5] {
    let texts =
        [emulator.base_url(), emulator.tenant_id(), emulator.client_id(), emulator.client_secret(), emulator.ca_pem()];
    texts.map(str::to_owned)
}

async fn status(emulator: &Emulator, ca_pem: &str) -> u16 {
    let wire = HyperTransport::builder().roots(Roots::pem(ca_pem).unwrap()).build().unwrap();
    let request = Request::get(format!("{}/api/machines", emulator.base_url())).body(Bytes::new()).unwrap();
    wire.send(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn next_start_has_what_was_kept() {
    let folder = Folder::new();
    let start = || Emulator::builder().ids(7).state_dir(&folder.0).start();
    let first = said(&start().await.unwrap());
    let again = Emulator::builder().state_dir(&folder.0).start().await.unwrap();
    assert_eq!(said(&again), first);
    assert_eq!(status(&again, &first[4]).await, 401, "whoever trusted the first trusts the second");
    let here = Emulator::builder().state_dir(&folder.0).in_process().unwrap();
    assert_eq!(here.tenant_id(), first[1]);
}

#[cfg(unix)]
#[tokio::test]
async fn kept_secrets_are_read_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    drop(Emulator::builder().state_dir(&folder.0).start().await.unwrap());
    for name in ["key.pem", "emulator.json"] {
        assert_eq!(std::fs::metadata(folder.0.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn leaf_names_the_key_of_its_issuer() {
    let folder = Folder::new();
    drop(Emulator::builder().state_dir(&folder.0).start().await.unwrap());
    let leaf = CertificateDer::from_pem_slice(folder.read("cert.pem").as_bytes()).unwrap();
    let has = |extension: [u8; 5]| leaf.windows(5).any(|window| window == extension);
    assert!(has([0x06, 0x03, 0x55, 0x1d, 0x23]), "an authority key identifier, as VERIFY_X509_STRICT asks for");
}

#[tokio::test]
async fn given_certificate_is_shown() {
    let folder = Folder::new();
    drop(Emulator::builder().state_dir(&folder.0).start().await.unwrap());
    let (chain, key) = (folder.read("cert.pem") + &folder.read("ca.pem"), folder.read("key.pem"));
    let emulator = Emulator::builder().certificate(&chain, &key).start().await.unwrap();
    assert_eq!(emulator.ca_pem(), chain);
    assert_eq!(status(&emulator, &folder.read("ca.pem")).await, 401);
    let refused = Emulator::builder().certificate(&chain, "no key").start().await.unwrap_err();
    assert!(refused.to_string().contains("must be PEM"), "{refused}");
}

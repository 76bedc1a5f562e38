//! Private keys with ring, which this process has installed: it loads keys that aws-lc-rs refuses at once.
#![cfg(all(feature = "encrypted-keys", feature = "ring"))]

use std::{path::Path, sync::Arc};

use defender_auth::{ClientCertificateCredential, Cloud, CredentialContext, ErrorKind, IntoCredential};
use defender_transport::testing::{ManualClock, Tape};

#[test]
#[expect(clippy::disallowed_methods, reason = "this process has no other test")]
fn damaged_key_is_refused_at_once() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/certificate/damaged_key");
    let text = std::fs::read_to_string(file).unwrap();
    let (password, pem) = text.strip_prefix("password ").unwrap().split_once('\n').unwrap();
    let context = CredentialContext::new(Arc::new(Tape::in_order()), Arc::new(ManualClock::new()), Cloud::Public);
    let credential = ClientCertificateCredential::new("contoso.com", "client", pem).password(password);
    let error = credential.into_credential(&context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("the private key is damaged"), "{error}");
}

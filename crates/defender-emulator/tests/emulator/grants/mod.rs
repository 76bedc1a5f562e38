//! The token endpoint's other grants, judged by raw requests: each good one is taken, and each check refuses what it is for.

mod assertion;
mod discovery;
mod federation;
mod identity;
mod person;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::driver::{Answer, Driver};

const BY_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Whoever signs: an application, or another issuer.
struct Signer(KeyPair);

impl Signer {
    fn new() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn public_key(&self) -> Vec<u8> {
        self.0.public_key().as_der().unwrap().as_ref().to_vec()
    }

    fn sign(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(head), part(claims));
        let how: &'static dyn RsaEncoding = if head["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(how, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Asks at the older endpoint of this name.
async fn ask_v1(driver: &Driver, what: &str, parameters: &[(&'static str, String)]) -> Answer {
    let mut request = driver.token_request(driver.emulator.tenant_id(), parameters);
    *request.uri_mut() = request.uri().to_string().replace("/v2.0/token", &format!("/{what}")).parse().unwrap();
    driver.send(request).await
}

/// Asks with these parameters beside the client's id and the scope.
async fn ask(driver: &Driver, parameters: &[(&'static str, &str)]) -> Answer {
    let emulator = &driver.emulator;
    let mut all = vec![("client_id", emulator.client_id().to_owned()), ("scope", scope(driver))];
    for (name, value) in parameters {
        all.retain(|(known, _)| known != name);
        all.push((name, (*value).to_owned()));
    }
    driver.ask_for_token(&all).await
}

fn scope(driver: &Driver) -> String {
    format!("{}/.default offline_access", driver.emulator.audience())
}

/// The AADSTS number and the OAuth word with which it was refused.
#[track_caller]
fn refusal(response: &Answer) -> (u64, String) {
    assert!(response.status.is_client_error(), "{response:?}");
    let body = response.json();
    (body["error_codes"][0].as_u64().unwrap(), body["error"].as_str().unwrap().to_owned())
}

//! Keys, a certificate and signed tokens, made by openssl, which shares no line with our client.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::PathBuf,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use serde_json::Value;
use xtask::{Failure, workspace};

use super::variables::{Variables, fill};

/// A signed token (JWT) to be made before an exchange, under a name for its texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    name: String,
    key: Signer,
    alg: Algorithm,
    /// Headers besides `alg` and `typ`.
    #[serde(default)]
    head: BTreeMap<String, Value>,
    /// Claims; a text such as `$now+300.5` is a number of seconds since 1970, and `$now` a whole one.
    claims: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Signer {
    /// The application itself, whose certificate is `${certificate}`.
    Application,
    /// Another issuer, whose public key is `${public_key}`.
    Issuer,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Algorithm {
    PS256,
    RS256,
}

/// A folder with two keys and a certificate, which is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Keys(PathBuf);

impl Keys {
    /// Makes them. Fails where there is no openssl.
    pub(super) fn make() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("defender-conformance-{}", std::process::id()));
        let broken = |error: &dyn std::fmt::Display| Failure::broken(folder.display(), error);
        std::fs::create_dir_all(&folder).map_err(|error| broken(&error))?;
        let keys = Self(folder.clone());
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
        let request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "7", "-subj", "/CN=conformance"];
        let files = ["-addext", names, "-keyout", &keys.path("application.key"), "-out", &keys.path("application.crt")];
        openssl(request.iter().chain(&files), b"").map_err(|why| broken(&why))?;
        let issuer = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"];
        openssl(issuer.iter().chain(&[keys.path("issuer.key").as_str()]), b"").map_err(|why| broken(&why))?;
        Ok(keys)
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Their files, the texts of the public ones as a JSON text has them, and the certificate's thumbprints.
    pub(super) fn variables(&self) -> Result<Variables, Failure> {
        let told = |why: String| Failure::broken("openssl", why);
        let certificate = self.path("application.crt");
        let text = std::fs::read_to_string(&certificate).map_err(|error| told(error.to_string()))?;
        let public = openssl(["pkey", "-pubout", "-in", &self.path("issuer.key")], b"").map_err(told)?;
        let der = openssl(["x509", "-outform", "DER", "-in", &certificate], b"").map_err(told)?;
        let one_line = |pem: &str| pem.trim().replace('\n', "\\n");
        let mut variables = Variables::from([
            ("folder".to_owned(), self.0.display().to_string()),
            ("certificate_file".to_owned(), certificate),
            ("key_file".to_owned(), self.path("application.key")),
            ("certificate".to_owned(), one_line(&text)),
            ("public_key".to_owned(), one_line(&String::from_utf8_lossy(&public))),
        ]);
        for (name, digest) in [("x5t", "-sha1"), ("x5t_s256", "-sha256")] {
            let bytes = openssl(["dgst", digest, "-binary"], &der).map_err(told)?;
            variables.insert(name.to_owned(), URL_SAFE_NO_PAD.encode(&bytes));
            variables.insert(format!("{name}_padded"), URL_SAFE.encode(&bytes));
            variables.insert(format!("{name}_plain"), STANDARD.encode(&bytes));
        }
        Ok(variables)
    }

    /// Puts the signed token under its name.
    pub(super) fn sign(&self, token: &Token, variables: &mut Variables) -> Result<(), String> {
        let mut head = token.head.clone();
        let (alg, options): (_, &[&str]) = match token.alg {
            Algorithm::PS256 => ("PS256", &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]),
            Algorithm::RS256 => ("RS256", &[]),
        };
        head.extend([("alg".to_owned(), alg.into()), ("typ".to_owned(), "JWT".into())]);
        let claims: BTreeMap<_, _> = token.claims.iter().map(|(name, value)| (name, dated(value))).collect();
        let part = |value: serde_json::Result<String>| {
            let text = fill(&value.map_err(|error| error.to_string())?, variables)?;
            Ok::<_, String>(URL_SAFE_NO_PAD.encode(text))
        };
        let signed = format!("{}.{}", part(serde_json::to_string(&head))?, part(serde_json::to_string(&claims))?);
        let key = match token.key {
            Signer::Application => self.path("application.key"),
            Signer::Issuer => self.path("issuer.key"),
        };
        let signature = openssl(["dgst", "-sha256", "-sign", &key].iter().chain(options), signed.as_bytes())?;
        variables.insert(token.name.clone(), format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
        Ok(())
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // A folder that is in use stays in the machine's place for such things.
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

/// Checks the certificate at `base` as strict clients do, by its address and by its name.
pub(super) fn strict_tls(base: &str, ca_file: &str) -> Result<(), String> {
    let authority = base.strip_prefix("https://").unwrap_or(base);
    let client =
        ["s_client", "-brief", "-verify_return_error", "-x509_strict", "-CAfile", ca_file, "-connect", authority];
    for named in [["-verify_ip", "127.0.0.1"], ["-verify_hostname", "localhost"]] {
        openssl(client.iter().chain(&named), b"")?;
    }
    Ok(())
}

/// The number of seconds for `$now`, `$now+300.5` or `$now-60`; anything else as it is.
fn dated(value: &Value) -> Value {
    let Some(offset) = value.as_str().and_then(|text| text.strip_prefix("$now")) else { return value.clone() };
    let now = now();
    match offset.parse::<f64>() {
        _ if offset.is_empty() => now.into(),
        #[expect(clippy::cast_precision_loss, reason = "seconds of this century have 31 bits")]
        Ok(offset) if offset.fract() != 0.0 => (now as f64 + offset).into(),
        _ => now.saturating_add(offset.parse().unwrap_or_default()).into(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the emulator's program goes by the machine's clock")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Output of openssl for this input.
fn openssl(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &[u8]) -> Result<Vec<u8>, String> {
    workspace::fed(Command::new("openssl").args(arguments), input)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dates_are_whole_or_have_a_fraction() {
        assert!(dated(&json!("$now")).is_i64() && dated(&json!("$now-60")).is_i64());
        assert!(dated(&json!("$now+300.5")).is_f64());
        assert_eq!(dated(&json!("now")), json!("now"));
    }
}

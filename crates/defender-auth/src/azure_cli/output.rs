//! What the program printed.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::launch::{Finished, missing};
use crate::{AccessToken, Error, ErrorKind, entra::shown, expiry, secret::Secret};

/// No `Debug`: it holds the token.
#[derive(Deserialize)]
struct Printed {
    #[serde(rename = "accessToken")]
    access_token: String,
    #[serde(rename = "tokenType", default)]
    token_type: Option<String>,
    /// Seconds since 1970, from version 2.54 on. `expiresOn` beside it is local time and does not say of where.
    #[serde(default)]
    expires_on: Value,
}

/// The token that was printed, or why there is none.
pub(super) fn token(finished: &Finished, now: Timestamp) -> Result<AccessToken, Error> {
    if finished.code != Some(0) {
        let printed = printed(&finished.stdout);
        return Err(failure(finished.code, &String::from_utf8_lossy(&finished.stderr), &printed));
    }
    let wrong = |what: &str| Error::new(ErrorKind::Response).context(format!("of the Azure CLI: {what}"));
    // The cause is left out: it may quote what was printed.
    let printed: Printed = serde_json::from_slice(&finished.stdout).map_err(|_| wrong("it is not what is known"))?;
    let secret = Secret::new(printed.access_token);
    let seconds = expiry::seconds(&printed.expires_on).and_then(|seconds| i64::try_from(seconds).ok());
    let ends = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or_else(|| {
        Error::new(ErrorKind::Configuration).context(
            "the Azure CLI does not say when the token ends in a way that is certain; update it to 2.54 or later",
        )
    })?;
    if printed.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer")) {
        return Err(wrong("its token is not of the type Bearer"));
    }
    AccessToken::issued(secret.reveal(), now, ends)
}

/// The words that were printed where a token is printed, any of which may be one.
fn printed(stdout: &[u8]) -> Vec<Secret> {
    let text = Zeroizing::new(String::from_utf8_lossy(stdout).into_owned());
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-._~+/".contains(c));
    words.filter(|word| word.len() >= 8).take(1_000).map(Secret::new).collect()
}

fn failure(code: Option<i32>, stderr: &str, printed: &[Secret]) -> Error {
    if code == Some(127) || stderr.contains("is not recognized") {
        return missing();
    }
    if stderr.contains("az login") || stderr.contains("az account set") {
        return Error::new(ErrorKind::SignIn).context("run `az login` first");
    }
    let code = code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
    let told = shown(&redacted(&Secret::without(stderr.to_owned(), printed)));
    Error::new(ErrorKind::Other).context(format!("the Azure CLI ended with {code}: {told}"))
}

/// The text without words that are long enough to be a token.
fn redacted(text: &str) -> String {
    let word = |word| if str::len(word) > 60 || word.contains("eyJ") { "<redacted>" } else { word };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

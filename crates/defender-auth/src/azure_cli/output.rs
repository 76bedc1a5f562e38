//! What the program printed.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::launch::{Finished, missing};
use crate::{AccessToken, Error, ErrorKind, entra::shown, secret::Secret};

/// No `Debug`: it holds the token.
#[derive(Deserialize)]
struct Printed {
    #[serde(rename = "accessToken")]
    access_token: String,
    /// Seconds since 1970, from version 2.54 on. `expiresOn` beside it is local time and does not say of where.
    #[serde(default)]
    expires_on: Value,
}

/// The token that was printed, or why there is none.
pub(super) fn token(finished: &Finished, now: Timestamp) -> Result<AccessToken, Error> {
    if finished.code != Some(0) {
        return Err(failure(finished.code, &String::from_utf8_lossy(&finished.stderr)));
    }
    let wrong = |what: &str| Error::new(ErrorKind::Response).context(format!("of the Azure CLI: {what}"));
    // The cause is left out: it may quote what was printed.
    let printed: Printed = serde_json::from_slice(&finished.stdout).map_err(|_| wrong("it is not what is known"))?;
    let secret = Secret::new(printed.access_token);
    let seconds = printed.expires_on.as_i64().or_else(|| printed.expires_on.as_str()?.trim().parse().ok());
    let ends = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or_else(|| {
        Error::new(ErrorKind::Configuration).context(
            "the Azure CLI does not say when the token ends in a way that is certain; update it to 2.54 or later",
        )
    })?;
    if secret.reveal().trim().is_empty() {
        return Err(wrong("its token is empty"));
    }
    if ends <= now {
        return Err(wrong("its token has ended already; check this machine's clock"));
    }
    Ok(AccessToken::new(secret.reveal(), ends))
}

fn failure(code: Option<i32>, stderr: &str) -> Error {
    if code == Some(127) || stderr.contains("is not recognized") {
        return missing();
    }
    if stderr.contains("az login") || stderr.contains("az account set") {
        return Error::new(ErrorKind::SignIn).context("run `az login` first");
    }
    let code = code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
    Error::new(ErrorKind::Other).context(format!("the Azure CLI ended with {code}: {}", shown(&redacted(stderr))))
}

/// The text without words that are long enough to be a token.
fn redacted(text: &str) -> String {
    let word = |word| if str::len(word) > 60 || word.contains("eyJ") { "<redacted>" } else { word };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

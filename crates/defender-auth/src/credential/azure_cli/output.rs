//! Output of the Azure CLI.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::launch::{Finished, missing};
use crate::{AccessToken, Error, ErrorKind, json, oauth::entra_error::shown, secret::Secret, token::expiry};

/// No `Debug`: it holds the token.
#[derive(Deserialize)]
struct Printed {
    #[serde(rename = "accessToken")]
    access_token: Secret,
    #[serde(rename = "tokenType", default)]
    token_type: Option<String>,
    /// Seconds since 1970, from version 2.54 on. `expiresOn` beside it is local time and does not say of where.
    #[serde(default)]
    expires_on: Value,
}

/// Reads the token from the output. Without one, the error says why.
pub(super) fn token(finished: &Finished, now: Timestamp) -> Result<AccessToken, Error> {
    if finished.code != Some(0) {
        let printed = printed(&finished.stdout);
        return Err(failure(finished.code, &String::from_utf8_lossy(&finished.stderr), &printed));
    }
    let wrong = |what: &str| Error::new(ErrorKind::Response).context(format!("of the Azure CLI: {what}"));
    let printed: Printed = json::find(&finished.stdout).ok_or_else(|| wrong("it is not what is known"))?;
    let seconds = expiry::seconds(&printed.expires_on).and_then(|seconds| i64::try_from(seconds).ok());
    let ends = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or_else(|| {
        Error::new(ErrorKind::Configuration).context(
            "the Azure CLI does not say when the token ends in a way that is certain; update it to 2.54 or later",
        )
    })?;
    if printed.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer")) {
        return Err(wrong("its token is not of the type Bearer"));
    }
    AccessToken::issued(printed.access_token.reveal(), now, ends)
}

/// The words that were printed in the place of a token, any of which may be a token.
fn printed(stdout: &[u8]) -> Vec<Secret> {
    let text = Zeroizing::new(String::from_utf8_lossy(stdout).into_owned());
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-._~+/".contains(c));
    words.filter(|word| word.len() >= 8).take(1_000).map(Secret::new).collect()
}

fn failure(code: Option<i32>, stderr: &str, printed: &[Secret]) -> Error {
    // `cmd.exe` says 9009 of a program that it does not find, and shells say 127.
    if matches!(code, Some(127 | 9009)) || stderr.contains("is not recognized as an internal or external command") {
        return missing();
    }
    let told = redacted(&Secret::without(json::without_escapes(stderr), printed));
    if let Some(advice) = sign_in_advice(&told) {
        return Error::new(ErrorKind::SignIn).context(advice);
    }
    let code = code.map_or_else(|| "a signal".to_owned(), |code| exit_code(code, cfg!(windows)));
    Error::new(ErrorKind::Other).context(format!("the Azure CLI ended with {code}: {}", shown(&told)))
}

/// An exit code as the system shows it: Windows has unsigned ones, such as 3221225786 where a person pressed Ctrl+C.
fn exit_code(code: i32, on_windows: bool) -> String {
    if on_windows { format!("exit code {}", code.cast_unsigned()) } else { format!("exit code {code}") }
}

/// The command that the CLI advises for a sign-in: its own, since it has the scope, the tenant or the claims
/// that a plain `az login` lacks; and the reason, such as a second factor that is required.
fn sign_in_advice(told: &str) -> Option<String> {
    let at = ["az login", "az account set"].iter().filter_map(|command| told.find(command)).min()?;
    // The program names the command last. Of a long text, the end matters.
    let why: String = told.get(..at).unwrap_or_default().chars().take(300).collect();
    let command: String = told.get(at..).unwrap_or_default().chars().take(500).collect();
    let (why, command) = (shown(why.trim()), shown(command.trim()));
    Some(if command.starts_with("az login --") || command.starts_with("az account set") {
        format!("the Azure CLI says: {why} {command}")
    } else {
        format!("run `az login` first; the Azure CLI says: {why} {command}")
    })
}

/// The text without words that are long enough to be a token.
fn redacted(text: &str) -> String {
    let word = |word| if str::len(word) > 60 || word.contains("eyJ") { "<redacted>" } else { word };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_code_has_the_system_format() {
        for (code, on_windows, shown) in [
            (1, false, "exit code 1"),
            (1, true, "exit code 1"),
            (-1_073_741_510, true, "exit code 3221225786"),
            (-1, true, "exit code 4294967295"),
            (-1, false, "exit code -1"),
        ] {
            assert_eq!(exit_code(code, on_windows), shown);
        }
    }

    #[test]
    fn advice_of_the_program_is_kept() {
        for (stderr, words) in [
            ("Please run 'az login' to setup account.", "run `az login` first"),
            (
                "ERROR: AADSTS70043: The refresh token has expired.\nPlease run 'az login' to setup account.",
                "run `az login` first; the Azure CLI says: ERROR: AADSTS70043: The refresh token has expired.",
            ),
            (
                "ERROR: AADSTS50076: Due to a configuration change, you must use multi-factor authentication.\n\
                 Interactive authentication is needed. Please run:\naz login --scope https://api.securitycenter.microsoft.com/.default",
                "multi-factor authentication. Interactive authentication is needed. Please run: az login --scope \
                 https://api.securitycenter.microsoft.com/.default",
            ),
            (
                "Run the command below to authenticate:\naz login --tenant \"contoso.com\" --scope \"x\"",
                "az login --tenant \"contoso.com\" --scope \"x\"",
            ),
            (
                "The subscription of 'x' doesn't exist. Use: az account set --subscription NAME",
                "az account set --subscription NAME",
            ),
            (
                "\u{1b}[31mERROR:\u{1b}[0m Run:\naz login --claims-challenge \"eyJhY2Nlc3MiOnt9fQ==\"",
                "az login --claims-challenge <redacted>",
            ),
        ] {
            let error = failure(Some(1), stderr, &[]);
            assert_eq!(error.kind(), ErrorKind::SignIn);
            assert!(error.to_string().contains(words) && !error.to_string().contains(['\n', '\u{1b}']), "{error}");
        }
        for (code, stderr) in
            [(Some(9009), ""), (Some(127), ""), (Some(1), "'az' is not recognized as an internal or external command")]
        {
            assert!(failure(code, stderr, &[]).to_string().contains("install-azure-cli"));
        }
    }
}

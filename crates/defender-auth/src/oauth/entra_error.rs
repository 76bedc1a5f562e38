//! Errors of the token endpoint: <https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes>.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{json, secret::Secret};

/// No more of a description than this is shown.
const SHOWN: usize = 500;

/// An error of Entra's token endpoint.
///
/// Branch on [`error`](Self::error); Microsoft says never to branch on the numbers or the text, which are for people.
#[derive(Clone, Deserialize, Serialize)]
pub struct EntraError {
    error: String,
    #[serde(default, deserialize_with = "text")]
    error_description: Option<String>,
    #[serde(default, deserialize_with = "numbers")]
    error_codes: Vec<u32>,
    #[serde(default, deserialize_with = "text")]
    correlation_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    trace_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    suberror: Option<String>,
    #[serde(default, deserialize_with = "text")]
    claims: Option<String>,
}

/// Text, or nothing: a field of another shape does not take the error with it.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let number = |value: Value| value.as_u64().or_else(|| value.as_str()?.parse().ok())?.try_into().ok();
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(all) => all.into_iter().filter_map(number).collect(),
        _ => Vec::new(),
    })
}

impl EntraError {
    /// Reads the error from the body of a token endpoint's response, if it has one.
    #[must_use]
    pub fn from_body(body: &[u8]) -> Option<Self> {
        json::read(body)
    }

    /// An error that a browser brought back.
    #[cfg(feature = "browser")]
    pub(crate) fn new(error: &str, description: Option<&str>) -> Self {
        Self {
            error: error.to_owned(),
            error_description: description.map(str::to_owned),
            error_codes: Vec::new(),
            correlation_id: None,
            trace_id: None,
            suberror: None,
            claims: None,
        }
    }

    /// The OAuth code, such as `invalid_client`.
    #[must_use]
    pub fn error(&self) -> &str {
        &self.error
    }

    /// The first AADSTS number, such as 7000215.
    #[must_use]
    pub fn aadsts(&self) -> Option<u32> {
        self.error_codes.first().copied().or_else(|| {
            let digits = self.error_description.as_deref()?.split_once("AADSTS")?.1;
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        })
    }

    /// Correlation ID, which Microsoft's support asks for.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// Trace ID, which Microsoft's support asks for beside it.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// A finer word than [`error`](Self::error), where there is one.
    #[must_use]
    pub fn suberror(&self) -> Option<&str> {
        self.suberror.as_deref()
    }

    /// The claims that a sign-in must satisfy, as JSON, where somebody has to sign in again: what
    /// [`TokenRequest::claims`](crate::TokenRequest::claims) takes, and what an API that acts for a user hands on to its
    /// caller with a 401.
    #[must_use]
    pub fn claims(&self) -> Option<&str> {
        self.claims.as_deref()
    }

    /// Returns true if only a person can help, by signing in: consent, a second factor, a password to be changed. Too many requests
    /// of a person's sign-in are an `invalid_grant` too (AADSTS50196), and no sign-in ends them.
    #[must_use]
    pub fn needs_sign_in(&self) -> bool {
        !self.is_passing()
            && matches!(
                self.error.as_str(),
                "invalid_grant" | "interaction_required" | "login_required" | "consent_required"
            )
    }

    /// Returns true if the same request may succeed later: too many requests, or trouble of the endpoint, whatever `error` they
    /// come with.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.error.as_str(), "temporarily_unavailable" | "server_error")
            || self.is_throttled()
            || matches!(self.aadsts(), Some(50_033 | 90_006 | 90_024 | 90_033))
    }

    /// Returns true if the application has sent too many equal requests, of which another one at once would be one more.
    pub(crate) fn is_throttled(&self) -> bool {
        self.aadsts() == Some(50_196)
    }

    /// Returns true if a person was asked and declined. Conditional Access forbids with the same `error`, and another number.
    pub(crate) fn is_declined(&self) -> bool {
        match self.error.as_str() {
            "authorization_declined" => true,
            "access_denied" => !matches!(self.aadsts(), Some(53_000..=53_999 | 530_000..=530_999 | 50_105)),
            _ => self.aadsts() == Some(65_004),
        }
    }

    /// Returns true if a federated credential is not known, as a new one is not known everywhere at once.
    pub(crate) fn is_new_trust(&self) -> bool {
        matches!(self.aadsts(), Some(70_021 | 700_211 | 700_213))
    }

    /// Advice for the most common errors. The number is a hint for people.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self.aadsts()? {
            7_000_215 => "the client secret is wrong; use the secret's value, not its id",
            7_000_222 => "the client secret has expired; make a new one",
            700_016 => "the application is not in this tenant; check client id, tenant and cloud",
            7_000_112 => "the application is disabled; ask the tenant's administrator",
            90_002 | 900_023 => "the tenant is not known; check the tenant id and the cloud",
            500_011 => "the tenant does not know this audience; check audience and cloud",
            70_011 | 1_002_012 => "the scope is not valid; it must be the audience followed by `/.default`",
            650_057 => "add the API to the application's permissions",
            65_004 => "the person declined to consent; ask again when they agree",
            65_001 => "an administrator must grant consent to the application's permissions",
            7_000_218 => "give the application a secret or a certificate, or allow public client flows on it",
            700_025 => "a public client has no secret; leave the secret out",
            700_027 => "upload the certificate to the application, and check that it has not expired",
            700_021 | 700_023 => {
                "the assertion is for another application or tenant; check client id, tenant and authority"
            }
            700_024 => "the assertion has expired; check this machine's clock and the token file",
            70_021 | 700_211..=700_213 | 7_002_138 => {
                "no federated credential fits; compare issuer, subject and audience, letter case too. A new one takes \
                 minutes to spread"
            }
            50_013 => "the user's token cannot be exchanged; is it an access token for this application?",
            500_131 => "the user's token is for another application; its audience must be this one",
            500_133 => "the user's token has expired; ask the user's client for a new one",
            50_011 => "register the redirect URI `http://localhost` as a mobile or desktop application's",
            501_481 => "the code was asked for by somebody else; sign in again",
            54_005 => "a code can be used once; sign in again",
            50_076 | 50_079 => "a second factor is wanted; sign in again",
            53_000 | 53_003 => "Conditional Access forbids it; ask the tenant's administrator",
            50_194 => "the application is for one tenant; give the tenant's id instead of `common`",
            50_020 | 50_105 => "the user is not in the tenant, or not assigned to the application",
            50_173 | 70_008 | 700_082 | 70_043 => "the sign-in has ended; sign in again",
            70_016 => "nobody has entered the device code yet; wait",
            70_018..=70_020 => "the device code is wrong or has expired; begin again",
            50_196 => "too many requests for the same token; keep the token that you have",
            50_033 | 90_006 | 90_024 | 90_033 => "the endpoint is in trouble; try again later",
            _ => return None,
        })
    }

    /// The first line of the description: the rest are ids and the time.
    fn summary(&self) -> Option<String> {
        self.error_description.as_deref()?.lines().next().map(shown)
    }

    /// The error without any of `secrets`, which the endpoint may have echoed.
    pub(crate) fn without(self, secrets: &[Secret]) -> Self {
        let clean = |text: Option<String>| text.map(|text| Secret::without(text, secrets));
        Self {
            error: Secret::without(self.error, secrets),
            error_description: clean(self.error_description),
            error_codes: self.error_codes,
            correlation_id: clean(self.correlation_id),
            trace_id: clean(self.trace_id),
            suberror: clean(self.suberror),
            claims: clean(self.claims),
        }
    }
}

impl fmt::Display for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.error))?;
        if let Some(summary) = self.summary() {
            write!(f, ", {summary}")?;
        }
        if let Some(advice) = self.advice() {
            write!(f, " What to do: {advice}.")?;
        }
        self.correlation_id.as_ref().map_or(Ok(()), |id| write!(f, " Correlation id: {}.", shown(id)))
    }
}

/// Foreign text, made fit for one line of a log: without control characters, and without those that hide in a text or
/// turn its direction.
pub(crate) fn shown(text: &str) -> String {
    let hides = |c: char| matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    text.chars().map(|c| if c.is_control() || hides(c) { ' ' } else { c }).take(SHOWN).collect()
}

impl fmt::Debug for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("EntraError");
        debug.field("error", &shown(&self.error));
        if let Some(number) = self.aadsts() {
            debug.field("aadsts", &number);
        }
        let texts =
            [("suberror", &self.suberror), ("correlation_id", &self.correlation_id), ("trace_id", &self.trace_id)];
        for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            debug.field(name, &shown(text));
        }
        debug.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_secret_is_in_no_field() {
        let json = r#"{"error":"e canary","error_description":"d canary","correlation_id":"c canary",
            "trace_id":"t canary","suberror":"s canary","claims":"canary"}"#;
        let error: EntraError = serde_json::from_str(json).unwrap();
        let error = error.without(&[Secret::new("canary")]);
        let all = format!("{error} {error:?} {}", serde_json::to_string(&error).unwrap());
        assert!(!all.contains("canary"), "{all}");
        assert_eq!(error.claims(), Some("<redacted>"));
    }

    #[test]
    fn malformed_field_keeps_the_error() {
        let json = r#"{"error":"e","error_description":5,"error_codes":["70016",-1,{}],"trace_id":[],"suberror":null}"#;
        let error: EntraError = serde_json::from_str(json).unwrap();
        assert_eq!((error.error(), error.aadsts(), error.suberror()), ("e", Some(70_016), None));
    }

    #[test]
    fn foreign_text_is_one_short_line() {
        let long = format!("a\u{1b}[31m\n{}", "x".repeat(10_000));
        let mut error = EntraError { error: long.clone(), ..serde_json::from_str(r#"{"error":""}"#).unwrap() };
        assert!(error.to_string().len() <= SHOWN && !error.to_string().contains(['\n', '\u{1b}']));
        let hidden = Some(format!("{long}\u{202e}\u{200b}"));
        (error.suberror, error.correlation_id, error.trace_id) = (hidden.clone(), hidden.clone(), hidden.clone());
        error.error_description = hidden;
        for text in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
            assert!(text.len() <= 5 * SHOWN && !text.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{text}");
            assert!(!text.contains("None"), "{text}");
        }
    }

    #[test]
    fn each_of_the_common_numbers_has_advice() {
        let common: [u32; 49] = [
            65_004, 7_000_215, 7_000_222, 700_016, 7_000_112, 90_002, 900_023, 500_011, 70_011, 1_002_012, 650_057,
            65_001, 7_000_218, 700_025, 700_027, 700_024, 70_021, 700_211, 700_212, 700_213, 7_002_138, 50_013,
            500_131, 500_133, 50_011, 501_481, 54_005, 50_076, 50_079, 53_003, 53_000, 50_194, 50_020, 50_105, 50_173,
            70_008, 700_082, 70_043, 70_016, 70_018, 70_019, 70_020, 50_196, 50_033, 90_006, 90_024, 90_033, 700_021,
            700_023,
        ];
        for number in common {
            for json in [
                format!(r#"{{"error":"e","error_codes":[{number}]}}"#),
                format!(r#"{{"error":"e","error_description":"AADSTS{number}: words.\r\nTrace ID: t"}}"#),
            ] {
                let error: EntraError = serde_json::from_str(&json).unwrap();
                assert_eq!(error.aadsts(), Some(number));
                let advice = error.advice().unwrap_or_else(|| panic!("{number} has none"));
                assert!(error.to_string().contains(advice), "{error}");
            }
        }
        for json in
            [r#"{"error":"e","error_codes":[1]}"#, r#"{"error":"e"}"#, r#"{"error":"e","error_description":"AADSTS"}"#]
        {
            assert_eq!(serde_json::from_str::<EntraError>(json).unwrap().advice(), None);
        }
    }

    #[test]
    fn a_common_error_says_what_to_do() {
        let json = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: x"}"#;
        let error: EntraError = serde_json::from_str(json).unwrap();
        assert_eq!(error.aadsts(), Some(7_000_215));
        assert_eq!(
            error.to_string(),
            "invalid_client, AADSTS7000215: Invalid client secret provided. What to do: the client secret is wrong; use \
             the secret's value, not its id."
        );
    }
}

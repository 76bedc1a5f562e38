//! The token endpoint's answers, as `oauth2` wants them.

use std::{fmt, time::Duration};

use oauth2::{ErrorResponse, TokenResponse, basic::BasicTokenType};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::EntraError;

/// More than any token lives: CAE makes it 28 hours, and what claims more is believed for a week.
pub(super) const LONGEST: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A refusal. It is not [`EntraError`] itself that has `oauth2`'s trait, since everybody can name that.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Refusal(pub(super) EntraError);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ErrorResponse for Refusal {}

/// A token as the endpoint answers it: version 2 with numbers, version 1 with numbers in strings.
#[derive(Deserialize, Serialize)]
pub(super) struct TokenAnswer {
    access_token: oauth2::AccessToken,
    token_type: BasicTokenType,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<Duration>,
    #[serde(default, deserialize_with = "seconds")]
    pub(super) refresh_in: Option<Duration>,
    #[serde(default)]
    refresh_token: Option<oauth2::RefreshToken>,
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &oauth2::AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    fn refresh_token(&self) -> Option<&oauth2::RefreshToken> {
        self.refresh_token.as_ref().filter(|token| !token.secret().is_empty())
    }

    fn scopes(&self) -> Option<&Vec<oauth2::Scope>> {
        None
    }
}

/// A number of seconds, or a number in a string; nothing below zero, and no more than [`LONGEST`]. What is neither is not
/// there.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let number = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    Ok(number
        .filter(|number: &f64| number.is_finite())
        .map(|number| Duration::try_from_secs_f64(number.trunc().clamp(0.0, LONGEST.as_secs_f64())).unwrap_or(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_a_number_or_text_and_are_never_beyond_reason() {
        for (expires_in, seconds) in [
            ("3599", Some(3_599)),
            ("\"3599\"", Some(3_599)),
            ("\" 3599 \"", Some(3_599)),
            ("3599.9", Some(3_599)),
            ("0", Some(0)),
            ("-5", Some(0)),
            ("\"-5\"", Some(0)),
            ("1000000000000000000", Some(LONGEST.as_secs())),
            ("1e300", Some(LONGEST.as_secs())),
            ("\"soon\"", None),
            ("\"\"", None),
            ("\"NaN\"", None),
            ("null", None),
            ("[1]", None),
            ("true", None),
        ] {
            let json = format!(r#"{{"token_type":"Bearer","expires_in":{expires_in},"access_token":"t"}}"#);
            let answer: TokenAnswer = serde_json::from_str(&json).unwrap();
            assert_eq!(answer.expires_in.map(|life| life.as_secs()), seconds, "{expires_in}");
        }
    }
}

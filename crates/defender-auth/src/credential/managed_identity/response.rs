//! Response of a managed identity's host.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    AccessToken, EntraError, Error, ErrorKind, json, oauth::entra_error::shown, secret::Secret, token::expiry,
};

/// From this on, a token is replaced at half its life, as MSAL does: the host keeps it for a day.
const LONG: Duration = Duration::from_secs(2 * 3_600);

/// Times are numbers in strings; App Service gives no `expires_in`. No `Debug`: it holds the token.
#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_on: Value,
    #[serde(default)]
    expires_in: Value,
}

/// The token of a 200 to a request that was sent at `asked`.
pub(super) fn token(body: &[u8], asked: Timestamp) -> Result<AccessToken, Error> {
    let unusable = |what: &str| Error::new(ErrorKind::Response).context(what);
    let response: Answer = json::read(body).ok_or_else(|| unusable("it lacks what a token has"))?;
    if response.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer")) {
        return Err(unusable("its token is not of the type Bearer"));
    }
    let after = |span: Duration| asked.checked_add(span).map_err(|_| unusable("its lifetime is beyond all dates"));
    // The host gives a token again for as long as it is good, and `expires_in` may count from its issue.
    let left = expiry::until(&response.expires_on, asked).or_else(|| expiry::lifetime(&response.expires_in));
    let left = left.ok_or_else(|| unusable("it does not say when its token ends"))?;
    let token = AccessToken::issued(response.access_token.reveal(), asked, after(left)?)?;
    Ok(if left > LONG { token.refresh_on(after(left / 2)?) } else { token })
}

/// An error in App Service's shape.
#[derive(Deserialize)]
struct OfAppService {
    message: String,
}

/// Error for a response with another status. Nothing that was sent is in it.
pub(super) fn refusal(status: StatusCode, body: &[u8], secrets: &[Secret]) -> Error {
    if let Some(error) = json::read::<EntraError>(body) {
        return Error::refused(error.without(secrets));
    }
    let said = json::read(body).map(|OfAppService { message }| Secret::without(message, secrets));
    let what = match (status.as_u16(), &said) {
        (_, Some(said)) => shown(said),
        (300..=399, _) => "a redirect, and none is followed".to_owned(),
        (400, _) => "is the identity assigned to this machine?".to_owned(),
        (502 | 504, _) => "does a proxy stand in between? There must be none".to_owned(),
        _ => "is this the endpoint of a managed identity?".to_owned(),
    };
    Error::new(ErrorKind::Response).context(format!("status {}: {what}", status.as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(times: &str) -> Option<i64> {
        let asked = Timestamp::from_second(1_000).unwrap();
        let token = token(format!(r#"{{"access_token":"t",{times}}}"#).as_bytes(), asked).ok()?;
        Some(token.expires_on().as_second() - 1_000)
    }

    #[test]
    fn expiry_is_text_number_or_date() {
        let week = i64::try_from(expiry::LONGEST.as_secs()).unwrap();
        for (times, seconds) in [
            (r#""expires_on":"4600","expires_in":"9""#, Some(3_600)),
            (r#""expires_on":4600"#, Some(3_600)),
            (r#""expires_on":"1970-01-01T01:16:40Z""#, Some(3_600)),
            (r#""expires_in":"3599""#, Some(3_599)),
            (r#""expires_in":3599,"expires_on":null"#, Some(3_599)),
            (r#""expires_in":1000000000000000000"#, Some(week)),
            (r#""expires_on":18446744073709551615"#, Some(week)),
            (r#""expires_in":0"#, None),
            (r#""expires_in":-9223372036854775808"#, None),
            (r#""expires_on":"999""#, None),
            (r#""expires_on":"soon""#, None),
            (r#""expires_on":{}"#, None),
        ] {
            assert_eq!(left(times), seconds, "{times}");
        }
    }
}

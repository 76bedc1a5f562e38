//! Claims of a token.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{json, token::base64_text::decoded};

/// No token of Entra's is longer; a longer token is not read.
const LONGEST: usize = 1 << 20;

/// The claims that name the principal.
const NAMES: [&str; 7] = ["upn", "preferred_username", "unique_name", "email", "appid", "azp", "oid"];

/// Claims of a token, **unverified**: for diagnosis, and for nothing that must be true.
///
/// Tokens are opaque to clients, and their form may change. So nothing here fails: a token that is not a JWT has no claims,
/// and a claim that is missing or of another form is left out. Meaning of each claim:
/// <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference>.
///
/// ```
/// use defender_auth::AccessToken;
/// use jiff::Timestamp;
///
/// // {"aud":"https://api.securitycenter.microsoft.com","roles":["Machine.Isolate"]}
/// let jwt = "e30.eyJhdWQiOiJodHRwczovL2FwaS5zZWN1cml0eWNlbnRlci5taWNyb3NvZnQuY29tIiwicm9sZXMiOlsiTWFjaGluZS5Jc29sYXRlIl19.x";
/// let claims = AccessToken::new(jwt, Timestamp::MAX).claims().unwrap();
/// assert_eq!(claims.audience.as_deref(), Some("https://api.securitycenter.microsoft.com"));
/// assert!(claims.permits("Machine.Isolate"));
///
/// assert!(AccessToken::new("opaque", Timestamp::MAX).claims().is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// Audience (`aud`): an API refuses a token for another. Of several, the first.
    pub audience: Option<String>,
    /// The tenant's id (`tid`).
    pub tenant: Option<String>,
    /// An application's permissions (`roles`).
    pub roles: Vec<String>,
    /// The permissions that a user delegated (`scp`).
    pub scopes: Vec<String>,
    /// The id of the user or of the application's service principal (`oid`), which the API takes for the requestor.
    pub object_id: Option<String>,
    /// The application's client id (`appid`, in tokens of version 2 `azp`).
    pub application: Option<String>,
    /// Every name of the principal in the token, for comparison: `upn`, `preferred_username`, `unique_name`, `email`,
    /// `appid`, `azp` and `oid`.
    pub names: Vec<String>,
    /// The user's name (`upn`, else `preferred_username`), in a delegated token.
    pub user: Option<String>,
    /// End of its lifetime (`exp`).
    pub expires_on: Option<Timestamp>,
}

impl Claims {
    /// Reads the middle one of a JWT's three parts. No signature is checked.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
        if claims.len() > LONGEST {
            return None;
        }
        let Value::Object(claims) = json::read(&decoded(claims)?)? else { return None };
        Some(Self {
            audience: words(&claims, "aud").into_iter().next(),
            tenant: text(&claims, "tid"),
            roles: words(&claims, "roles"),
            scopes: text(&claims, "scp").iter().flat_map(|all| all.split_whitespace()).map(str::to_owned).collect(),
            object_id: text(&claims, "oid"),
            application: text(&claims, "appid").or_else(|| text(&claims, "azp")),
            user: text(&claims, "upn").or_else(|| text(&claims, "preferred_username")),
            names: NAMES.iter().filter_map(|name| text(&claims, name)).collect(),
            expires_on: claims.get("exp").and_then(seconds).and_then(|exp| Timestamp::from_second(exp).ok()),
        })
    }

    /// Returns true if `permission`, such as `Machine.Isolate`, is among the roles or the delegated scopes.
    #[must_use]
    pub fn permits(&self, permission: &str) -> bool {
        self.roles.iter().chain(&self.scopes).any(|has| has.eq_ignore_ascii_case(permission))
    }
}

fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// An array's texts, or the one text that stands in its place.
fn words(claims: &Map<String, Value>, name: &str) -> Vec<String> {
    match claims.get(name) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn claims(json: &str) -> Option<Claims> {
        Claims::of(&format!("e30.{}.signature", URL_SAFE_NO_PAD.encode(json)))
    }

    #[test]
    fn an_applications_token_is_read() {
        let claims = claims(
            r#"{"aud":"https://api.securitycenter.microsoft.com","tid":"t","roles":["Machine.Isolate","Machine.Scan"],
                "oid":"o","appid":"a","exp":1767268800}"#,
        )
        .unwrap();
        assert_eq!(claims.audience.as_deref(), Some("https://api.securitycenter.microsoft.com"));
        assert_eq!(claims.roles, ["Machine.Isolate", "Machine.Scan"]);
        assert_eq!((claims.tenant.as_deref(), claims.object_id.as_deref()), (Some("t"), Some("o")));
        assert_eq!(claims.application.as_deref(), Some("a"));
        assert_eq!(claims.expires_on.unwrap().as_second(), 1_767_268_800);
        assert!(claims.permits("machine.scan") && !claims.permits("Machine.Offboard"));
    }

    #[test]
    fn user_token_of_version_2_is_read() {
        let claims = claims(
            r#"{"aud":["one","two"],"scp":"Machine.Read Machine.Isolate","azp":"a","preferred_username":"u@x","exp":"7"}"#,
        )
        .unwrap();
        assert_eq!(claims.scopes, ["Machine.Read", "Machine.Isolate"]);
        assert_eq!((claims.application.as_deref(), claims.user.as_deref()), (Some("a"), Some("u@x")));
        assert_eq!((claims.audience.as_deref(), claims.expires_on), (Some("one"), Timestamp::from_second(7).ok()));
    }

    #[test]
    fn nothing_of_another_shape_is_an_error() {
        let odd = r#"{"aud":5,"roles":{"a":1},"scp":["x"],"oid":null,"exp":1e300,"tid":""}"#;
        assert_eq!(claims(odd), Some(Claims::default()));
        for token in ["", "opaque", "a.b", "a.b.c", "a.b.c.d", "..", "e30.W10.x", "e30.é.x"] {
            assert_eq!(Claims::of(token), None, "{token}");
        }
    }
}

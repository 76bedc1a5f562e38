//! The check of the `Authorization` header on every call of the API.

use std::sync::Arc;

use http::{HeaderMap, header::AUTHORIZATION};

use crate::{
    entra::jwt::{Claims, Refusal},
    http::{operation::Operation, problem::Problem},
    service::Service,
};

/// Returns the claims of the caller's token, if it has one of the roles, or, if it is a user's, one of the scopes.
///
/// No token, or one that is not of this tenant or over, is a 401. A token for another audience is a 403 that does not
/// name the audience, as with the service; a token without the role is a 403 that names both sides, seen in the wild:
/// Azure-Sentinel#14672.
pub(crate) fn authorize(service: &Service, headers: &HeaderMap, operation: Operation) -> Result<Arc<Claims>, Problem> {
    let realm =
        || format!("authorization_uri=\"{}/{}/oauth2/authorize\"", service.base_url, service.identity.tenant_id);
    let Some(token) = bearer(headers) else {
        return Err(Problem::unauthorized("Authorization has been denied for this request.", &realm()));
    };
    let invalid = |why: &str| {
        let challenge = format!("{}, error=\"invalid_token\", error_description=\"{why}\"", realm());
        Problem::unauthorized(why, &challenge)
    };
    let claims = service.key.verify(token, service.clock.now()).map_err(|refusal| match refusal {
        Refusal::Invalid => invalid("The signature is invalid"),
        Refusal::Expired => invalid("The token has expired"),
    })?;
    if claims.tid != service.identity.tenant_id {
        return Err(invalid("The issuer is invalid"));
    }
    if !service.takes(&claims.aud) {
        return Err(Problem::forbidden("Access to the resource is forbidden"));
    }
    let roles = operation.roles();
    let scopes = operation.scopes();
    let given = claims.scp.as_deref().unwrap_or_default();
    if claims.roles.iter().any(|role| roles.contains(&role.as_str()))
        || given.split(' ').any(|scope| scopes.contains(&scope))
    {
        return Ok(claims);
    }
    Err(Problem::forbidden(if claims.scp.is_some() {
        format!("Missing scopes. API required scopes: {}, delegated scopes: {given}.", scopes.join(","))
    } else {
        format!(
            "Missing application roles. API required roles: {}, application roles: {}.",
            roles.join(","),
            claims.roles.join(",")
        )
    }))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use defender_transport::{Clock, testing::ManualClock};
    use http::StatusCode;

    use super::*;
    use crate::{
        entra::{audience::AUDIENCE, identity::Identity, jwt::TokenKey},
        ids::Ids,
        service::Urls,
        settings::Settings,
    };

    fn service() -> Service {
        let ids = Ids::new(None);
        let secrets = (Identity::new(&ids), TokenKey::generate().unwrap());
        let clock = Arc::new(ManualClock::new());
        Service::new(clock, Urls::default(), (ids, secrets), Vec::new(), Settings::default())
    }

    /// Calls with a token that is good but for what `change` does to it.
    fn call(change: impl FnOnce(&mut Claims)) -> Result<Arc<Claims>, StatusCode> {
        let service = service();
        let now = service.clock.now().as_second();
        let mut claims = Claims {
            aud: AUDIENCE.to_owned(),
            iss: String::new(),
            iat: now,
            nbf: now,
            exp: now + 60,
            tid: service.identity.tenant_id.clone(),
            appid: service.identity.client_id.clone(),
            roles: vec!["Machine.Scan".to_owned()],
            ..Claims::default()
        };
        change(&mut claims);
        let mut headers = HeaderMap::new();
        let header = format!("bearer {}", service.key.sign(&claims).unwrap());
        headers.insert(AUTHORIZATION, header.parse().unwrap());
        authorize(&service, &headers, Operation::RunAntiVirusScan).map_err(|problem| problem.status())
    }

    #[test]
    fn any_one_of_the_roles_opens_the_call() {
        assert_eq!(call(|_| {}).unwrap().roles, ["Machine.Scan"]);
        assert_eq!(call(|claims| claims.roles.clear()).unwrap_err(), StatusCode::FORBIDDEN);
        let other = |claims: &mut Claims| claims.roles = vec!["Machine.Isolate".to_owned()];
        assert_eq!(call(other).unwrap_err(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn user_scope_must_match_whole() {
        let with = |scopes: &'static str| {
            call(|claims| {
                claims.roles.clear();
                claims.scp = Some(scopes.to_owned());
            })
        };
        assert!(with("Machine.Read Machine.Scan").is_ok());
        assert_eq!(with("Machine.ScanAll Machine.Read").unwrap_err(), StatusCode::FORBIDDEN);
        assert_eq!(with("").unwrap_err(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn a_token_for_another_audience_is_forbidden() {
        for aud in ["https://graph.microsoft.com", "https://api.securitycenter.microsoft.com/"] {
            assert_eq!(call(|claims| aud.clone_into(&mut claims.aud)).unwrap_err(), StatusCode::FORBIDDEN, "{aud}");
        }
    }

    #[test]
    fn a_token_of_another_tenant_is_not_taken() {
        assert_eq!(call(|claims| claims.tid.clear()).unwrap_err(), StatusCode::UNAUTHORIZED);
    }
}

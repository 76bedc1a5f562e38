//! The audience and the tokens that a sign-in asks for.

use super::form::Form;
use crate::{entra::error::EntraError, service::Service, store::grants::Wanted};

/// The version of Entra's endpoint. The older one takes `resource` in the place of `scope`, and writes numbers as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

impl Wanted {
    /// Reads it. `openid`, `profile`, `email` and `offline_access` are of no audience; the others are of one, which must be
    /// known. Without one, as in a device's poll or a refresh, it is `otherwise`, or else the API.
    pub(super) fn read(
        service: &Service,
        form: &Form,
        version: Version,
        otherwise: Option<&Self>,
    ) -> Result<Self, EntraError> {
        let otherwise = || otherwise.map_or_else(|| service.audience().to_owned(), |wanted| wanted.audience.clone());
        if version == Version::V1 {
            let audience = form.get("resource").map_or_else(otherwise, str::to_owned);
            if !service.knows(&audience) {
                return Err(unknown(&audience));
            }
            return Ok(Self { audience, scopes: Vec::new(), keeps: true, names: true });
        }
        let scopes: Vec<_> = form.get("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let has = |name: &str| scopes.iter().any(|scope| scope == name);
        let of_no_audience = ["openid", "profile", "email", "offline_access"];
        let mut audiences = scopes.iter().filter(|scope| !of_no_audience.contains(&scope.as_str())).map(|scope| {
            let (audience, _) = scope.rsplit_once('/').unwrap_or((scope, ""));
            if service.knows(audience) { Ok(audience.to_owned()) } else { Err(unknown(scope)) }
        });
        let audience = audiences.next().transpose()?.unwrap_or_else(otherwise);
        if let Some(other) =
            audiences.find(|other| other.as_ref().is_ok_and(|other| *other != audience) || other.is_err())
        {
            let text = format!("The scopes are of more than one resource: {audience} and {}.", other?);
            return Err(EntraError::bad("invalid_scope", 28_000, text));
        }
        drop(audiences);
        Ok(Self { keeps: has("offline_access"), names: has("openid"), audience, scopes })
    }
}

fn unknown(name: &str) -> EntraError {
    EntraError::bad(
        "invalid_resource",
        500_011,
        format!("The resource principal of {name} was not found in the tenant."),
    )
}

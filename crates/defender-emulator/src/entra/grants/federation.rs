//! Tokens of other issuers that are taken for the application: workload identity federation.
//!
//! Source: <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>. The texts of the
//! errors are those that others have reported.

use std::time::Duration;

use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use jiff::Timestamp;

use super::jwt::{Jwt, refused};
use crate::entra::error::EntraError;
use crate::store::grants::Federation;

/// Checks the token against `federations`: issuer, subject and audience to the letter case, RS256 by the issuer's key,
/// and its times. It may be used again: the platform writes one for many requests.
pub(super) fn check(
    federations: &[Federation],
    jwt: &Jwt<'_>,
    (now, leeway): (Timestamp, Duration),
) -> Result<(), EntraError> {
    let (issuer, subject, audience) = (jwt.text("iss"), jwt.text("sub"), jwt.text("aud"));
    let unmatched = |number, what: &str, value: &str| {
        let text = format!("No matching federated identity record found for presented assertion {what} '{value}'.");
        Err(EntraError::invalid_client(number, text))
    };
    let of_issuer: Vec<_> = federations.iter().filter(|known| known.issuer == issuer).collect();
    let of_subject: Vec<_> = of_issuer.iter().filter(|known| known.subject == subject).collect();
    let fits_in_another_case = federations.iter().any(|known| {
        known.issuer.eq_ignore_ascii_case(issuer)
            && known.subject.eq_ignore_ascii_case(subject)
            && known.audience.eq_ignore_ascii_case(audience)
    });
    let Some(federation) = of_subject.iter().find(|known| known.audience == audience) else {
        return if fits_in_another_case {
            unmatched(7_002_138, "but for the letter case of its issuer, subject or audience; subject", subject)
        } else if of_issuer.is_empty() {
            unmatched(700_211, "issuer", issuer)
        } else if of_subject.is_empty() {
            unmatched(700_213, "subject", subject)
        } else {
            unmatched(700_212, "audience", audience)
        };
    };
    if jwt.algorithm() != "RS256" || !jwt.is_signed_by(&RSA_PKCS1_2048_8192_SHA256, &federation.public_key) {
        return Err(refused("The issuer's key does not verify it, or it is not RS256."));
    }
    if !jwt.is_in_time(now, leeway) {
        return Err(EntraError::invalid_client(700_024, "Client assertion is not within its valid time range."));
    }
    Ok(())
}

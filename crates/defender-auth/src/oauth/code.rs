//! The grant for a browser: <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow>.

use oauth2::{
    AuthUrl, AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    url::form_urlencoded,
};

use super::{
    endpoint::{ClientAuthParams, MARKS, TokenEndpoint},
    user::Granted,
};
use crate::{EntraError, Error, ErrorKind, secret::Secret};

/// A sign-in that was begun. No `Debug`: its URL holds the state.
pub(crate) struct SignIn {
    /// URL that the browser is to open.
    pub(crate) url: String,
    state: Secret,
    verifier: Secret,
    redirect_uri: RedirectUrl,
}

/// Parameters of the redirect that the browser follows.
#[derive(Debug)]
pub(crate) enum Returned {
    Code(Secret),
    Refused(Error),
    /// It belongs to no sign-in that was begun here.
    Foreign,
}

impl SignIn {
    /// Reads the query with which the browser returns. The state is checked before anything else.
    pub(crate) fn returned(&self, query: &str) -> Returned {
        let all: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let get = |name: &str| {
            let mut values = all.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
            values.next().filter(|value| !value.is_empty() && values.next().is_none())
        };
        if get("state") != Some(self.state.reveal()) {
            return Returned::Foreign;
        }
        match (get("code"), get("error")) {
            (_, Some(error)) => {
                let error = EntraError::new(error, get("error_description"));
                Returned::Refused(Error::refused(error.without(&[self.state.clone(), self.verifier.clone()])))
            }
            (Some(code), None) => Returned::Code(Secret::new(code)),
            (None, None) => Returned::Foreign,
        }
    }
}

impl TokenEndpoint {
    /// Begins a sign-in, with PKCE and a state of its own.
    pub(crate) fn sign_in(
        &self,
        client_id: &str,
        scope: &str,
        redirect_uri: String,
        claims: Option<&str>,
    ) -> Result<SignIn, Error> {
        let wrong = |source| Error::new(ErrorKind::Configuration).context("of its authority").caused_by(source);
        let url = AuthUrl::new(self.sibling("authorize")).map_err(wrong)?;
        let redirect_uri = RedirectUrl::new(redirect_uri).map_err(wrong)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client =
            self.client(client_id, &ClientAuthParams::Nothing).set_auth_uri(url).set_redirect_uri(redirect_uri.clone());
        let mut request = client
            .authorize_url(CsrfToken::new_random)
            .add_scope(Scope::new(scope.to_owned()))
            .set_pkce_challenge(challenge)
            .add_extra_param("response_mode", "query");
        if let Some(claims) = claims {
            request = request.add_extra_param("claims", claims);
        }
        let (url, state) = request.url();
        Ok(SignIn {
            url: url.into(),
            state: Secret::new(state.secret().as_str()),
            verifier: Secret::new(verifier.secret().as_str()),
            redirect_uri,
        })
    }

    /// The token for the code that a sign-in gave.
    pub(crate) async fn code(
        &self,
        client_id: &str,
        proof: &ClientAuthParams,
        sign_in: &SignIn,
        code: &Secret,
        scope: &str,
    ) -> Result<Granted, Error> {
        let asked = self.clock.now();
        let client = self.client(client_id, proof).set_redirect_uri(sign_in.redirect_uri.clone());
        let grant = client
            .exchange_code(AuthorizationCode::new(MARKS[1].to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(MARKS[2].to_owned()))
            .add_extra_param("scope", scope);
        let over = self.exchange(proof).hiding(code).hiding(&sign_in.verifier);
        Granted::new(asked, &grant.request_async(&over).await.map_err(|error| over.told(error))?, &over)
    }
}

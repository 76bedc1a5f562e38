//! The grant for a device without a browser:
//! <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-device-code>.

use std::time::Duration;

use oauth2::{DeviceAuthorizationResponse, DeviceAuthorizationUrl, ExtraDeviceAuthorizationFields, Scope};
use serde::{Deserialize, Serialize};

use super::{
    endpoint::{ClientAuthParams, MARKS, TokenEndpoint},
    exchange::Exchange,
    user::Granted,
};
use crate::{Error, ErrorKind, secret::Secret};

/// No code lives longer; a longer lifetime is cut to an hour.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A code that a person enters elsewhere. No `Debug`: anybody who sees the code could enter it for somebody else.
pub(crate) struct DeviceCode {
    code: Secret,
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    pub(crate) message: Option<String>,
    pub(crate) expires_in: Duration,
    pub(crate) interval: Duration,
}

/// Result of one poll.
#[derive(Debug)]
pub(crate) enum Polled {
    Granted(Granted),
    /// The person is not done yet.
    Pending,
    /// Not so often.
    SlowDown,
}

/// Entra's additions to the response of RFC 8628.
#[derive(Debug, Deserialize, Serialize)]
struct WithMessage {
    #[serde(default)]
    message: Option<String>,
}

impl ExtraDeviceAuthorizationFields for WithMessage {}

impl TokenEndpoint {
    /// Asks for a code for a person to enter.
    pub(crate) async fn device_code(
        &self,
        client_id: &str,
        scope: &str,
        claims: Option<&str>,
    ) -> Result<DeviceCode, Error> {
        let url = DeviceAuthorizationUrl::new(self.sibling("devicecode"))
            .map_err(|source| Error::new(ErrorKind::Configuration).context("of its authority").caused_by(source))?;
        let client = self.client(client_id, &ClientAuthParams::Nothing).set_device_authorization_url(url);
        let mut request = client.exchange_device_code().add_scope(Scope::new(scope.to_owned()));
        if let Some(claims) = claims {
            request = request.add_extra_param("claims", claims);
        }
        let over = Exchange::new(self, "/{tenant}/oauth2/v2.0/devicecode");
        let response: DeviceAuthorizationResponse<WithMessage> =
            request.request_async(&over).await.map_err(|error| over.told(error))?;
        let code = over.received(response.device_code().secret());
        let code = code.ok_or_else(|| Error::new(ErrorKind::Response).context("it lacks a device code"))?;
        Ok(DeviceCode {
            code,
            user_code: response.user_code().secret().clone(),
            verification_uri: response.verification_uri().to_string(),
            message: response.extra_fields().message.clone(),
            expires_in: response.expires_in().min(LONGEST),
            interval: response.interval().clamp(Duration::from_secs(1), LONGEST),
        })
    }

    /// Looks once whether the person is done. `oauth2` would look by a clock of its own.
    pub(crate) async fn poll(&self, client_id: &str, code: &DeviceCode) -> Result<Polled, Error> {
        let asked = self.clock.now();
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("client_id", client_id),
            ("device_code", MARKS[1]),
        ];
        let over = self.exchange(&ClientAuthParams::Nothing).hiding(&code.code);
        match over.post(&self.url, &form).await {
            Ok(response) => Granted::new(asked, &response, &over).map(Polled::Granted),
            Err(error) => match error.entra().map(crate::EntraError::error) {
                Some("authorization_pending" | "temporarily_unavailable" | "server_error") => Ok(Polled::Pending),
                Some("slow_down") => Ok(Polled::SlowDown),
                _ => Err(error),
            },
        }
    }
}

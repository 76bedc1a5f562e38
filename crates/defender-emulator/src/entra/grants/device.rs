//! Codes that a person enters on another device.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::{
    application::{Proof, application},
    form::Form,
    wanted::Version,
};
use crate::{
    entra::error::{EntraError, HEADERS},
    service::Service,
    store::grants::Device,
    store::grants::Wanted,
};

const LIFETIME: Duration = Duration::from_secs(900);
const INTERVAL: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);

/// Gives a code.
pub(super) fn begin(
    service: &Service,
    (tenant, version): (&str, Version),
    form: &Form,
) -> Result<Response, EntraError> {
    application(service, tenant, form, Proof::Unwanted)?;
    form.need(if version == Version::V1 { "resource" } else { "scope" })?;
    let wanted = Wanted::read(service, form, version, None)?;
    let code = Uuid::new_v4().to_string();
    let user_code: String = Uuid::new_v4().simple().to_string().to_ascii_uppercase().chars().take(9).collect();
    let uri = "https://microsoft.com/devicelogin";
    let seconds = |time: Duration| match version {
        Version::V1 => json!(time.as_secs().to_string()),
        Version::V2 => json!(time.as_secs()),
    };
    let body = json!({
        "device_code": code,
        "user_code": user_code,
        if version == Version::V1 { "verification_url" } else { "verification_uri" }: uri,
        "expires_in": seconds(LIFETIME),
        "interval": seconds(INTERVAL),
        "message": format!("To sign in, use a web browser to open the page {uri} and enter the code {user_code}."),
    });
    let now = service.clock.elapsed();
    let device = Device {
        user_code,
        ends: now.saturating_add(LIFETIME),
        interval: INTERVAL,
        looked: None,
        decision: None,
        wanted,
    };
    service.grants.state().devices.insert(code, device);
    Ok((StatusCode::OK, HEADERS, body.to_string()).into_response())
}

/// Handles a poll: `Ok` once, with what was wanted, when the user has signed in.
pub(super) fn look(service: &Service, version: Version, form: &Form) -> Result<Wanted, EntraError> {
    let code = form.need(if version == Version::V1 { "code" } else { "device_code" })?;
    let now = service.clock.elapsed();
    let mut state = service.grants.state();
    let Some(device) = state.devices.get_mut(code) else {
        return Err(EntraError::bad("bad_verification_code", 70_019, "The device code was not recognized."));
    };
    // The first look may come at once, as msal-node's does; of the others some libraries' clocks are rounded to the second.
    let is_early =
        device.looked.is_some_and(|looked| now.saturating_sub(looked).saturating_add(SECOND) <= device.interval);
    device.looked = Some(now);
    if now >= device.ends {
        return Err(EntraError::bad("expired_token", 70_020, "The provided device code has expired."));
    }
    if is_early {
        device.interval = device.interval.saturating_add(Duration::from_secs(5));
        return Err(EntraError::bad("slow_down", 70_016, "The device polls more often than the interval allows."));
    }
    match device.decision {
        None => Err(EntraError::bad("authorization_pending", 70_016, "The user has not entered the code yet.")),
        Some(false) => Err(EntraError::bad("authorization_declined", 70_018, "The user declined.")),
        Some(true) => {
            let wanted = device.wanted.clone();
            state.devices.remove(code);
            Ok(wanted)
        }
    }
}

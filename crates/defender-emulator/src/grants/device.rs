//! Codes that a person enters on another device.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::{
    form::Form,
    state::Device,
    token::{Proof, application, is_kept},
};
use crate::{entra::HEADERS, entra_error::EntraError, service::Service};

const LIFETIME: Duration = Duration::from_secs(900);
const INTERVAL: Duration = Duration::from_secs(5);

/// Gives a code.
pub(super) fn begin(service: &Service, tenant: &str, form: &Form) -> Result<Response, EntraError> {
    application(service, tenant, form, Proof::Unwanted)?;
    let is_kept = is_kept(form.need("scope")?);
    let code = Uuid::new_v4().to_string();
    let user_code: String = Uuid::new_v4().simple().to_string().to_ascii_uppercase().chars().take(9).collect();
    let uri = "https://microsoft.com/devicelogin";
    let body = json!({
        "device_code": code,
        "user_code": user_code,
        "verification_uri": uri,
        "expires_in": LIFETIME.as_secs(),
        "interval": INTERVAL.as_secs(),
        "message": format!("To sign in, use a web browser to open the page {uri} and enter the code {user_code}."),
    });
    let now = service.clock.elapsed();
    let device = Device {
        user_code,
        ends: now.saturating_add(LIFETIME),
        interval: INTERVAL,
        looked: now,
        decision: None,
        is_kept,
    };
    service.grants.state().devices.insert(code, device);
    Ok((StatusCode::OK, HEADERS, body.to_string()).into_response())
}

/// Whether the person is done: `Ok` once, when they have signed in, and whether the sign-in is to be kept.
pub(super) fn look(service: &Service, form: &Form) -> Result<bool, EntraError> {
    let code = form.need("device_code")?;
    let now = service.clock.elapsed();
    let mut state = service.grants.state();
    let Some(device) = state.devices.get_mut(code) else {
        return Err(EntraError::bad("bad_verification_code", 70_019, "The device code was not recognized."));
    };
    let since = now.saturating_sub(device.looked);
    device.looked = now;
    if now >= device.ends {
        return Err(EntraError::bad("expired_token", 70_020, "The provided device code has expired."));
    }
    if since < device.interval {
        device.interval = device.interval.saturating_add(Duration::from_secs(5));
        return Err(EntraError::bad("slow_down", 70_016, "The device looks more often than it was told to."));
    }
    match device.decision {
        None => Err(EntraError::bad("authorization_pending", 70_016, "The user has not entered the code yet.")),
        Some(false) => Err(EntraError::bad("authorization_declined", 70_018, "The user declined.")),
        Some(true) => {
            let is_kept = device.is_kept;
            state.devices.remove(code);
            Ok(is_kept)
        }
    }
}

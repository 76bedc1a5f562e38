//! Responses of a proxy, portal or gateway in place of the service's.

use axum::response::{IntoResponse, Response};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION},
};

/// The page of a filtering proxy or of a captive portal: HTML, with this status. The service's own headers are not on it.
///
/// Seen by other clients with 200, 302, 400, 403 and 511: solid#3173, KRAIL#1993.
pub(crate) fn block_page(status: u16) -> Response {
    const PAGE: &str = "<!DOCTYPE html>\r\n<html>\r\n<head><title>Web Page Blocked</title></head>\r\n<body>\r\n<h1>Web Page \
                        Blocked</h1>\r\n<p>Access to the web page you were trying to visit has been blocked in accordance \
                        with company policy.</p>\r\n</body>\r\n</html>\r\n";
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    let kind = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    let mut response = (status, kind, PAGE).into_response();
    if status.is_redirection() {
        let portal = HeaderValue::from_static("https://portal.contoso.example/blocked?reason=policy");
        response.headers_mut().insert(LOCATION, portal);
    }
    response
}

/// The 404 of an API gateway that knows no such path: JSON, but not the service's.
pub(crate) fn gateway_not_found() -> Response {
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (StatusCode::NOT_FOUND, kind, r#"{"statusCode":404,"message":"Resource not found"}"#).into_response()
}

//! Content that a trace must never have.

use super::*;

#[test]
fn malformed_header_is_not_traced() {
    for (content_type, traced) in [
        ("application/problem+json; charset=utf-8; x=canary", Some("application/problem+json")),
        ("grant_type=x&client_secret=canary", None),
        ("https://canary/", None),
        ("canary", None),
    ] {
        let response = Response::builder().header("content-type", content_type).header("request-id", "a=canary");
        let response = response.header("retry-after", "canary".repeat(20)).body("done").unwrap();
        let traces = exchange(Capture::answering(response), request());
        let (span, ..) = one(&traces);
        let name = "http.response.header.content-type";
        traced.map_or_else(|| span.has_none_of(&[name]), |traced| span.has(&[(name, traced)]));
        span.has_none_of(&["http.response.header.request-id", "http.response.header.retry-after"]);
    }
}

#[test]
fn echoed_secret_header_is_not_traced() {
    const GUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
    // Its base64 has nothing but letters and digits, too.
    const ENCODED: &str = "MGY4ZmFkNWItZDljYi00NjlmLWExNjUtNzA4Njc3Mjg5NTBl";
    let sensitive = |value: String| {
        let mut value = HeaderValue::try_from(value).unwrap();
        value.set_sensitive(true);
        Request::post("https://example.com/").header("authorization", value).body(Bytes::new()).unwrap()
    };
    let carried = || Request::post("https://example.com/").extension(Secrets::new([GUID])).body(Bytes::new()).unwrap();
    let shared = || {
        let mut common = http::Extensions::new();
        common.insert(Secrets::new([GUID]));
        Request::post("https://example.com/").extension(Shared::new(common)).body(Bytes::new()).unwrap()
    };
    for echo in [GUID, &GUID.to_uppercase(), ENCODED, &format!("id: {GUID}"), &format!("x-{GUID}")] {
        for request in [carried(), shared(), sensitive(format!("Bearer {GUID}")), sensitive(GUID.to_owned())] {
            let response = Response::builder()
                .header("content-type", format!("text/{GUID}"))
                .header("date", echo)
                .header("retry-after", echo)
                .header("request-id", echo)
                .header("x-ms-request-id", echo)
                .header("mise-correlation-id", "0f8fad5b-0000-0000-0000-000000000000");
            let traces = exchange(Capture::answering(response.body("done").unwrap()), request);
            let shown = format!("{:?}", one(&traces).0).to_lowercase();
            assert!(!shown.contains(GUID) && !shown.contains(&ENCODED.to_lowercase()), "{shown}");
            one(&traces).0.has(&[("http.response.header.mise-correlation-id", "0f8fad5b-0000-0000-0000-000000000000")]);
        }
    }
}

#[test]
fn secret_in_no_encoding_is_traced() {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
    };

    for secret in ["0f8fad5b-d9cb-469f-a165-70867728950e", "s3cr~t+/value", "letters"] {
        let each = |form: fn(u8) -> String| secret.bytes().map(form).collect::<Vec<_>>().concat();
        for echo in [
            secret.to_owned(),
            each(|byte| format!("%{byte:02X}")),
            each(|byte| format!("%{byte:02x}")),
            each(|byte| format!("&#{byte};")),
            each(|byte| format!("\\u{byte:04x}")),
            STANDARD.encode(secret),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
        ] {
            let names = ["content-type", "date", "retry-after", "request-id", "x-ms-request-id", "mise-correlation-id"];
            let response = names.iter().fold(Response::builder(), |response, name| {
                response.header(*name, if *name == "content-type" { format!("text/{echo}") } else { echo.clone() })
            });
            let request = Request::post("https://example.com/").extension(Secrets::new([secret]));
            let response = Capture::answering(response.header("x-other", &echo).body(echo.clone()).unwrap());
            let traces = exchange(response, request.body(Bytes::new()).unwrap());
            let shown = format!("{traces:?}");
            assert!(!shown.contains(&echo) && !shown.contains(&echo.escape_debug().to_string()), "{echo}: {shown}");
        }
    }
}

#[test]
fn no_secret_is_ever_traced() {
    const CANARY: &str = "canary";
    let url = "https://canary:canary@example.com/canary/path?sig=canary#canary";
    let headers = ["authorization", "cookie", "x-api-key", "user-agent", "content-type", "date", "retry-after"];
    let request = headers.iter().fold(Request::post(url), |request, name| request.header(*name, CANARY));
    let request = request.body(Bytes::from_static(CANARY.as_bytes())).unwrap();
    let response = |status| {
        let headers = ["set-cookie", "location", "www-authenticate", "x-canary", "server", "etag"];
        let response =
            headers.iter().fold(Response::builder().status(status), |response, name| response.header(*name, CANARY));
        Capture::answering(response.body(CANARY).unwrap())
    };
    let mut traces = Vec::new();
    for status in [200, 302, 401, 500] {
        traces.push(exchange(response(status), request.clone()));
        traces.push(exchange(Faulty::scripted(response(status), [Fault::TruncateBody(6)]), request.clone()));
    }
    let mut talkative = MockTransport::new();
    talkative.expect_send().return_once(|request| {
        Err(Error::new(ErrorKind::Connect).context(request.uri().to_string()).caused_by(CANARY))
    });
    traces.push(exchange(talkative, request));
    for traces in traces {
        one(&traces);
        assert!(!format!("{traces:?}").contains(CANARY), "{traces:#?}");
    }
}

#[test]
fn long_header_is_shortened_in_trace() {
    let long = "é".repeat(9_000);
    let values = ["x".repeat(64).into_bytes(), "x".repeat(65).into_bytes(), long.into_bytes()];
    for (value, traced) in values.into_iter().zip([Some(64), None, None]) {
        let response = Response::builder().header("date", value).body("").unwrap();
        let traces = exchange(Capture::answering(response), request());
        assert_eq!(one(&traces).0.0.get("http.response.header.date").map(String::len), traced);
    }
}

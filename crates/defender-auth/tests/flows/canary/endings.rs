//! Endings of a request for a token: success, or a failure of the endpoint, which echoes what it was sent wherever it
//! can.

use bytes::Bytes;
use http::{Request, Response};

use super::net::{html_numbers, json_numbers};
use crate::support::{endpoint::Reply, form};

/// Ending of an exchange.
pub(super) struct Ending {
    pub(super) name: &'static str,
    /// True if a request gets as far as the endpoint.
    pub(super) arrives: bool,
    reply: fn(&str) -> Reply,
}

impl Ending {
    pub(super) const fn well() -> Self {
        Self { name: "a token", arrives: true, reply: |_| json(200, "", GRANTED) }
    }

    /// Reply of the endpoint to `request`.
    pub(super) fn reply(&self, request: &Request<Bytes>) -> Reply {
        if request.uri().path().ends_with("/devicecode") {
            return json(200, "", DEVICE);
        }
        if let Some(file) =
            request.uri().path().strip_prefix("/arc").filter(|_| !request.headers().contains_key("authorization"))
        {
            let challenge = Response::builder().status(401).header("www-authenticate", format!("Basic realm={file}"));
            return Reply::Answer(challenge.body(Bytes::new()).unwrap());
        }
        (self.reply)(&brought(request))
    }
}

const fn ending(name: &'static str, reply: fn(&str) -> Reply) -> Ending {
    Ending { name, arrives: true, reply }
}

const GRANTED: &str = r#"{"token_type":"Bearer","expires_in":3599,"expires_on":"1767272400",
    "access_token":"canary.access.token","refresh_token":"canary-rotated"}"#;

const DEVICE: &str = r#"{"device_code":"canary-device","user_code":"canary-code","verification_uri":"https://x.example/",
    "expires_in":900,"interval":300,"message":"Enter canary-code."}"#;

pub(super) const REFUSED: &str = "a refused connection";
pub(super) const SILENT: &str = "a timeout";

/// The twelve kinds of failure that were asked for, and some more.
pub(super) const FAILURES: &[Ending] = &[
    Ending { name: REFUSED, arrives: false, reply: |_| Reply::Silence },
    ending(SILENT, |_| Reply::Silence),
    ending("a 400 that echoes", |echo| {
        let fields = r#"{"error":@,"error_description":@,"suberror":@,"trace_id":@,"correlation_id":@,"claims":@}"#;
        json(400, echo, fields)
    }),
    ending("a 401 that echoes", |echo| {
        json(401, echo, r#"{"error":"invalid_client","error_description":@,"message":@}"#)
    }),
    ending("a 429 that echoes", |echo| text(429, echo)),
    ending("a 500 in HTML", |echo| text(500, &format!("<html><body>{echo}</body></html>"))),
    ending("malformed JSON", |echo| json(200, echo, r#"{"access_token":@,,"x":@"#)),
    ending("truncated JSON", |echo| {
        let quoted = serde_json::to_string(echo).unwrap();
        Reply::CutOff(Bytes::from(format!(r#"{{"token_type":"Bearer","access_token":{quoted}"#)))
    }),
    ending("a token of the wrong type", |echo| {
        json(200, echo, r#"{"access_token":[@],"token_type":@,"expires_in":@}"#)
    }),
    ending("a huge body", |echo| text(200, &echo.repeat(1 + (2 << 20) / echo.len()))),
    ending("a redirect", |echo| {
        let place = percent_encoding::utf8_percent_encode(echo, percent_encoding::NON_ALPHANUMERIC);
        let place = format!("https://evil.example/?{place}");
        Reply::Answer(Response::builder().status(307).header("location", place).body(Bytes::new()).unwrap())
    }),
    ending("a token with odd bytes", |_| {
        json(
            200,
            "canary\r\nX-Evil: canary\u{0}\u{e9}",
            r#"{"access_token":@,"token_type":"Bearer","expires_in":3599,"expires_on":"1767272400"}"#,
        )
    }),
    ending("a token of another kind", |echo| {
        json(200, echo, r#"{"access_token":"canary","token_type":@,"expires_in":3599,"expires_on":"1767272400"}"#)
    }),
    ending("a name that is an echo", |echo| json(200, echo, "{@:{@:1}}")),
    ending("a content type that is an echo", |echo| {
        let kind: String = echo.chars().filter(char::is_ascii_graphic).take(500).collect();
        Reply::Answer(Response::builder().header("content-type", kind).body(Bytes::from_static(b"{}")).unwrap())
    }),
    ending("headers that echo", |echo| in_headers(echo, str::to_owned)),
    ending("headers that echo percent-encoded", |echo| in_headers(echo, percent)),
    ending("headers that echo percent-encoded in lower case", |echo| in_headers(echo, percent_lower)),
    ending("headers that echo HTML-escaped", |echo| in_headers(echo, html)),
    ending("headers that echo HTML-escaped by numbers", |echo| in_headers(echo, html_numbers)),
    ending("headers that echo JSON-escaped", |echo| in_headers(echo, json_escaped)),
    ending("headers that echo JSON-escaped by numbers", |echo| in_headers(echo, json_numbers)),
    ending("headers that echo in base64", |echo| in_headers(echo, base64)),
    ending("headers that echo in base64 without padding", |echo| in_headers(echo, base64_unpadded)),
    ending("headers that echo in base64 for URLs", |echo| in_headers(echo, base64_url)),
    ending("headers that echo in base64 for URLs without padding", |echo| in_headers(echo, base64_url_unpadded)),
    ending("an echo, percent-encoded", |echo| described(&percent(echo))),
    ending("an echo, percent-encoded in lower case", |echo| described(&percent_lower(echo))),
    ending("an echo, HTML-escaped", |echo| described(&html(echo))),
    ending("an echo, HTML-escaped by numbers", |echo| described(&html_numbers(echo))),
    ending("an echo, JSON-escaped", |echo| described(&json_escaped(echo))),
    ending("an echo, JSON-escaped by numbers", |echo| described(&json_numbers(echo))),
    ending("an echo in base64", |echo| described(&base64(echo))),
    ending("an echo in base64 without padding", |echo| described(&base64_unpadded(echo))),
    ending("an echo in base64 for URLs", |echo| described(&base64_url(echo))),
    ending("an echo in base64 for URLs without padding", |echo| described(&base64_url_unpadded(echo))),
    ending("an echo in base64, percent-encoded", |echo| described(&percent(&base64(echo)))),
    ending("each value by itself in base64", |echo| each_described(echo, base64)),
    ending("each value by itself in base64 for URLs without padding", |echo| each_described(echo, base64_url_unpadded)),
    ending("each value by itself, percent-encoded in lower case", |echo| each_described(echo, percent_lower)),
    ending("an echo with control characters", |echo| described(&format!("\u{1b}[2J{echo}\r\n\u{202e}{echo}"))),
    ending("a page that echoes, HTML-escaped", |echo| text(403, &format!("<html>{}</html>", html(echo)))),
    ending("a problem that echoes", |echo| {
        json(400, echo, r#"{"type":"about:blank","title":@,"detail":@,"innererror":{"message":@}}"#)
    }),
];

/// Each value that a request brought, which a gateway may put into a header of its own.
fn in_headers(echo: &str, encode: impl Fn(&str) -> String) -> Reply {
    const NAMES: [&str; 12] = [
        "content-type",
        "content-encoding",
        "location",
        "server",
        "set-cookie",
        "date",
        "retry-after",
        "request-id",
        "x-ms-request-id",
        "mise-correlation-id",
        "x-ms-gateway-log-id",
        "www-authenticate",
    ];
    let mut response = Response::builder().status(400);
    for word in values(echo) {
        for name in NAMES {
            let value: String = encode(word).chars().filter(char::is_ascii_graphic).take(500).collect();
            response = response.header(name, if name == "content-type" { format!("text/{value}") } else { value });
        }
    }
    Reply::Answer(response.body(Bytes::from_static(br#"{"error":"invalid_request"}"#)).unwrap())
}

/// The values that are secret, and not the form in which they came.
fn values(echo: &str) -> impl Iterator<Item = &str> {
    echo.split(' ').filter(|word| word.contains("canary") && !word.contains("client_id="))
}

/// A refusal with each value in a text of its own, where base64 begins with it.
fn each_described(echo: &str, encode: impl Fn(&str) -> String) -> Reply {
    described(&values(echo).map(encode).collect::<Vec<_>>().join(" "))
}

/// A refusal with this description.
fn described(echo: &str) -> Reply {
    json(400, echo, r#"{"error":"invalid_request","error_description":@,"suberror":@,"trace_id":@,"message":@}"#)
}

fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// With the digits in lower case, and with the text as it is.
fn percent_lower(text: &str) -> String {
    let encoded = percent(text);
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        let (digits, rest) = part.split_at(2);
        format!("{all}%{}{rest}", digits.to_ascii_lowercase())
    })
}

fn base64(text: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}

fn base64_unpadded(text: &str) -> String {
    base64(text).trim_end_matches('=').to_owned()
}

fn base64_url(text: &str) -> String {
    base64(text).replace('+', "-").replace('/', "_")
}

fn base64_url_unpadded(text: &str) -> String {
    base64_url(text).trim_end_matches('=').to_owned()
}

fn json_escaped(text: &str) -> String {
    serde_json::to_string(text).unwrap().trim_matches('"').replace('/', "\\/")
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn json(status: u16, echo: &str, template: &str) -> Reply {
    let body = template.replace('@', &serde_json::to_string(echo).unwrap());
    let response = Response::builder().status(status).header("content-type", "application/json");
    Reply::Answer(response.body(Bytes::from(body)).unwrap())
}

fn text(status: u16, body: &str) -> Reply {
    Reply::Answer(Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap())
}

/// Everything that a request brought, in one text.
pub(crate) fn brought(request: &Request<Bytes>) -> String {
    let headers: Vec<_> = request.headers().values().filter_map(|value| value.to_str().ok()).collect();
    let decoded: Vec<_> = form(request).into_values().collect();
    format!("{} {} {}", headers.join(" "), decoded.join(" "), String::from_utf8_lossy(request.body()))
}

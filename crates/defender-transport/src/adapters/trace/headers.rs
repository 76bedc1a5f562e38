//! The response headers that are traced.

use http::HeaderMap;

/// The headers that are traced, each with its field. No other header is traced.
pub(super) const HEADERS: [(&str, &str); 6] = [
    ("content-type", "http.response.header.content-type"),
    ("date", "http.response.header.date"),
    ("retry-after", "http.response.header.retry-after"),
    ("request-id", "http.response.header.request-id"),
    ("x-ms-request-id", "http.response.header.x-ms-request-id"),
    ("mise-correlation-id", "http.response.header.mise-correlation-id"),
];

/// Returns the value of a header if it has the form of one: a media type without its parameters; a date, a number, an id. A server may
/// write anything into a header, an echo of the request included.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let value = headers.get(name)?.to_str().ok()?;
    let only = |text: &str, besides: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || besides.contains(c);
        !text.is_empty() && text.len() <= LONGEST && text.chars().all(fits)
    };
    if name != "content-type" {
        return only(value, "-_,: ").then_some(value);
    }
    let kind = value.split(';').next().unwrap_or_default().trim();
    let (of, sub) = kind.split_once('/')?;
    (only(of, "-") && only(sub, "-+.")).then_some(kind)
}

//! Paths, brought to the one spelling that the router knows.

use http::{Request, Uri, uri::PathAndQuery};

use crate::action_kind::ActionKind;

/// The fixed segments of every route. What is none of them is an id, and kept as it came.
const WORDS: [&str; 7] = ["api", "v1.0", "machines", "machineactions", "oauth2", "v2.0", "token"];

/// The path as the client wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Received(pub(crate) String);

/// Lowers the fixed words of the request's path, and takes out the version.
///
/// The service finds `/API/machines/..` and `/api/machines/..` alike: its own pages print both
/// (<https://learn.microsoft.com/defender-endpoint/api/run-live-response>). `/api/v1.0/..` is the same as `/api/..`
/// (<https://learn.microsoft.com/defender-endpoint/api/exposed-apis-list>).
pub(crate) fn canonical<B>(mut request: Request<B>) -> Request<B> {
    let received = Received(request.uri().path().to_owned());
    let mut parts = request.uri().clone().into_parts();
    let mut path = spell(&received.0);
    if let Some(query) = request.uri().query() {
        path = format!("{path}?{query}");
    }
    // What cannot be put together again stays as it is, and finds no route.
    if let Ok(path) = PathAndQuery::try_from(path) {
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request.extensions_mut().insert(received);
    request
}

fn spell(path: &str) -> String {
    let mut segments: Vec<String> = path.split('/').map(lowered_if_fixed).collect();
    if segments.get(1).is_some_and(|first| first == "api") && segments.get(2).is_some_and(|second| second == "v1.0") {
        segments.remove(2);
    }
    segments.join("/")
}

fn lowered_if_fixed(segment: &str) -> String {
    let fixed = WORDS.into_iter().chain(ActionKind::ALL.iter().map(|kind| kind.segment));
    if fixed.into_iter().any(|word| word.eq_ignore_ascii_case(segment)) {
        segment.to_ascii_lowercase()
    } else {
        segment.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::spell;

    #[test]
    fn fixed_words_are_lowered_and_ids_are_not() {
        assert_eq!(spell("/API/Machines/AbC/UnrestrictCodeExecution"), "/api/machines/AbC/unrestrictcodeexecution");
    }

    #[test]
    fn the_version_is_optional_and_only_behind_api() {
        assert_eq!(spell("/api/V1.0/machineactions/x"), "/api/machineactions/x");
        assert_eq!(spell("/tenant/oauth2/v2.0/token"), "/tenant/oauth2/v2.0/token");
        assert_eq!(spell("/api/machines/v1.0/isolate"), "/api/machines/v1.0/isolate");
    }

    #[test]
    fn an_empty_segment_stays() {
        assert_eq!(spell("/api/machines//restrictCodeExecution"), "/api/machines//restrictcodeexecution");
    }
}

//! The operation of a method and a path.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::{http::operation::Operation, store::action_kind::ActionKind};

/// The namespace of `$metadata`.
pub(crate) const NAMESPACE: &str = "microsoft.windowsDefenderATP.api";

/// The target of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Call(Call),
    /// The path is there, but not for this method; these it has.
    OtherMethod(String),
    /// Nothing is there.
    Nowhere,
}

/// An operation, and the object in the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// The machine, the action, the file or the tenant, decoded; empty without one.
    pub(crate) id: String,
    /// The text in the parentheses of a function, or the part of a collection.
    pub(crate) argument: String,
}

/// Returns `true` if the path is below `/api`.
pub(crate) fn is_api(path: &str) -> bool {
    path.split('/').nth(1).is_some_and(|first| first.eq_ignore_ascii_case("api"))
}

/// Finds the operation.
///
/// Fixed segments match in any letter case: the service's own pages print `/API/machines/..` and `/api/machines/..`
/// (<https://learn.microsoft.com/defender-endpoint/api/run-live-response>). `/api/v1.0/..` is the same as `/api/..`
/// (<https://learn.microsoft.com/defender-endpoint/api/exposed-apis-list>). A function's parentheses and `=` must stand
/// there as they are; whether the service would decode them is unknown.
pub(crate) fn route(method: &Method, path: &str) -> Route {
    let mut found = candidates(path);
    let asked = answering(method);
    match found.iter().position(|(method, _)| method == asked) {
        Some(place) => Route::Call(found.swap_remove(place).1),
        None if found.is_empty() => Route::Nowhere,
        None => {
            let allowed: Vec<_> = found.iter().map(|(method, _)| method.as_str()).collect();
            Route::OtherMethod(allowed.join(","))
        }
    }
}

/// Returns the method whose response a request gets: GET for HEAD, whose response has no body.
pub(crate) fn answering(method: &Method) -> &Method {
    if method == Method::HEAD { &Method::GET } else { method }
}

fn is(segment: &str, expected: &str) -> bool {
    segment.eq_ignore_ascii_case(expected)
}

fn candidates(path: &str) -> Vec<(Method, Call)> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match *segments {
        [tenant, oauth2, token] if is(oauth2, "oauth2") && is(token, "token") => {
            return one(Method::POST, Operation::Token, Some(tenant), "v1");
        }
        [tenant, oauth2, version, token] if is(oauth2, "oauth2") && is(version, "v2.0") && is(token, "token") => {
            return one(Method::POST, Operation::Token, Some(tenant), "v2");
        }
        [blobs, name] if is(blobs, "blobs") => return one(Method::GET, Operation::DownloadBlob, Some(name), ""),
        _ => {}
    }
    let rest = match *segments {
        [api, version, ref rest @ ..] if is(api, "api") && is(version, "v1.0") => rest,
        [api, ref rest @ ..] if is(api, "api") => rest,
        _ => return Vec::new(),
    };
    let rest: Vec<&str> = rest.iter().flat_map(|segment| plain(segment)).collect();
    match *rest {
        [collection, ref rest @ ..] if is(collection, "machineactions") => actions(rest),
        [collection, ref rest @ ..] if is(collection, "machines") => machines(rest),
        [metadata] if is(metadata, "$metadata") => one(Method::GET, Operation::GetMetadata, None, ""),
        [collection] | [collection, ""] if is(collection, "libraryfiles") => {
            let mut found = one(Method::GET, Operation::ListLibraryFiles, None, "");
            found.extend(one(Method::POST, Operation::UploadLibraryFile, None, ""));
            found
        }
        [collection, name] if is(collection, "libraryfiles") => {
            one(Method::DELETE, Operation::DeleteLibraryFile, Some(name), "")
        }
        _ => Vec::new(),
    }
}

/// A segment as the documentation's pages write it.
///
/// OData has two more spellings, which clients made from `$metadata` send: a key in parentheses, `machines('id')`, and an
/// action by its whole name, `microsoft.windowsDefenderATP.api.Isolate`. That the service takes them is inferred from its
/// metadata.
fn plain(segment: &str) -> impl Iterator<Item = &str> {
    let named = segment.rsplit_once('.').filter(|(namespace, _)| is(namespace, NAMESPACE)).map(|(_, name)| name);
    let segment = named.unwrap_or(segment);
    let keyed = ["machines", "machineactions", "libraryfiles"].iter().find_map(|collection| {
        let key = arguments(segment, collection)?;
        let quoted = key.strip_prefix('\'').and_then(|key| key.strip_suffix('\''));
        Some((segment.get(..collection.len())?, quoted.unwrap_or(key)))
    });
    let (first, key) = keyed.map_or((segment, None), |(collection, key)| (collection, Some(key)));
    [Some(first), key].into_iter().flatten()
}

fn actions(segments: &[&str]) -> Vec<(Method, Call)> {
    match *segments {
        // Another client sends a slash behind a collection.
        [] | [""] => one(Method::GET, Operation::ListActions, None, ""),
        [count] if is(count, "$count") => one(Method::GET, Operation::ListActions, None, "$count"),
        [id] => one(Method::GET, Operation::GetAction, Some(id), ""),
        [id, segment] if is(segment, "cancel") => one(Method::POST, Operation::CancelAction, Some(id), ""),
        [id, segment] if is(segment, "getPackageUri") => one(Method::GET, Operation::GetPackageUri, Some(id), ""),
        [id, function] => match arguments(function, "GetLiveResponseResultDownloadLink") {
            Some(argument) => {
                one(Method::GET, Operation::GetLiveResponseResult, Some(id), &argument.to_ascii_lowercase())
            }
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn machines(segments: &[&str]) -> Vec<(Method, Call)> {
    match *segments {
        [] | [""] => one(Method::GET, Operation::ListMachines, None, ""),
        [count] if is(count, "$count") => one(Method::GET, Operation::ListMachines, None, "$count"),
        [segment] if is(segment, "findbytag") => one(Method::GET, Operation::FindMachinesByTag, None, ""),
        [segment] if is(segment, "AddOrRemoveTagForMultipleMachines") => {
            one(Method::POST, Operation::TagMachines, None, "")
        }
        [id] => {
            if let Some(argument) = arguments(id, "findbyip") {
                return one(Method::GET, Operation::FindMachinesByIp, None, &decoded(argument));
            }
            let mut found = one(Method::GET, Operation::GetMachine, Some(id), "");
            found.extend(one(Method::PATCH, Operation::UpdateMachine, Some(id), ""));
            found
        }
        [id, segment] if is(segment, "machineActions") => {
            one(Method::GET, Operation::ListActionsOfMachine, Some(id), "")
        }
        [id, segment] if is(segment, "tags") => one(Method::POST, Operation::TagMachine, Some(id), ""),
        [id, segment] if is(segment, "setDeviceValue") => one(Method::POST, Operation::SetDeviceValue, Some(id), ""),
        [id, segment] if is(segment, "startInvestigation") => {
            one(Method::POST, Operation::StartInvestigation, Some(id), "")
        }
        [id, segment] => {
            let kind = ActionKind::ALL.iter().find(|kind| is(kind.segment, segment));
            kind.map_or_else(Vec::new, |kind| one(Method::POST, kind.operation, Some(id), ""))
        }
        _ => Vec::new(),
    }
}

/// One operation, unless its id is there and empty.
fn one(method: Method, operation: Operation, id: Option<&str>, argument: &str) -> Vec<(Method, Call)> {
    let id = id.map(decoded);
    if id.as_deref() == Some("") {
        return Vec::new();
    }
    vec![(method, Call { operation, id: id.unwrap_or_default(), argument: argument.to_owned() })]
}

/// Returns the text in the parentheses of a call of `function`.
fn arguments<'s>(segment: &'s str, function: &str) -> Option<&'s str> {
    let (name, rest) = segment.split_once('(')?;
    name.eq_ignore_ascii_case(function).then(|| rest.strip_suffix(')'))?
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> Route {
        route(&Method::from_bytes(method.as_bytes()).unwrap(), path)
    }

    fn call(operation: Operation, id: &str, argument: &str) -> Route {
        Route::Call(Call { operation, id: id.to_owned(), argument: argument.to_owned() })
    }

    #[test]
    fn fixed_segments_match_in_any_case() {
        let expected = call(Operation::UnrestrictCodeExecution, "AbC", "");
        assert_eq!(found("POST", "/API/Machines/AbC/UnrestrictCodeExecution"), expected);
        assert_eq!(found("GET", "/api/machines/ws%20eng"), call(Operation::GetMachine, "ws eng", ""));
    }

    #[test]
    fn the_version_is_optional_and_only_behind_api() {
        assert_eq!(found("GET", "/api/V1.0/machineactions/x"), call(Operation::GetAction, "x", ""));
        assert_eq!(found("POST", "/tenant/oauth2/v2.0/token"), call(Operation::Token, "tenant", "v2"));
        assert_eq!(found("POST", "/tenant/oauth2/token"), call(Operation::Token, "tenant", "v1"));
        assert_eq!(found("POST", "/api/machines/v1.0/isolate"), call(Operation::Isolate, "v1.0", ""));
        assert_eq!(found("GET", "/api/v2.0/machineactions/x"), Route::Nowhere);
    }

    #[test]
    fn a_function_carries_its_arguments() {
        let link = "/api/machineactions/x/GetLiveResponseResultDownloadLink(index=0)";
        assert_eq!(found("GET", link), call(Operation::GetLiveResponseResult, "x", "index=0"));
        assert_eq!(found("GET", &link.replace('(', "%28")), Route::Nowhere);
        let by_ip = "/api/machines/findbyip(ip=%2710.0.0.1',timestamp=2019-09-22T08:44:05Z)";
        let arguments = "ip='10.0.0.1',timestamp=2019-09-22T08:44:05Z";
        assert_eq!(found("GET", by_ip), call(Operation::FindMachinesByIp, "", arguments));
    }

    #[test]
    fn spellings_of_odata_are_found() {
        let isolate = call(Operation::Isolate, "AbC", "");
        for path in ["machines('AbC')/isolate", "machines/AbC/microsoft.windowsDefenderATP.api.Isolate"] {
            assert_eq!(found("POST", &format!("/api/{path}")), isolate, "{path}");
        }
        assert_eq!(found("GET", "/api/v1.0/MachineActions(x)"), call(Operation::GetAction, "x", ""));
        assert_eq!(found("GET", "/api/machines(x'"), Route::Nowhere);
        assert_eq!(found("POST", "/api/machines('')/isolate"), Route::Nowhere);
    }

    #[test]
    fn an_empty_id_leads_nowhere() {
        for path in ["/api/machines//restrictCodeExecution", "/api/machineactions//cancel"] {
            assert_eq!(found("POST", path), Route::Nowhere, "{path}");
        }
        assert_eq!(found("POST", "/api/machines/"), Route::OtherMethod("GET".to_owned()));
    }

    #[test]
    fn slash_behind_a_collection_is_no_empty_id() {
        assert_eq!(found("GET", "/api/machineactions/"), call(Operation::ListActions, "", ""));
        assert_eq!(found("GET", "/api/machines/"), call(Operation::ListMachines, "", ""));
        assert_eq!(found("GET", "/api/libraryfiles/"), call(Operation::ListLibraryFiles, "", ""));
    }

    #[test]
    fn another_method_is_told_which_there_are() {
        assert_eq!(found("PUT", "/api/machines/x"), Route::OtherMethod("GET,PATCH".to_owned()));
        assert_eq!(found("GET", "/api/machines/x/tags"), Route::OtherMethod("POST".to_owned()));
        assert_eq!(found("HEAD", "/api/machines"), call(Operation::ListMachines, "", ""));
    }

    #[test]
    fn every_action_is_found() {
        for kind in ActionKind::ALL {
            assert_eq!(found("POST", &format!("/api/machines/x/{}", kind.segment)), call(kind.operation, "x", ""));
        }
    }
}

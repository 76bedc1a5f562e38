//! An identity that the agent of Azure Arc gives, once a file has shown that the caller runs on its machine.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use defender_auth::{
    Cloud, CredentialContext, Error, ErrorKind, IntoCredential, ManagedIdentityCredential, ManagedIdentityId,
};
use defender_transport::{
    Body, Clock, Error as WireError, ErrorKind as WireKind,
    testing::{Capture, ManualClock},
};
use http::{Request, Response};

use crate::support::{
    Folder, all_of, ask, connected, context,
    endpoint::{Endpoint, Reply},
    parameters,
    wire::{Wire, asked},
};

const GRANTED: &str = r#"{"access_token":"the-token","expires_in":"86399","expires_on":"1767355199","not_before":"1",
    "resource":"https://api.securitycenter.microsoft.com","token_type":"Bearer"}"#;

/// Mock of the agent, with the files that it writes: each key is good once.
#[derive(Debug, Default)]
struct Agent {
    keys: Mutex<Vec<(String, String)>>,
}

impl Agent {
    fn responds(&self, request: &Request<Bytes>, folder: &Path) -> Response<Bytes> {
        let query = parameters(request.uri().query().unwrap());
        let is_well = request.method() == http::Method::GET
            && request.uri().path() == "/metadata/identity/oauth2/token"
            && request.headers().get("metadata").is_some_and(|value| value == "true")
            && query["api-version"] == "2020-06-01"
            && query["resource"] == "https://api.securitycenter.microsoft.com"
            && query.len() == 2;
        if !is_well {
            return Response::builder().status(400).body(Bytes::from_static(br#"{"error":"bad_request"}"#)).unwrap();
        }
        let shown = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let mut keys = self.keys.lock().unwrap();
        if let Some((_, file)) = shown.and_then(|shown| {
            let place = keys.iter().position(|(key, _)| shown == format!("Basic {key}"))?;
            Some(keys.remove(place))
        }) {
            std::fs::remove_file(file).unwrap();
            return Response::new(Bytes::from_static(GRANTED.as_bytes()));
        }
        let (key, file) =
            (format!("canary-key-{}", uuid::Uuid::new_v4()), folder.join(format!("{}.key", uuid::Uuid::new_v4())));
        std::fs::write(&file, &key).unwrap();
        let file = file.to_str().unwrap().to_owned();
        let response = Response::builder().status(401).header("www-authenticate", format!("Basic realm={file}"));
        keys.push((key, file));
        response.body(Bytes::new()).unwrap()
    }
}

#[tokio::test]
async fn agent_exchanges_key_for_token() {
    let (folder, agent, clock) = (Folder::new(), Arc::new(Agent::default()), ManualClock::new());
    let (shared, keys) = (Arc::clone(&agent), folder.path().to_owned());
    let endpoint = Endpoint::plain(move |request| Reply::Answer(shared.responds(request, &keys))).await;
    let transport = Wire::trusting(&crate::support::endpoint::Ca::new().pem);
    let url = format!("http://localhost:{}/metadata/identity/oauth2/token", endpoint.port);
    let credential = ManagedIdentityCredential::system_assigned().at_azure_arc(url, folder.path());
    let context = CredentialContext::new(Arc::new(transport.clone()), Arc::new(clock.clone()), Cloud::Public);
    let credential = credential.into_credential(&context).unwrap();
    let token = asked(&credential, &clock, || transport.waiting() == 0).await.unwrap();
    assert_eq!(token.secret(), "the-token");
    assert_eq!(agent.keys.lock().unwrap().len(), 0, "the key is used");
    let [first, second] = endpoint.requests().try_into().unwrap();
    assert!(!first.headers().contains_key("authorization") && second.headers().contains_key("authorization"));
}

/// Result of a challenge that names `path`, and the number of requests.
async fn challenged(folder: &Folder, header: &str) -> (Result<String, Error>, usize) {
    let header = header.to_owned();
    let transport = Capture::with(move |request| {
        if request.headers().contains_key("authorization") {
            return Ok(Response::new(Body::from(GRANTED)));
        }
        let response = Response::builder().status(401).header("www-authenticate", &header);
        Ok(response.body(Body::empty()).unwrap())
    });
    let clock = ManualClock::new();
    let credential = ManagedIdentityCredential::system_assigned()
        .at_azure_arc("http://localhost:40342/metadata/identity/oauth2/token", folder.path());
    let outcome = ask(&connected(credential, &transport, &clock), &clock).await;
    (outcome.map(|token| token.secret().to_owned()), transport.requests().len())
}

#[tokio::test]
async fn only_agent_folder_key_is_read() {
    let (folder, other) = (Folder::new(), Folder::new());
    let write = |path: &Path, text: &[u8]| std::fs::write(path, text).unwrap();
    let inside = |name: &str| folder.path().join(name);
    let name = |path: &Path| path.to_str().unwrap().to_owned();
    write(&inside("good.key"), b"canary-key\r\n");
    write(&inside("full.key"), &[b'k'; 4096]);
    write(&inside("large.key"), &[b'k'; 4097]);
    write(&inside("empty.key"), b"\n");
    write(&inside("binary.key"), b"canary\xff");
    write(&inside("lines.key"), b"canary\nX-Evil: canary");
    write(&inside("plain.txt"), b"canary");
    write(&inside("key"), b"canary");
    write(&other.path().join("other.key"), b"canary");
    std::fs::create_dir(inside("deeper")).unwrap();
    write(&inside("deeper/deep.key"), b"canary");
    std::fs::create_dir(inside("folder.key")).unwrap();
    std::os::unix::fs::symlink(other.path().join("other.key"), inside("link.key")).unwrap();
    std::os::unix::fs::symlink(inside("good.key"), inside("alias.key")).unwrap();
    let up = format!("{}/../{}/good.key", name(folder.path()), folder.path().file_name().unwrap().to_str().unwrap());
    let out = format!("{}/../{}/other.key", name(folder.path()), other.path().file_name().unwrap().to_str().unwrap());
    for path in ["good.key", "full.key", "alias.key"] {
        let path = name(&inside(path));
        for header in [format!("Basic realm={path}"), format!("basic realm=\"{path}\"")] {
            let (outcome, requests) = challenged(&folder, &header).await;
            assert_eq!((outcome.unwrap().as_str(), requests), ("the-token", 2), "{header}");
        }
    }
    for (header, kind, words) in [
        (name(&inside("large.key")), ErrorKind::Response, "is larger"),
        (name(&inside("folder.key")), ErrorKind::Response, "no file at all"),
        (name(&inside("empty.key")), ErrorKind::Response, "holds no key"),
        (name(&inside("binary.key")), ErrorKind::Response, "holds no key"),
        (name(&inside("lines.key")), ErrorKind::Response, "holds no key"),
        (name(&inside("plain.txt")), ErrorKind::Response, "is not a `.key` file"),
        (name(&inside("key")), ErrorKind::Response, "is not a `.key` file"),
        (name(&inside("link.key")), ErrorKind::Response, "is a link that leads out"),
        (name(&inside("missing.key")), ErrorKind::Configuration, "group `himds`"),
        (name(&inside("deeper/deep.key")), ErrorKind::Response, "not directly in the agent's folder"),
        (name(&other.path().join("other.key")), ErrorKind::Response, "not directly in the agent's folder"),
        (up, ErrorKind::Response, "not directly in the agent's folder"),
        (out, ErrorKind::Response, "not directly in the agent's folder"),
        ("good.key".to_owned(), ErrorKind::Response, "not directly in the agent's folder"),
        (r"\\evil.example\share\a.key".to_owned(), ErrorKind::Response, "not directly in the agent's folder"),
        ("/etc/shadow".to_owned(), ErrorKind::Response, "not directly in the agent's folder"),
        ("/dev/zero".to_owned(), ErrorKind::Response, "not directly in the agent's folder"),
        (String::new(), ErrorKind::Response, "names no key file"),
    ] {
        let (outcome, requests) = challenged(&folder, &format!("Basic realm={header}")).await;
        let error = outcome.unwrap_err();
        let shown = all_of(&error);
        assert_eq!((error.kind(), error.is_retryable(), requests), (kind, false, 1), "{header}: {shown}");
        assert!(error.to_string().contains(words) && !shown.contains("canary"), "{header}: {shown}");
    }
    for header in ["Bearer realm=/a.key", "Negotiate", ""] {
        let (outcome, requests) = challenged(&folder, header).await;
        assert!(outcome.unwrap_err().to_string().contains("names no key file"), "{header}");
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn agent_error_is_reported_without_key() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("a.key"), "canary-key").unwrap();
    let file = folder.path().join("a.key").to_str().unwrap().to_owned();
    let endpoint = "http://localhost:40342/metadata/identity/oauth2/token";
    for (first, second, body, requests, seconds, words) in [
        (401, 401, "{}", 2, 0, "status 401"),
        (401, 403, r#"{"error":"denied","error_description":"no canary-key"}"#, 2, 0, "denied"),
        (401, 400, r#"{"message":"canary-key is Y2FuYXJ5LWtleQ=="}"#, 2, 0, "<redacted>"),
        (401, 503, "", 6, 2, "status 503"),
        (500, 0, "", 3, 2, "status 500"),
        (404, 0, "", 1, 0, "status 404"),
        (200, 0, GRANTED, 1, 0, "without the challenge"),
    ] {
        let file = file.clone();
        let transport = Capture::with(move |request| {
            let is_first = !request.headers().contains_key("authorization");
            let response = Response::builder().status(if is_first { first } else { second });
            let response = response.header("www-authenticate", format!("Basic realm={file}"));
            Ok(response.body(Body::from(body)).unwrap())
        });
        let clock = ManualClock::new();
        let credential = ManagedIdentityCredential::system_assigned().at_azure_arc(endpoint, folder.path());
        let shown = format!("{credential:?} {credential:#?}");
        let error = ask(&connected(credential, &transport, &clock), &clock).await.unwrap_err();
        let shown = format!("{shown} {}", all_of(&error));
        assert_eq!((transport.requests().len(), clock.elapsed().as_secs()), (requests, seconds), "{shown}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!shown.contains("canary-key") && !shown.contains("Y2FuYXJ5"), "{shown}");
        assert!(transport.requests().iter().all(|request| {
            request
                .headers()
                .get("authorization")
                .is_none_or(|value| value.is_sensitive() && value == "Basic canary-key")
        }));
    }
}

#[tokio::test]
async fn absent_agent_is_reported_at_once() {
    let clock = ManualClock::new();
    let transport = Capture::with(|_| Err(WireError::new(WireKind::Connect).context("the connection was refused")));
    let credential = ManagedIdentityCredential::system_assigned()
        .at_azure_arc("http://localhost:40342/metadata/identity/oauth2/token", "/var/opt/azcmagent/tokens");
    let error = ask(&connected(credential, &transport, &clock), &clock).await.unwrap_err();
    assert_eq!((transport.requests().len(), clock.elapsed(), error.is_retryable()), (1, Duration::ZERO, false));
    assert!(error.to_string().contains("check that its service `himds` runs"), "{error}");
}

#[test]
fn agent_is_local_with_its_own_identity() {
    let transport = Capture::with(|_| Ok(Response::new(Body::from(GRANTED))));
    let context = context(&transport, &ManualClock::new());
    let user = ManagedIdentityCredential::user_assigned(ManagedIdentityId::ClientId("c".to_owned()));
    for (credential, words) in [
        (user.at_azure_arc("http://localhost:40342/x", "/t"), "system-assigned"),
        (ManagedIdentityCredential::system_assigned().at_azure_arc("http://evil.example/x", "/t"), "link-local"),
        (ManagedIdentityCredential::system_assigned().at_azure_arc("no url", "/t"), "not a URL"),
    ] {
        let error = credential.into_credential(&context).unwrap_err();
        assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains(words), "{error}");
    }
    assert!(transport.requests().is_empty());
}

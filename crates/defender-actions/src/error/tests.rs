//! The text of errors.

use super::*;
use crate::client::operation::Operation;

#[test]
fn error_has_the_size_of_a_pointer() {
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}

const SOURCE: &str = include_str!("kind.rs");

/// Returns the names of the kinds from the source, so that none is missing.
fn kinds() -> Vec<&'static str> {
    let (_, inside) = SOURCE.split_once("pub enum ErrorKind {").unwrap();
    let (inside, _) = inside.split_once("\n}").unwrap();
    let names = inside.lines().map(str::trim).filter(|line| !line.starts_with("///") && !line.is_empty());
    names.map(|line| line.trim_end_matches(',')).collect()
}

#[test]
fn each_kind_documents_sent_and_advice() {
    let mut docs = String::new();
    let (_, inside) = SOURCE.split_once("pub enum ErrorKind {").unwrap();
    for line in inside.lines().take_while(|line| *line != "}") {
        match line.trim().strip_prefix("///") {
            Some(doc) => docs.push_str(doc),
            None if line.trim().is_empty() => {}
            None => {
                let (sent, todo) = (docs.contains("*Was it sent?*"), docs.contains("*What to do:*"));
                assert!(sent && todo, "{line}: {docs}");
                docs.clear();
            }
        }
    }
}

/// Compares the text of each kind, with and without a problem, with a file, so that a change is seen.
#[test]
fn texts_equal_the_snapshot() {
    use crate::ErrorKind as K;
    let problem =
        || Problem::parse(400, br#"{"error":{"code":"InvalidInput","message":"Sha1 is wrong","target":"43f4cb08"}}"#);
    let all = [
        K::Configuration,
        K::IntentExpired,
        K::Request,
        K::Credential,
        K::ConnectFailed,
        K::QuotaStore,
        K::Journal,
        K::OutcomeUnknown,
        K::InvalidResponse,
        K::Interrupted,
        K::Refused,
        K::AlreadyInProgress,
        K::Conflict,
        K::Unauthorized,
        K::Forbidden,
        K::NotFound,
        K::Ambiguous,
        K::UnsuitableMachine,
        K::NotReady,
        K::NoResult,
        K::TooLarge,
        K::Corrupt,
        K::Io,
        K::Retired,
        K::Throttled,
        K::Unavailable,
        K::ActionFailed,
        K::WaitTimeout,
    ];
    assert_eq!(all.map(|kind| format!("{kind:?}")).to_vec(), kinds());
    let mut texts = Vec::new();
    for kind in all {
        // The name of `OutcomeUnknown` is `outcome-unknown`.
        assert_eq!(kind.name().replace('-', ""), format!("{kind:?}").to_ascii_lowercase());
        let plain = Error::new(kind).context("POST /machines/m1/isolate");
        texts.push(format!("{kind:?}\n  {plain}\n"));
        let sent = if plain.never_sent() { "never sent" } else { "may have been sent" };
        let again = if plain.is_retryable() { "retryable" } else { "not retryable" };
        texts.push(format!("  {sent}, {again}\n"));
        if !plain.never_sent() {
            texts.push(format!("  {}\n", plain.with_problem(problem())));
        }
    }
    for reason in [
        UnknownReason::NothingFound,
        UnknownReason::MayBeOurs,
        UnknownReason::NotReadable,
        UnknownReason::QuotaExhausted,
        UnknownReason::OtherRecord,
    ] {
        texts.push(format!("{reason:?}\n  {reason}\n"));
    }
    let texts = texts.concat();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/error-texts.txt");
    if std::env::var_os("WRITE_TEXTS").is_some() {
        std::fs::write(path, &texts).unwrap();
    }
    assert_eq!(texts, std::fs::read_to_string(path).unwrap(), "if it is meant, run this with WRITE_TEXTS=1");
}

/// Each code of the service has advice, also in an inner error. Only a missing permission is advised to be granted.
#[test]
fn advice_follows_the_code() {
    for code in Code::KNOWN {
        for (status, body) in [
            (403, format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#)),
            (403, format!(r#"{{"error":{{"code":"Forbidden","innererror":{{"code":"{code}"}}}}}}"#)),
            (400, format!(r#"{{"error":{{"code":"{code}"}}}}"#)),
        ] {
            let problem = Problem::parse(status, body.as_bytes());
            let needs = Operation::of_action::<defender_model::Isolate>().needs;
            let kind = if status == 403 { ErrorKind::Forbidden } else { ErrorKind::Refused };
            let error = Error::new(kind).context("POST /machines/m1/isolate").with_permissions(needs);
            let line = error.with_problem(problem).to_string();
            let (_, advice) = line.split_once("; ").unwrap_or_else(|| panic!("{line}"));
            let wants_permission = advice.contains("Machine.Isolate");
            match *code {
                "DisallowedOperation" => assert!(advice.contains("remediation level") && !wants_permission, "{line}"),
                "DisabledFeature" => assert!(advice.contains("Advanced features") && !wants_permission, "{line}"),
                "Forbidden" => assert!(wants_permission && advice.contains("Response (manage)"), "{line}"),
                _ => assert!(!advice.is_empty(), "{line}"),
            }
        }
    }
}

#[test]
fn text_from_outside_is_one_bounded_line() {
    let hostile = format!("a\u{1b}[2J\r\nb\u{202e}c\u{0}{}", "x".repeat(100_000));
    let body = serde_json::json!({"error": {"code": hostile, "message": hostile, "target": hostile}}).to_string();
    let inner = Error::new(ErrorKind::Unavailable).context(hostile.as_str()).caused_by(hostile.as_str());
    let error = Error::new(ErrorKind::Forbidden)
        .context(hostile.as_str())
        .with_problem(Problem::parse(403, body.as_bytes()))
        .caused_by(inner);
    for text in [error.to_string(), format!("{error:#}"), format!("{error:?}")] {
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text}");
        assert!(text.len() < 20_000, "{}", text.len());
    }
    assert!(
        error.to_string().len() < 6_000 && error.to_string().contains("preflight()"),
        "{}",
        error.to_string().len()
    );
}

#[test]
fn line_has_cause_and_advice_and_source_is_beneath() {
    let problem = Problem::parse(404, br#"{"error":{"code":"ResourceNotFound","message":"no machine","target":"t"}}"#);
    let error = Error::new(ErrorKind::NotFound).context("GET /x").with_problem(problem).caused_by("the cause");
    assert_eq!(
        error.to_string(),
        "GET /x: not found (status 404): ResourceNotFound: no machine (target t); the cause; check the spelling, the tenant and \
         the cloud [not-found]"
    );
    assert!(error.source().is_none() && error.cause().is_some());
}

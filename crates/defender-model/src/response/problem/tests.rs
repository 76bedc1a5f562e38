//! Error bodies in all shapes.

use proptest::prelude::*;

use super::*;

fn parts(body: &str) -> (String, Option<String>, Option<String>) {
    let problem = Problem::parse(400, body.as_bytes());
    assert_eq!(problem.raw(), body.as_bytes());
    (problem.code().as_str().to_owned(), problem.message().map(str::to_owned), problem.target().map(str::to_owned))
}

fn expect(code: &str, message: Option<&str>, target: Option<&str>) -> (String, Option<String>, Option<String>) {
    (code.to_owned(), message.map(str::to_owned), target.map(str::to_owned))
}

#[test]
fn each_shape_is_read() {
    for (body, expected) in [
        (
            r#"{"error":{"code":"InvalidInput","message":"m","target":"|3"}}"#,
            expect("InvalidInput", Some("m"), Some("|3")),
        ),
        (
            r#"{"error":{"code":"","message":"The query is not valid","details":[]}}"#,
            expect("", Some("The query is not valid"), None),
        ),
        (
            r#"{"error":"invalid_client","error_description":"AADSTS7000215"}"#,
            expect("invalid_client", Some("AADSTS7000215"), None),
        ),
        (r#"{"message":"no"}"#, expect("", Some("no"), None)),
        (r#"{"Message":"no"}"#, expect("", Some("no"), None)),
        (r#"{"error":null}"#, expect("", None, None)),
        (r#"{"error":{"code":5,"message":["x"]}}"#, expect("", None, None)),
        (r#""just text""#, expect("", Some("just text"), None)),
        ("[]", expect("", None, None)),
        ("Too many requests\r\n", expect("", Some("Too many requests"), None)),
        ("<html><b>no</b></html>", expect("", None, None)),
        ("{broken", expect("", None, None)),
        ("", expect("", None, None)),
    ] {
        assert_eq!(parts(body), expected, "{body}");
    }
}

#[test]
fn already_in_progress_has_code_or_message() {
    let of = |status, code: &str, message: &str| {
        let body = serde_json::json!({"error": {"code": code, "message": message}}).to_string();
        Problem::parse(status, body.as_bytes()).is_already_in_progress()
    };
    assert!(of(400, "ActiveRequestAlreadyExists", "anything"));
    assert!(of(400, "activerequestalreadyexists", ""));
    assert!(of(400, "BadRequest", "Action is already in progress"));
    assert!(of(400, "", "ACTION IS  ALREADY\tIN PROGRESS."));
    assert!(!of(400, "BadRequest", "Action is in progress"));
    assert!(!of(500, "", "Action is already in progress"));
}

#[test]
fn problem_displays_as_one_line() {
    let body = br#"{"error":{"code":"NotFound","message":" gone ","target":"t"}}"#;
    assert_eq!(Problem::parse(404, body).to_string(), "NotFound: gone (target t)");
    assert_eq!(Problem::parse(404, b"").to_string(), "the response gives no reason");
    assert_eq!(Problem::parse(502, b"<p>").to_string(), "the response gives no readable reason in its 3 bytes");
    assert_eq!(Problem::parse(502, b"\"\"").to_string(), "the response gives no readable reason in its 2 bytes");
    let blank = br#"{"error":{"code":" ","message":"\n"}}"#;
    assert_eq!(Problem::parse(502, blank).to_string(), "the response gives no readable reason in its 37 bytes");
}

#[test]
fn inner_errors_and_details_are_read() {
    let all = |body: &str| {
        let problem = Problem::parse(400, body.as_bytes());
        let inner = (problem.inner_code().map(|code| code.as_str().to_owned()), problem.inner_message());
        (problem.to_string(), inner.0, inner.1.map(str::to_owned))
    };
    for (body, line, inner_code) in [
        (
            r#"{"error":{"code":"Forbidden","message":"no","innererror":{"code":"DisallowedOperation","message":"no level"}}}"#,
            "Forbidden: no [DisallowedOperation: no level]",
            Some("DisallowedOperation"),
        ),
        (
            r#"{"error":{"code":"BadRequest","innererror":{"x":1,"innererror":{"code":"InvalidInput","request-id":"r"}}}}"#,
            "BadRequest [InvalidInput] (target r)",
            Some("InvalidInput"),
        ),
        (
            r#"{"error":{"code":"","message":"bad","innererror":{"message":"bad","request-id":"r","date":"d"}}}"#,
            "bad (target r)",
            None,
        ),
        (
            r#"{"error":{"code":"ODataError","message":"bad","details":[{},{"code":"x","message":"near $stop","target":"t"}]}}"#,
            "ODataError: bad [x: near $stop]",
            Some("x"),
        ),
        (
            r#"{"type":"https://x/y","title":"Forbidden","status":403,"detail":"It is off","instance":"/z"}"#,
            "Forbidden: It is off (target /z)",
            None,
        ),
        (
            r#"{"title":"One or more validation errors occurred.","errors":{"Comment":["It is required."],"x":[5]},"traceId":"00-a"}"#,
            "One or more validation errors occurred. [Comment: It is required.] (target 00-a)",
            None,
        ),
        (r#"{"title":"no","detail":"no"}"#, "no", None),
        (r#"{"error":{"code":"A","innererror":"text"}}"#, "A", None),
    ] {
        assert_eq!((all(body).0.as_str(), all(body).1.as_deref()), (line, inner_code), "{body}");
    }
    let deep = format!(r#"{{"error":{}{}}}"#, r#"{"innererror":"#.repeat(60), "1".to_owned() + &"}".repeat(60));
    assert!(Problem::parse(400, deep.as_bytes()).is_silent());
}

#[test]
fn marks_and_encodings_do_not_matter() {
    let body = r#"{"error":{"code":"NotFound","message":"m"}}"#;
    let wide = [&[0xff, 0xfe], &*body.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat();
    for bytes in [format!("\u{feff}{body}").into_bytes(), format!("\r\n{body}\0").into_bytes(), wide] {
        let problem = Problem::parse(404, &bytes);
        assert_eq!((problem.code(), problem.raw()), (&Code::NotFound, &bytes[..]));
    }
    assert_eq!(Problem::parse(400, b"{\"message\":\"a \xe4 b\"}").message(), Some("a \u{fffd} b"));
    assert_eq!(Problem::parse(429, "\u{feff}slow down".as_bytes()).message(), Some("slow down"));
}

#[test]
fn hostile_text_is_a_bounded_line() {
    let hostile = format!("a\u{1b}[2J\r\nb\u{202e}c\u{0}{}", "x".repeat(100_000));
    let body = serde_json::json!({"error": {
        "code": hostile, "message": hostile, "target": hostile,
        "innererror": {"code": format!("i{hostile}"), "message": format!("i{hostile}")},
    }});
    let problem = Problem::parse(400, body.to_string().as_bytes());
    let texts = [
        problem.code().as_str(),
        problem.message().unwrap(),
        problem.target().unwrap(),
        problem.inner_code().unwrap().as_str(),
        problem.inner_message().unwrap(),
        &problem.to_string(),
        &format!("{problem:?}"),
    ];
    for text in texts {
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text}");
        assert!(text.contains("bcx") && text.len() < 5_000, "{} {text}", text.len());
    }
    assert!(problem.to_string().len() < 2_000, "{}", problem.to_string().len());
    assert_eq!(problem.raw(), body.to_string().as_bytes());
    let text = Problem::parse(400, hostile.as_bytes());
    assert!(text.to_string().starts_with("a bcx") && text.to_string().len() < 600, "{text}");
}

#[test]
fn debug_shows_only_present_parts() {
    assert_eq!(format!("{:?}", Problem::parse(500, b"")), "Problem { status: 500, raw: 0 bytes }");
}

proptest! {
    #[test]
    fn any_body_is_a_problem(status in any::<u16>(), body in any::<Vec<u8>>()) {
        let problem = Problem::parse(status, &body);
        prop_assert_eq!(problem.raw(), &body[..]);
    }
}

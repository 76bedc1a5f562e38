use super::*;

#[test]
fn only_early_errors_are_never_sent() {
    for (kind, never_sent) in [
        (ErrorKind::Request, true),
        (ErrorKind::Connect, true),
        (ErrorKind::Credential, true),
        (ErrorKind::Timeout, false),
        (ErrorKind::Interrupted, false),
        (ErrorKind::Protocol, false),
        (ErrorKind::TooLarge, false),
        (ErrorKind::Decode, false),
        (ErrorKind::ForeignResponse, false),
    ] {
        assert_eq!(Error::new(kind).never_sent(), never_sent, "{kind:?}");
        assert_eq!(Error::new(kind).is_timeout(), kind == ErrorKind::Timeout, "{kind:?}");
    }
    assert!(Error::new(ErrorKind::Timeout).not_sent().never_sent());
}

#[test]
fn lasting_errors_are_marked() {
    for (kind, permanent) in [
        (ErrorKind::Request, true),
        (ErrorKind::Connect, false),
        (ErrorKind::Credential, false),
        (ErrorKind::Timeout, false),
        (ErrorKind::Interrupted, false),
        (ErrorKind::Protocol, false),
        (ErrorKind::TooLarge, true),
        (ErrorKind::Decode, false),
        (ErrorKind::ForeignResponse, false),
    ] {
        assert_eq!(Error::new(kind).is_permanent(), permanent, "{kind:?}");
        assert!(Error::new(kind).permanent().is_permanent());
    }
}

#[test]
fn what_was_answered_was_sent() {
    let error = Error::new(ErrorKind::Interrupted).not_sent().with_status(StatusCode::CREATED);
    assert_eq!((error.response_status(), error.never_sent()), (Some(StatusCode::CREATED), false));
    assert_eq!(Error::new(ErrorKind::Interrupted).response_status(), None);
}

#[test]
fn the_message_does_not_repeat_its_source() {
    let error = Error::new(ErrorKind::Connect).context("to example.com").caused_by("refused");
    assert_eq!(error.to_string(), "could not connect: to example.com");
    assert_eq!(StdError::source(&error).unwrap().to_string(), "refused");
}

#[test]
fn display_and_debug_show_set_fields_only() {
    let plain = Error::new(ErrorKind::Connect);
    assert_eq!(format!("{plain:?}"), "Error { kind: Connect, never_sent: true }");
    let inner = Error::new(ErrorKind::Interrupted).context("by b").caused_by("reset");
    let error =
        Error::new(ErrorKind::Timeout).context("a").with_status(StatusCode::OK).after_attempts(3).caused_by(inner);
    assert_eq!(error.to_string(), "timed out: a");
    let chain = "timed out: a: the connection broke before the response was complete: by b: reset";
    assert_eq!(format!("{error:#}"), chain);
    let shown = format!("{:?}", error.with_retry_after(Duration::from_secs(1)));
    assert!(
        !shown.contains("None") && shown.contains("attempts: 3") && shown.contains("response_status: 200"),
        "{shown}"
    );
}

#[test]
fn error_is_pointer_sized_send_and_sync() {
    fn goes_anywhere<T: StdError + Send + Sync + 'static>() {}
    goes_anywhere::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}

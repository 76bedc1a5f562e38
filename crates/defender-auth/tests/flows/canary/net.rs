//! Everything that a person could come to see, and every trace event of every level.

use std::{
    cell::RefCell,
    error::Error as StdError,
    fmt::{self, Debug, Write},
    sync::{Arc, Mutex, Once},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Visible texts, each with the name of its place.
#[derive(Default)]
pub(crate) struct Seen(Vec<(&'static str, String)>);

impl Seen {
    pub(super) fn debug(&mut self, of: &impl Debug) {
        self.0.push(("Debug", format!("{of:?}")));
        self.0.push(("{:#?}", format!("{of:#?}")));
    }

    /// An error and all that caused it, each by all its ways to be shown.
    pub(super) fn error(&mut self, error: &(dyn StdError + 'static)) {
        self.0.push(("Display", error.to_string()));
        self.debug(&error);
        let mut cause = error.source();
        while let Some(source) = cause {
            self.0.push(("the source chain", format!("{source} {source:?} {source:#?}")));
            cause = source.source();
        }
    }

    pub(super) fn traces(&mut self, traces: &Traces) {
        self.0.push(("a trace event", traces.0.lock().unwrap().clone()));
        self.0.push(("a log record", LOGGED.take()));
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(_, text)| text.len()).sum()
    }

    /// Places in which one of `secrets` can be seen, raw, encoded, or byte by byte.
    pub(super) fn leaks(&self, secrets: &[String]) -> Vec<&'static str> {
        let forms: Vec<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
        let is_in = |text: &str| forms.iter().any(|form| text.contains(form));
        self.0.iter().filter(|(_, text)| is_in(text)).map(|(place, _)| *place).collect()
    }
}

pub(super) fn html_numbers(text: &str) -> String {
    text.chars().fold(String::new(), |all, char| all + &format!("&#{};", u32::from(char)))
}

pub(super) fn json_numbers(text: &str) -> String {
    text.encode_utf16().fold(String::new(), |all, unit| all + &format!("\\u{unit:04X}"))
}

/// A secret as it may stand in a text.
fn forms(secret: &str) -> Vec<String> {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let bytes: Vec<_> = secret.bytes().map(|byte| byte.to_string()).collect();
    let percent = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    let mut forms = vec![
        secret.to_owned(),
        percent.to_ascii_lowercase(),
        percent,
        secret.escape_debug().to_string(),
        html_numbers(secret),
        json_numbers(secret),
        json_numbers(secret).replace('\\', "\\\\"),
        secret.replace('&', "&amp;").replace('"', "&quot;"),
        serde_json::to_string(secret).unwrap().trim_matches('"').to_owned(),
        bytes.join(", "),
    ];
    // Base64 at each of the three places, in whole groups, since what stands beside decides the other digits.
    for skipped in 0..3 {
        let aligned = secret.as_bytes().get((3 - skipped) % 3..).unwrap_or_default();
        let whole = aligned.len() / 3 * 3;
        forms.extend(aligned.get(..whole).filter(|whole| whole.len() >= 6).map(|whole| STANDARD_NO_PAD.encode(whole)));
    }
    forms.extend(
        secret.get(..secret.len() / 3 * 3).filter(|whole| whole.len() >= 6).map(|whole| STANDARD_NO_PAD.encode(whole)),
    );
    forms
}

/// Keeps every span and event of the thread, whatever its level.
#[derive(Clone, Default)]
pub(super) struct Traces(Arc<Mutex<String>>);

impl Traces {
    /// Begins to keep what this thread traces and logs.
    pub(super) fn keep(&self) -> (tracing::subscriber::DefaultGuard, tracing::Dispatch) {
        static LOGGER: Once = Once::new();
        LOGGER.call_once(|| {
            log::set_logger(&Logger).unwrap();
            log::set_max_level(log::LevelFilter::Trace);
        });
        LOGGED.take();
        // With one subscriber alone, tracing asks only the thread that first comes past a place whether anybody listens there,
        // and the thread of another test says no for all.
        let beside = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        (tracing::subscriber::set_default(self.clone()), beside)
    }

    pub(super) fn tells_of(&self, target: &str) -> bool {
        self.0.lock().unwrap().contains(target)
    }
}

impl Visit for Traces {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0.lock().unwrap(), "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Traces {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        write!(self.0.lock().unwrap(), "\n{} ", attributes.metadata().target()).unwrap();
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        write!(self.0.lock().unwrap(), "\n{} ", event.metadata().target()).unwrap();
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

thread_local! {
    /// rustls speaks to `log`.
    static LOGGED: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LOGGED.with_borrow_mut(|logged| writeln!(logged, "{} {}", record.target(), record.args()).unwrap());
    }

    fn flush(&self) {}
}

/// Shows what it was given, as nothing that is shipped does.
#[derive(Debug)]
struct Leaky(String);

impl fmt::Display for Leaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Leaky {}

#[test]
fn net_catches_every_kind_of_leak() {
    use defender_auth::{Error, ErrorKind};

    let secrets = ["a-canary".to_owned()];
    let caught = |leak: &dyn Fn(&mut Seen)| {
        let traces = Traces::default();
        let _kept = traces.keep();
        let mut seen = Seen::default();
        leak(&mut seen);
        seen.traces(&traces);
        seen.leaks(&secrets)
    };
    let leaky = || Leaky("an a-canary".to_owned());
    assert_eq!(caught(&|_| ()), [""; 0]);
    assert_eq!(caught(&|seen| seen.debug(&leaky())), ["Debug", "{:#?}"]);
    assert_eq!(
        caught(&|seen| seen.error(&Error::new(ErrorKind::Other).context("a-canary"))),
        ["Display", "Debug", "{:#?}"]
    );
    let caused = |seen: &mut Seen| seen.error(&Error::new(ErrorKind::Other).caused_by(leaky()));
    assert_eq!(caught(&caused), ["Debug", "{:#?}", "the source chain"]);
    assert_eq!(caught(&|_| tracing::trace!(token = "a-canary")), ["a trace event"]);
    assert_eq!(caught(&|_| log::trace!("a-canary")), ["a log record"]);
    for form in [
        "a%2Dcanary",
        "a%2dcanary",
        "YS1jYW5h",
        "[97, 45, 99, 97, 110, 97, 114, 121]",
        "&#97;&#45;&#99;&#97;&#110;&#97;&#114;&#121;",
        "\\u0061\\u002D\\u0063\\u0061\\u006E\\u0061\\u0072\\u0079",
    ] {
        assert_eq!(caught(&|_| tracing::error!("it was {form}")), ["a trace event"], "{form}");
    }
}

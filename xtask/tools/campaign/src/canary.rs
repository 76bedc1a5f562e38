//! Watches all that is shown for secrets.

use std::{
    fmt::{self, Debug, Write as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Watches all that is shown for secrets: the client's secret, tokens, and the signatures of links. Clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Canary(Arc<Watch>);

struct Watch {
    /// The part of the client's secret that is the same however it is encoded.
    secret: String,
    found: Mutex<Vec<String>>,
    events: AtomicU64,
}

impl Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// Number of characters after the beginning of a secret that make a secret.
const ENOUGH: usize = 12;

impl Canary {
    pub(crate) fn new(secret: &str) -> Self {
        let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-');
        let core = secret.split(|character| !plain(character)).max_by_key(|part| part.len()).unwrap_or_default();
        Self(Arc::new(Watch { secret: core.to_owned(), found: Mutex::default(), events: AtomicU64::new(0) }))
    }

    /// Looks through what was shown in `place`.
    pub(crate) fn look(&self, place: &str, text: &str) {
        let what = if !self.0.secret.is_empty() && text.contains(&self.0.secret) {
            "the client's secret"
        } else if has(text, "eyJ", |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            // Every token begins so: it is `{"` in base64.
            "a token"
        } else if has(text, "sig=", |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'+' | b'/')) {
            "a link's signature"
        } else {
            return;
        };
        let mut found = self.0.found.lock().unwrap_or_else(PoisonError::into_inner);
        // What was found is not told, only where.
        found.push(format!("{what} is shown in {place}"));
    }

    /// Looks through a value as it is printed.
    pub(crate) fn look_at(&self, place: &str, value: &(impl Debug + ?Sized)) {
        self.look(place, &format!("{value:?}"));
    }

    /// Looks through an error and all its causes, in both ways in which each is shown.
    pub(crate) fn look_at_error(&self, place: &str, error: &(dyn std::error::Error + 'static)) {
        let mut shown = String::new();
        let mut next = Some(error);
        while let Some(error) = next {
            // Writing into memory does not fail.
            let _written = write!(shown, "{error}\n{error:?}\n{error:#?}\n");
            next = error.source();
        }
        self.look(place, &shown);
    }

    /// The findings.
    pub(crate) fn found(&self) -> Vec<String> {
        self.0.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Number of events: with none, nothing was watched.
    pub(crate) fn events(&self) -> u64 {
        self.0.events.load(Ordering::Relaxed)
    }
}

/// Returns true if `begin` stands in the text with enough of such bytes behind it.
fn has(text: &str, begin: &str, fits: impl Fn(u8) -> bool) -> bool {
    text.match_indices(begin).any(|(at, _)| {
        let behind = text.as_bytes().get(at.saturating_add(begin.len())..).unwrap_or_default();
        behind.iter().take_while(|byte| fits(**byte)).count() >= ENOUGH
    })
}

/// Every event and every span, of every level, with all their fields.
impl Subscriber for Canary {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut Fields(self, attributes.metadata().target()));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Fields(self, "a span"));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.events.fetch_add(1, Ordering::Relaxed);
        event.record(&mut Fields(self, event.metadata().target()));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Fields<'c>(&'c Canary, &'static str);

impl Visit for Fields<'_> {
    fn record_str(&mut self, _: &Field, value: &str) {
        self.0.look(self.1, value);
    }

    fn record_i64(&mut self, _: &Field, _: i64) {}

    fn record_u64(&mut self, _: &Field, _: u64) {}

    fn record_bool(&mut self, _: &Field, _: bool) {}

    fn record_f64(&mut self, _: &Field, _: f64) {}

    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        self.0.look_at(self.1, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "e+8Q~%Abc123def456_xyz";
    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJhdWQiOiIifQ.c2lnbmF0dXJl";

    #[test]
    fn secret_is_found_in_each_form() {
        for shown in [
            SECRET,
            "client_secret=e%2B8Q~%25Abc123def456_xyz&scope=x",
            &format!("Bearer {TOKEN}"),
            "https://blobs.test/blobs/a.zip?sv=1&sig=aGVsbG8gd29ybGQ%3D",
        ] {
            let canary = Canary::new(SECRET);
            canary.look("here", shown);
            assert_eq!(canary.found().len(), 1, "{shown}");
            assert!(!canary.found()[0].contains("Abc123"));
        }
    }

    #[test]
    fn what_is_no_secret_is_not_found() {
        let canary = Canary::new(SECRET);
        for shown in ["", "eyJ", "[redacted]", "sig=REDACTED&", "9f3c6d0a-eyes", "a token begins with eyJhb"] {
            canary.look("here", shown);
        }
        assert_eq!(canary.found(), Vec::<String>::new());
        assert_eq!(canary.events(), 0);
    }

    #[test]
    fn events_spans_values_causes_are_searched() {
        let canary = Canary::new(SECRET);
        tracing::subscriber::with_default(canary.clone(), || {
            tracing::trace!(token = TOKEN, "an event");
            let span =
                tracing::info_span!("a span", url = %"https://x?sig=aGVsbG8gd29ybGQ", late = tracing::field::Empty);
            span.record("late", format!("{SECRET:?}"));
            tracing::trace!("in its words: {TOKEN}");
        });
        assert_eq!((canary.found().len(), canary.events()), (4, 2), "{:?}", canary.found());
        canary.look_at_error("an error", &std::io::Error::other(format!("cause {TOKEN}")));
        canary.look_at("a value", &Some(TOKEN));
        assert_eq!(canary.found().len(), 6);
    }
}

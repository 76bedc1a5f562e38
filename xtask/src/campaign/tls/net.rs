//! Looks for secrets in whatever the client shows: every trace event, and every form of each error and value that it gives.

use std::{
    error::Error as StdError,
    fmt::{Debug, Write},
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// What must not be seen, and where it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Net(Arc<Mutex<Caught>>);

#[derive(Default)]
struct Caught {
    secrets: Vec<String>,
    places: Vec<String>,
}

impl Debug for Caught {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caught").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Net {
    /// This is a secret, too, also as a form writes it.
    pub(super) fn secret(&self, secret: &str) {
        let mut caught = self.caught();
        if !caught.secrets.iter().any(|known| known == secret) {
            let encoded = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
            caught.secrets.extend([encoded, secret.to_owned()]);
        }
    }

    /// Looks through a text.
    pub(super) fn look(&self, place: &str, text: &str) {
        let mut caught = self.caught();
        if shows_a_token(text) || caught.secrets.iter().any(|secret| text.contains(secret.as_str())) {
            caught.places.push(place.to_owned());
        }
    }

    /// Looks through what the client gave.
    pub(super) fn value(&self, place: &str, value: &impl Debug) {
        self.look(place, &format!("{value:?} {value:#?}"));
    }

    /// Looks through an error and all that caused it.
    pub(super) fn error(&self, place: &str, error: &(dyn StdError + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.look(place, &format!("{error} {error:?} {error:#?}"));
            next = error.source();
        }
    }

    /// Where secrets were seen since this was last asked.
    pub(super) fn places(&self) -> Vec<String> {
        std::mem::take(&mut self.caught().places)
    }

    fn caught(&self) -> std::sync::MutexGuard<'_, Caught> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is a token in it, known or not, or a link's signature.
pub(super) fn shows_a_token(text: &str) -> bool {
    let long = |rest: &str, least: usize| {
        rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_.%+/=".contains(byte)).count() >= least
    };
    // A token begins with the JSON of its header, which in base64 begins so.
    let follows = |start: &str, least| {
        text.match_indices(start).any(|(at, _)| text.get(at..).is_some_and(|rest| long(rest, least)))
    };
    follows("eyJ", 40) || follows("sig=", 14)
}

/// The events go through the net one by one.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a text does not fail.
        let _written = write!(self.0, "{field}={value:?} ");
    }
}

impl Subscriber for Net {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut words = Words(String::new());
        span.record(&mut words);
        self.look("a span", &words.0);
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, values: &span::Record<'_>) {
        let mut words = Words(String::new());
        values.record(&mut words);
        self.look("a span", &words.0);
    }

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        self.look(&format!("an event of {}", event.metadata().target()), &words.0);
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_caught_in_an_event_a_value_and_behind_an_error() {
        let net = Net::default();
        net.secret("a~b");
        net.value("a value", &"nothing");
        assert_eq!(net.places(), [""; 0]);
        net.value("a value", &"x a%7Eb x");
        net.error("an error", &std::io::Error::other(std::io::Error::other("a~b")));
        tracing::subscriber::with_default(net.clone(), || {
            tracing::trace!(secret = "a~b", "here");
            tracing::trace_span!("span", secret = ?"a~b");
            tracing::trace!("nothing");
        });
        let places = net.places();
        assert!(
            places.len() >= 4
                && ["a value", "an error", "a span"].iter().all(|place| places.iter().any(|is| is == place))
        );
        assert!(places.iter().any(|place| place.starts_with("an event of xtask")), "{places:?}");
        assert!(!format!("{net:?}").contains("a~b"));
    }

    #[test]
    fn a_token_that_nobody_knows_yet_is_known_by_its_form() {
        assert!(shows_a_token("Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdWQiOiJ4In0.c2ln"));
        assert!(shows_a_token("/blobs/a.zip?se=1&sig=q%2BabcDEF0123456"));
        assert!(!shows_a_token("eyJ, sig=REDACTED and sig=***"));
    }
}

//! Secrets that come back in text from outside, and how they are found there.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use zeroize::Zeroizing;

/// Replacement of a secret.
const REDACTED: &str = "<redacted>";
/// A shorter text is in every text, and keeps no secret.
const SHORTEST: usize = 4;
/// A shorter text has no base64 that could not be that of something else.
const SHORTEST_ENCODED: usize = 6;
/// Number of encodings that may lie around each other.
const LAYERS: usize = 3;

/// Secrets of a request, which no error and no trace may show if a server, a proxy or a gateway echoes them.
///
/// They are found by their value, in any letter case, and in the encodings in which servers echo: percent-encoding, HTML and
/// JSON escapes, these around each other, and base64. Put into a request's extensions, they are kept out of traces by
/// [`Traced`](crate::Traced); a layer that makes errors of responses calls [`redact`](Self::redact).
///
/// Cheap to clone; wiped when the last is dropped; never printed.
///
/// ```
/// use defender_transport::Secrets;
///
/// let secrets = Secrets::new(["s3cr+t/value"]);
/// assert_eq!(secrets.redact("no such key: s3cr%2bt%2Fvalue!"), "no such key: <redacted>!");
/// assert_eq!(format!("{secrets:?}"), "Secrets(1)");
/// ```
#[derive(Clone, Default)]
pub struct Secrets(Arc<[Zeroizing<Vec<u8>>]>);

impl Secrets {
    /// A set of these secrets. A text of fewer than four bytes is no secret, and is left out.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let secrets = secrets.into_iter().map(|secret| Zeroizing::new(secret.as_ref().as_bytes().to_vec()));
        Self(secrets.filter(|secret| secret.len() >= SHORTEST).collect())
    }

    /// Returns true if one of them is in `text`, as it is or encoded.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        !self.ranges(text.as_bytes()).is_empty()
    }

    /// The text without them.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let ranges = self.ranges(text.as_bytes());
        if ranges.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut clean, mut from) = (String::with_capacity(text.len()), 0);
        for range in ranges {
            // An encoded text begins and ends with a character of its own.
            clean.push_str(text.get(from..range.start).unwrap_or_default());
            clean.push_str(REDACTED);
            from = range.end;
        }
        clean.push_str(text.get(from..).unwrap_or_default());
        Cow::Owned(clean)
    }

    /// The bytes without the secrets; `None` if no secret is in them. Bytes that are not text are replaced, as they are shown.
    #[must_use]
    pub fn redact_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(bytes);
        match self.redact(&text) {
            Cow::Owned(clean) => Some(clean.into_bytes()),
            Cow::Borrowed(_) => None,
        }
    }

    /// Ranges of the secrets, in order and apart from each other.
    fn ranges(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.0.is_empty() {
            return found;
        }
        let mut view = View { bytes: Zeroizing::new(text.to_vec()), from: (0..=text.len()).collect() };
        for _ in 0..=LAYERS {
            for secret in self.0.iter() {
                view.find(
                    secret,
                    |text, secret| text.eq_ignore_ascii_case(&secret) || (text == b'+' && secret == b' '),
                    &mut found,
                );
                for encoded in in_base64(secret) {
                    view.find_base64(&encoded, &mut found);
                }
            }
            match view.decoded() {
                Some(decoded) => view = decoded,
                None => break,
            }
        }
        found.sort_by_key(|range| range.start);
        found.dedup_by(|next, before| {
            let overlap = next.start <= before.end;
            if overlap {
                before.end = before.end.max(next.end);
            }
            overlap
        });
        found
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// A text with some encodings taken off, and where each of its bytes was.
struct View {
    bytes: Zeroizing<Vec<u8>>,
    /// One more than the bytes.
    from: Vec<usize>,
}

impl View {
    fn find(&self, what: &[u8], same: impl Fn(u8, u8) -> bool, found: &mut Vec<Range<usize>>) {
        for (at, window) in self.bytes.windows(what.len().max(1)).enumerate() {
            if window.iter().zip(what).all(|(text, what)| same(*text, *what))
                && let (Some(start), Some(end)) = (self.from.get(at), self.from.get(at.saturating_add(what.len())))
            {
                found.push(*start..*end);
            }
        }
    }

    /// As [`find`](Self::find), with the digits beside it that hold the first and the last bits, and with the padding.
    fn find_base64(&self, what: &[u8], found: &mut Vec<Range<usize>>) {
        let mut inside = Vec::new();
        self.find(what, |text, what| standard(text) == what, &mut inside);
        let place = |from: usize| self.from.partition_point(|at| *at < from);
        let is_digit =
            |at: usize| self.bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte));
        for range in inside {
            let (mut start, mut end) = (place(range.start), place(range.end));
            if let Some(before) = start.checked_sub(1).filter(|at| is_digit(*at)) {
                start = before;
            }
            if is_digit(end) {
                end = end.saturating_add(1);
            }
            while self.bytes.get(end) == Some(&b'=') {
                end = end.saturating_add(1);
            }
            if let (Some(start), Some(end)) = (self.from.get(start), self.from.get(end)) {
                found.push(*start..*end);
            }
        }
    }

    /// The same with one more encoding taken off; `None` if no encoding is left.
    fn decoded(&self) -> Option<Self> {
        let bytes = Zeroizing::new(Vec::with_capacity(self.bytes.len()));
        let mut view = Self { bytes, from: Vec::with_capacity(self.from.len()) };
        let mut at = 0;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (char, length) =
                decode(rest).unwrap_or_else(|| (Char::Byte(rest.first().copied().unwrap_or_default()), 1));
            let before = view.bytes.len();
            char.push(&mut view.bytes);
            let from = self.from.get(at).copied().unwrap_or_default();
            view.from.extend(std::iter::repeat_n(from, view.bytes.len().saturating_sub(before)));
            at = at.saturating_add(length);
        }
        view.from.push(self.from.last().copied().unwrap_or_default());
        (view.bytes.len() < self.bytes.len()).then_some(view)
    }
}

/// Character that an encoding stands for.
enum Char {
    Byte(u8),
    Text(char),
}

impl Char {
    fn push(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => bytes.push(byte),
            Self::Text(char) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Decodes the beginning of `text`, if it is encoded, and returns the length that was read.
fn decode(text: &[u8]) -> Option<(Char, usize)> {
    match text {
        [b'%', high, low, ..] => {
            let byte = hex(*high)?.checked_mul(16)?.checked_add(hex(*low)?)?;
            Some((Char::Byte(u8::try_from(byte).ok()?), 3))
        }
        [b'\\', b'u', ..] => {
            let first = unit(text)?;
            if let Some(char) = char::from_u32(u32::from(first)) {
                return Some((Char::Text(char), 6));
            }
            // Beyond the first plane, a character is two units.
            let second = unit(text.get(6..)?)?;
            let char = char::decode_utf16([first, second]).next()?.ok()?;
            Some((Char::Text(char), 12))
        }
        [b'\\', escaped @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((Char::Byte(*escaped), 2)),
        [b'&', rest @ ..] => {
            let end = rest.iter().take(8).position(|byte| *byte == b';')?;
            let name = std::str::from_utf8(rest.get(..end)?).ok()?.to_ascii_lowercase();
            let char = match name.as_str() {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                "sol" => '/',
                "plus" => '+',
                "equals" => '=',
                name => {
                    let number = name.strip_prefix('#')?;
                    let code = match number.strip_prefix('x') {
                        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                        None => number.parse().ok()?,
                    };
                    char::from_u32(code)?
                }
            };
            Some((Char::Text(char), end.saturating_add(2)))
        }
        _ => None,
    }
}

/// The unit of UTF-16 that `text` begins with, in JSON's escape.
fn unit(text: &[u8]) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = text else { return None };
    let code = digits.get(..4)?.iter().try_fold(0_u32, |code, digit| Some(code << 4 | hex(*digit)?))?;
    u16::try_from(code).ok()
}

fn hex(digit: u8) -> Option<u32> {
    char::from(digit).to_digit(16)
}

/// Base64 texts that a secret has wherever it stands in the encoded text: at each of the three places, without the characters
/// that hold bits of something else.
fn in_base64(secret: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    if secret.len() < SHORTEST_ENCODED {
        return Vec::new();
    }
    let encoded = |skipped: usize| {
        let mut bits = 0_u32;
        let mut held = 0_u32;
        let mut encoded = Zeroizing::new(Vec::with_capacity(secret.len().saturating_mul(2)));
        // The bits of the first character that is whole: after so many bytes, it begins so many bits into the secret.
        let mut drop_bits = [0_u32, 4, 2].get(skipped).copied().unwrap_or_default();
        for byte in secret {
            (bits, held) = (bits << 8 | u32::from(*byte), held.saturating_add(8));
            if drop_bits > 0 {
                held = held.saturating_sub(drop_bits);
                drop_bits = 0;
            }
            while held >= 6 {
                held = held.saturating_sub(6);
                encoded.push(digit(bits >> held & 0x3f));
            }
            bits &= 0xff;
        }
        encoded
    };
    (0..3).map(encoded).collect()
}

/// The digit of base64's usual alphabet.
fn digit(value: u32) -> u8 {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    usize::try_from(value).ok().and_then(|value| DIGITS.get(value)).copied().unwrap_or_default()
}

/// A digit of base64's other alphabet as one of the usual.
const fn standard(digit: u8) -> u8 {
    match digit {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    }
}

#[cfg(test)]
mod tests;

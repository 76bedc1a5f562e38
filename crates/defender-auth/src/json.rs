//! The one way from bytes to JSON.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// More braces than this are no notice around JSON.
#[cfg(feature = "azure-cli")]
const MANY: usize = 100;

/// JSON as it comes from endpoints and gateways: with a byte order mark or without, in UTF-8 or UTF-16, with blanks or NULs
/// around it, and with text that is broken in places. The `Content-Type` does not matter.
///
/// The cause of a failure is left out on purpose: it may quote the input.
#[allow(clippy::disallowed_methods, reason = "bytes become JSON here and nowhere else")]
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let text = text(bytes);
    serde_json::from_str(&text).ok()
}

/// The text of `bytes`, without the bytes that are not text.
pub(crate) fn text(bytes: &[u8]) -> Zeroizing<String> {
    let text: Cow<'_, str> = match bytes {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes).into(),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes).into(),
        // The same without a mark: JSON begins with a sign of ASCII.
        [b'{' | b'[' | b' ' | b'\r' | b'\n', 0, ..] => utf_16(bytes, u16::from_le_bytes).into(),
        [0, b'{' | b'[' | b' ' | b'\r' | b'\n', ..] => utf_16(bytes, u16::from_be_bytes).into(),
        _ => String::from_utf8_lossy(bytes),
    };
    let around = |char: char| char.is_whitespace() || matches!(char, '\u{feff}' | '\0');
    let kept = Zeroizing::new(text.trim_matches(around).to_owned());
    if let Cow::Owned(copy) = text {
        drop(Zeroizing::new(copy));
    }
    kept
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let pair = |pair: &[u8]| <[u8; 2]>::try_from(pair).map_or(0xfffd, unit);
    char::decode_utf16(bytes.chunks(2).map(pair)).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The first object in `bytes` that is a `T`. A program may print more around it: notices, warnings and colors.
#[cfg(feature = "azure-cli")]
#[allow(clippy::disallowed_methods, reason = "bytes become JSON here and nowhere else")]
pub(crate) fn find<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let text = Zeroizing::new(without_escapes(&text(bytes)));
    let mut begins = text.match_indices('{').take(MANY);
    begins.find_map(|(at, _)| serde_json::Deserializer::from_str(text.get(at..)?).into_iter().next()?.ok())
}

/// The text without terminal commands, such as a change of color.
#[cfg(feature = "azure-cli")]
pub(crate) fn without_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => match chars.next() {
                Some('[') => while chars.next_if(|char| !matches!(char, '@'..='~')).is_some() {},
                Some(']') => {
                    while chars.next_if(|char| !matches!(char, '\u{7}' | '\u{1b}' | '\n')).is_some() {}
                    chars.next_if_eq(&'\u{1b}');
                    continue_after(&mut chars, &['\u{7}', '\\']);
                    continue;
                }
                _ => continue,
            },
            '\u{9b}' => while chars.next_if(|char| !matches!(char, '@'..='~')).is_some() {},
            _ => {
                kept.push(char);
                continue;
            }
        }
        chars.next(); // The final letter.
    }
    kept
}

#[cfg(feature = "azure-cli")]
fn continue_after(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, ends: &[char]) {
    chars.next_if(|char| ends.contains(char));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn marks_blanks_and_encodings_are_taken_off() {
        let plain = r#"{"a":"ä"}"#;
        let utf_16 = |unit: fn(u16) -> [u8; 2], mark: [u8; 2]| {
            [mark.to_vec(), plain.encode_utf16().flat_map(unit).collect::<Vec<u8>>()].concat()
        };
        for bytes in [
            plain.as_bytes().to_vec(),
            format!("\u{feff}{plain}").into_bytes(),
            format!("\u{feff}\u{feff}\r\n {plain}\r\n").into_bytes(),
            format!("\n\u{feff}{plain}\0\0").into_bytes(),
            utf_16(u16::to_le_bytes, [0xff, 0xfe]),
            utf_16(u16::to_be_bytes, [0xfe, 0xff]),
            utf_16(u16::to_le_bytes, [0xff, 0xfe]).split_off(2),
            utf_16(u16::to_be_bytes, [0xfe, 0xff]).split_off(2),
        ] {
            assert_eq!(read::<Value>(&bytes), Some(json!({"a": "ä"})), "{bytes:?}");
        }
        assert_eq!(read::<Value>(b"{\"a\":\"\xe4\"}"), Some(json!({"a": "\u{fffd}"})));
        for bytes in [&b""[..], b"\xef\xbb\xbf", b"<html>", b"\xff\xfe{", b"{\"a\":1}{", b"{\"a\":1} x"] {
            assert_eq!(read::<Value>(bytes), None, "{bytes:?}");
        }
    }

    #[cfg(feature = "azure-cli")]
    #[test]
    fn object_is_found_among_notices_and_colors() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Wanted {
            a: u8,
        }
        for text in [
            r#"{"a":1}"#,
            "\u{feff}{\"a\":1}",
            "WARNING: a {preview} command {\n{\"a\":1}\nA new version is available {2.80}.",
            "\u{1b}[32m{\u{1b}[39;49;00m\u{1b}[94m\"a\"\u{1b}[0m: \u{1b}[38;5;9m1\u{1b}[m}\u{1b}[0m",
            "\u{1b}]0;az\u{7}{\"a\":1}",
            "\u{1b}]0;az\u{1b}\\{\"a\":1}",
            "{\"note\":true} {\"a\":1}",
        ] {
            assert_eq!(find(text.as_bytes()), Some(Wanted { a: 1 }), "{text:?}");
        }
        for text in ["", "{", "no JSON", "{\"b\":1}", &"{".repeat(100_000)] {
            assert_eq!(find::<Wanted>(text.as_bytes()), None);
        }
        for (text, kept) in
            [("a\u{1b}[1mb", "ab"), ("a\u{1b}", "a"), ("a\u{1b}[", "a"), ("\u{1b}(Bx", "Bx"), ("\u{9b}31mx", "x")]
        {
            assert_eq!(without_escapes(text), kept, "{text:?}");
        }
    }

    /// Another way from bytes to JSON would not strip marks and encodings as this one does.
    #[test]
    fn every_json_decoder_goes_through_this_module() {
        fn sources(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    sources(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut files = Vec::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        assert!(files.len() > 30, "{files:?}");
        for file in files.iter().filter(|file| !file.ends_with("json.rs")) {
            let source = std::fs::read_to_string(file).unwrap();
            let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
            for way in ["serde_json::from_", "Deserializer::from_", " from_slice", " from_reader", "(from_slice"] {
                assert!(!code.contains(way), "{}: {way}", file.display());
            }
        }
    }
}

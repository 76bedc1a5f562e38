use std::fmt::Write;

use super::*;

const SECRET: &str = "s3cr~t&<\"'>+/= value\\é";

fn percent(text: &str, upper: bool, all: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() && !all => encoded.push(char::from(byte)),
            byte if upper => write!(encoded, "%{byte:02X}").unwrap(),
            byte => write!(encoded, "%{byte:02x}").unwrap(),
        }
    }
    encoded
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn json(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('/', "\\/")
}

fn base64(bytes: &[u8]) -> String {
    let mut encoded = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            encoded.push(char::from(digit(bits >> (18 - 6 * place) & 0x3f)));
        }
    }
    encoded
}

#[test]
fn secret_is_found_in_every_encoding() {
    let secrets = Secrets::new([SECRET]);
    let escaped: String = SECRET.encode_utf16().fold(String::new(), |all, unit| all + &format!("\\u{unit:04x}"));
    let numeric: String = SECRET.chars().fold(String::new(), |all, char| all + &format!("&#x{:X};", u32::from(char)));
    for echo in [
        SECRET.to_owned(),
        SECRET.to_uppercase().replace('É', "é"),
        percent(SECRET, true, false),
        percent(SECRET, false, false),
        percent(SECRET, true, true),
        percent(SECRET, false, true),
        percent(SECRET, true, false).replace("%20", "+"),
        html(SECRET),
        numeric,
        json(SECRET),
        escaped,
        percent(&percent(SECRET, true, false), false, false),
        html(&json(SECRET)),
        json(&html(&percent(SECRET, false, false))),
    ] {
        for (before, after) in [("", ""), ("{\"error\":\"", "\"}"), ("ä%zz&;\\ ", "ü")] {
            let text = format!("{before}{echo}{after}");
            assert!(secrets.are_in(&text), "{text}");
            assert_eq!(secrets.redact(&text), format!("{before}<redacted>{after}"), "{text}");
        }
    }
}

#[test]
fn secret_beyond_the_first_plane_is_found() {
    let secret = "key-\u{1f511}-\u{10ffff}";
    let secrets = Secrets::new([secret]);
    let escaped: String = secret.encode_utf16().fold(String::new(), |all, unit| all + &format!("\\u{unit:04X}"));
    for echo in [secret.to_owned(), escaped, percent(secret, false, true), base64(secret.as_bytes())] {
        assert_eq!(secrets.redact(&format!("<{echo}>")), "<<redacted>>", "{echo}");
    }
    assert!(!secrets.are_in("\\ud83d \\ud83d\\u0041 \\ud83d\\u \\ud83d"));
}

#[test]
fn secret_is_found_anywhere_in_base64() {
    let secrets = Secrets::new([SECRET]);
    for before in ["", "u", "us", "use", "user:"] {
        for after in ["", "a", "ab", "abc"] {
            let encoded = base64(format!("{before}{SECRET}{after}").as_bytes());
            for echo in
                [encoded.clone(), encoded.replace('+', "-").replace('/', "_"), format!("Basic {encoded}==, and more")]
            {
                let clean = secrets.redact(&echo);
                assert!(
                    clean.contains(REDACTED) && clean.len() < 40 + after.len() + before.len() * 2,
                    "{before}|{after}: {clean}"
                );
            }
            let percent = percent(&base64(format!("{before}{SECRET}{after}").as_bytes()), true, false);
            assert!(secrets.are_in(&percent));
        }
    }
}

#[test]
fn other_text_stays_as_it_is() {
    let secrets = Secrets::new([SECRET, "0f8fad5b-d9cb-469f-a165-70867728950e", "abc", ""]);
    for text in
        ["", "abc", "100 % of it & more; \\u12 %4", "0f8fad5b-d9cb-469f-a165-70867728950f", "&#xFFFFFFF; &#0; &nosuch;"]
    {
        assert!(matches!(secrets.redact(text), Cow::Borrowed(_)), "{text}");
        assert_eq!(secrets.redact_bytes(text.as_bytes()), None);
    }
    assert_eq!(secrets.redact("id 0F8FAD5B-d9cb-469f-a165-70867728950e, twice"), "id <redacted>, twice");
    assert_eq!(secrets.redact_bytes(b"\xff0f8fad5b-d9cb-469f-a165-70867728950e"), Some("\u{fffd}<redacted>".into()));
    assert!(!Secrets::default().are_in(SECRET));
}

#[test]
fn neighbors_and_overlaps_are_taken_out_together() {
    let secrets = Secrets::new(["abcdef", "defghi"]);
    assert_eq!(secrets.redact("xabcdefghix abcdef defghi"), "x<redacted>x <redacted> <redacted>");
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_it(text: String, secret in ".{4,20}") {
        let secrets = Secrets::new([&secret]);
        let _ = secrets.redact(&text);
        let embedded = format!("{text}{secret}{text}");
        proptest::prop_assert!(secrets.are_in(&embedded), "{embedded}");
        proptest::prop_assert!(!secrets.redact(&embedded).contains(&secret) || REDACTED.contains(&secret));
    }
}

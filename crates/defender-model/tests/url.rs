//! No accepted value can change the path or the query of a request.

use defender_model::{ActionId, Filter, MachineAction, MachineId, MachineName, Query, Sha1};
use proptest::prelude::*;

/// Any text, often with characters that have a meaning in a URL, or a name.
fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        ".",
        "..",
        "/",
        "\\",
        "?",
        "#",
        "%",
        "%2f",
        "%2e",
        "&",
        "=",
        "+",
        " ",
        ";",
        ":",
        "@",
        "'",
        "\"",
        "\r\n",
        "\0",
        "é",
        "\u{202e}",
        "\u{1f5a5}",
        "a",
        "ws-04",
        "_",
    ]);
    prop_oneof![any::<String>(), prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())]
}

/// Returns `true` for the bytes that need no encoding anywhere in a URL.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Decodes one part of a URL; `None` if the text is not one encoded part.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = part.bytes();
    let mut text = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                text.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            byte if is_unreserved(byte) => text.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(text).ok()
}

/// Returns `true` if the text is one segment of a path, even for a gateway that decodes it first.
fn is_one_segment(segment: &str) -> bool {
    let Some(early) = decoded(segment) else { return false };
    !matches!(segment, "" | "." | "..")
        && !matches!(early.as_str(), "" | "." | "..")
        && !early.contains(['/', '\\'])
        && !early.contains(char::is_control)
}

proptest! {
    #[test]
    fn accepted_name_is_one_segment(text in text()) {
        if let Ok(name) = text.parse::<MachineName>() {
            let segment = name.path_segment();
            prop_assert!(is_one_segment(&segment), "{}", segment);
            prop_assert_eq!(decoded(&segment), Some(text));
        }
    }

    #[test]
    fn accepted_id_is_one_segment(text in prop_oneof![text(), "[A-Za-z0-9_-]{1,129}"]) {
        let ids = [
            text.parse::<MachineId>().ok().map(String::from),
            text.parse::<ActionId>().ok().map(String::from),
            text.parse::<Sha1>().ok().map(|sha1| sha1.to_string()),
        ];
        for id in ids.into_iter().flatten() {
            prop_assert!(is_one_segment(&id), "{}", id);
            prop_assert_eq!(decoded(&id), Some(id));
        }
    }

    #[test]
    fn filter_is_one_query_value(text in text(), top in 0_u32..=10_000, skip: u64) {
        for filter in [MachineAction::REQUESTOR.eq(&text), Filter::raw(&text)] {
            let query = Query::new().filter(filter.clone()).top(top).unwrap().skip(skip).to_query();
            let options: Vec<_> = query.split('&').map(|option| option.split_once('=').unwrap()).collect();
            let (top, skip) = (top.to_string(), skip.to_string());
            prop_assert_eq!(options[0].0, "$filter");
            prop_assert_eq!(decoded(options[0].1), Some(filter.to_string()));
            prop_assert_eq!(&options[1..], [("$top", top.as_str()), ("$skip", skip.as_str())]);
        }
    }

    #[test]
    fn page_has_at_most_10000_rows(top: u32) {
        prop_assert_eq!(Query::<MachineAction>::new().top(top).is_ok(), top <= 10_000);
    }
}

#[test]
fn usual_machine_names_are_accepted() {
    for name in ["ws-eng-04", "C-Lab-31.contoso.com", "Max Mustermann iPadAir 17zoll (2ndgeneration)", "Büro", "端末"]
    {
        assert!(name.parse::<MachineName>().is_ok(), "{name}");
    }
}

//! Nothing that was taken can change the path or the query that it is put into.

use defender_model::{ActionId, Filter, MachineAction, MachineId, MachineName, Query, Sha1};
use proptest::prelude::*;

/// Any text, and often such that means something in a URL, or is a name.
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

/// The bytes that stand for themselves anywhere in a URL.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The text that was encoded, if it was encoded and can be nothing but one part of a URL.
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

/// Whether the text is one segment of a path, and stays it where a gateway decodes it once before it looks.
fn is_one_segment(segment: &str) -> bool {
    let Some(early) = decoded(segment) else { return false };
    !matches!(segment, "" | "." | "..")
        && !matches!(early.as_str(), "" | "." | "..")
        && !early.contains(['/', '\\'])
        && !early.contains(char::is_control)
}

proptest! {
    #[test]
    fn a_name_that_is_taken_is_one_segment_and_decodes_to_itself(text in text()) {
        if let Ok(name) = text.parse::<MachineName>() {
            let segment = name.path_segment();
            prop_assert!(is_one_segment(&segment), "{}", segment);
            prop_assert_eq!(decoded(&segment), Some(text));
        }
    }

    #[test]
    fn an_id_that_is_taken_is_one_segment_as_it_is(text in prop_oneof![text(), "[A-Za-z0-9_-]{1,129}"]) {
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
    fn a_filter_is_one_value_of_a_query_and_decodes_to_itself(text in text(), top in 0_u32..=10_000, skip: u64) {
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
    fn a_page_is_at_most_ten_thousand(top: u32) {
        prop_assert_eq!(Query::<MachineAction>::new().top(top).is_ok(), top <= 10_000);
    }
}

#[test]
fn names_of_every_kind_of_machine_are_taken() {
    for name in ["ws-eng-04", "C-Lab-31.contoso.com", "Max Mustermann iPadAir 17zoll (2ndgeneration)", "Büro", "端末"]
    {
        assert!(name.parse::<MachineName>().is_ok(), "{name}");
    }
}

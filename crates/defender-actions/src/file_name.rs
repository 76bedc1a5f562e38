//! A file's name that somebody else chose.

/// Names that are devices on Windows, whatever extension they have.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The name of gzip's header as text: UTF-8 where it is that, and Latin-1, which RFC 1952 asks for, where it is not.
pub(crate) fn decoded(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(text) => text.to_owned(),
        Err(_) => name.iter().copied().map(char::from).collect(),
    }
}

/// What of `name` can be a file's name anywhere and nothing else: its last part, without what leads elsewhere, hides, or means
/// something to a system. `None` where nothing is left.
pub(crate) fn harmless(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = crate::printable::printable(last);
    let kept = shown.chars().map(|char| match char {
        ':' | '<' | '>' | '"' | '|' | '?' | '*' | '\n' | '\t' => '_',
        other => other,
    });
    let kept: String = kept.take(150).collect();
    let kept = kept.trim_start_matches(['.', ' ', '-', '~']).trim_end_matches(['.', ' ']);
    let stem = kept.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_device = DEVICES.iter().any(|device| match stem.strip_prefix(device) {
        Some(number) if device.starts_with("com") || device.starts_with("lpt") => number.chars().count() == 1,
        Some(rest) => rest.is_empty(),
        None => false,
    });
    match kept {
        "" => None,
        _ if is_device => Some(format!("_{kept}")),
        _ => Some(kept.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_it_was_it_is_one_name() {
        for (name, kept) in [
            ("out.txt", Some("out.txt")),
            ("../../etc/passwd", Some("passwd")),
            ("/etc/cron.d/x", Some("x")),
            (r"C:\Windows\System32\evil.dll", Some("evil.dll")),
            ("C:evil.dll", Some("C_evil.dll")),
            ("file.txt:stream", Some("file.txt_stream")),
            ("..", None),
            ("a/..", None),
            ("", None),
            ("...", None),
            (".bashrc", Some("bashrc")),
            ("-rf", Some("rf")),
            ("nul.txt", Some("_nul.txt")),
            ("COM1", Some("_COM1")),
            ("common.txt", Some("common.txt")),
            ("a\u{202e}txt.exe", Some("atxt.exe")),
            ("a\u{1b}[2Jb\0", Some("ab")),
            ("trailing. . ", Some("trailing")),
        ] {
            assert_eq!(harmless(name).as_deref(), kept, "{name:?}");
        }
        assert_eq!(harmless(&"ä".repeat(1_000)).unwrap().chars().count(), 150);
        assert_eq!(decoded(b"\xe4.txt"), "ä.txt");
    }
}

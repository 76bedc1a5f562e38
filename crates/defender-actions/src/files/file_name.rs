//! Sanitizing of file names from a machine.

/// Device names of Windows. They are reserved with any extension.
const DEVICES: [&str; 9] = ["con", "prn", "aux", "nul", "com", "lpt", "conin$", "conout$", "clock$"];

/// Longest name, in bytes. Usual file systems have a limit of 255; the rest is for the mark of a device name and for a suffix of the
/// caller.
const LONGEST: usize = 200;

/// Longest extension that is kept, in bytes.
const EXTENSION: usize = 16;

/// Returns the name in a gzip header as text: UTF-8 if it is valid, otherwise Latin-1, which RFC 1952 requires.
pub(crate) fn decoded(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(text) => text.to_owned(),
        Err(_) => name.iter().copied().map(char::from).collect(),
    }
}

/// Returns a name that is valid and harmless on each system: the last part of the path, not hidden, without reserved names and
/// characters. `None` if nothing remains.
pub(crate) fn sanitize_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = defender_model::sanitize_terminal(last);
    let kept = shown.chars().map(|char| match char {
        ':' | '<' | '>' | '"' | '|' | '?' | '*' | '\n' | '\t' => '_',
        other => other,
    });
    let kept: String = kept.collect();
    let kept = shortened(kept.trim_start_matches(['.', ' ', '-', '~']).trim_end_matches(['.', ' ']));
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

/// Shortens the name to [`LONGEST`] bytes and keeps its extension.
fn shortened(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let extension = name.rfind('.').and_then(|dot| name.get(dot..)).filter(|extension| extension.len() <= EXTENSION);
    let extension = extension.unwrap_or_default();
    let mut end = LONGEST.saturating_sub(extension.len());
    while !name.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    format!("{}{extension}", name.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_one_harmless_name() {
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
            ("COM\u{b9}.log", Some("_COM\u{b9}.log")),
            ("CONIN$", Some("_CONIN$")),
            ("conout$.txt", Some("_conout$.txt")),
            ("CONOUT$ .txt", Some("_CONOUT$ .txt")),
            ("CLOCK$", Some("_CLOCK$")),
            ("conin", Some("conin")),
            ("common.txt", Some("common.txt")),
            ("a\u{202e}txt.exe", Some("atxt.exe")),
            ("a\u{1b}[2Jb\0", Some("ab")),
            ("trailing. . ", Some("trailing")),
        ] {
            assert_eq!(sanitize_file_name(name).as_deref(), kept, "{name:?}");
        }
        assert_eq!(decoded(b"\xe4.txt"), "ä.txt");
    }

    #[test]
    fn long_name_fits_a_file_system_and_keeps_its_extension() {
        for char in ["x", "ä", "漢", "🙂"] {
            for extension in ["", ".zip", ".tar.gz", ".an-extension-that-is-none"] {
                let kept = sanitize_file_name(&format!("{}{extension}", char.repeat(1_000))).unwrap();
                assert!(kept.len() <= 255 && kept.len() > 100, "{}", kept.len());
                let is_short = extension.rsplit('.').next().unwrap().len() < 10 && !extension.is_empty();
                assert_eq!(kept.contains('.'), is_short, "{kept}");
            }
        }
        for name in ["con".to_owned() + &" ".repeat(500) + ".txt", format!("{}.{}", "x".repeat(184), " .".repeat(300))]
        {
            let kept = sanitize_file_name(&name).unwrap();
            assert!(kept.len() <= 255 && !kept.ends_with([' ', '.']), "{kept}");
        }
        let device = sanitize_file_name(&format!("nul.{}", "x".repeat(300))).unwrap();
        assert!(device.starts_with("_nul.") && device.len() <= 255, "{device}");
    }
}

//! Sanitizing of text from outside before it is printed.

use std::iter::Peekable;

/// Returns the text without characters that control a terminal or are invisible: NULs and other control characters except line
/// ends and tabs, whole escape sequences, zero-width characters, and characters that change the writing direction. A carriage
/// return, which would overwrite its line, becomes a line end.
///
/// ```
/// assert_eq!(defender_model::sanitize_terminal("\u{1b}[2Jgood\rbad\0"), "good\nbad");
/// ```
#[must_use]
pub fn sanitize_terminal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\r' => {
                chars.next_if_eq(&'\n');
                shown.push('\n');
            }
            '\n' | '\t' => shown.push(char),
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_control(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut chars),
            _ if char.is_control() || is_hidden(char) => {}
            _ => shown.push(char),
        }
    }
    shown
}

/// Returns the text as one line of at most `longest` characters, for an error or a trace. The text is sanitized as by
/// [`sanitize_terminal`], and each run of blanks and line ends becomes one blank. A longer text is cut and ends in `…`.
///
/// ```
/// assert_eq!(defender_model::sanitize_line("a\r\n  b\u{202e}c", 100), "a bc");
/// assert_eq!(defender_model::sanitize_line("abcdef", 4), "abc…");
/// ```
#[must_use]
pub fn sanitize_line(text: &str, longest: usize) -> String {
    /// Characters that are read for each character of the limit, since escape sequences and blanks are dropped.
    const WASTE: usize = 16;
    let kept: String = text.chars().take(longest.saturating_add(1).saturating_mul(WASTE)).collect();
    let clean = sanitize_terminal(&kept);
    let words = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if kept.len() == text.len() && words.chars().count() <= longest {
        return words;
    }
    let mut line: String = words.chars().take(longest.saturating_sub(1)).collect();
    line.push('\u{2026}');
    line
}

/// Skips the rest of an escape sequence, by ECMA-48.
fn skip_escape(chars: &mut Peekable<impl Iterator<Item = char>>) {
    match chars.next_if(|char| matches!(char, ' '..='~')) {
        Some('[') => skip_control(chars),
        Some('P' | 'X' | ']' | '^' | '_') => skip_string(chars),
        // A sequence of three characters, such as a change of the character set.
        Some(' '..='/') => {
            while chars.next_if(|char| matches!(char, ' '..='/')).is_some() {}
            chars.next_if(|char| matches!(char, '0'..='~'));
        }
        _ => {}
    }
}

/// Skips parameters up to the final letter.
fn skip_control(chars: &mut Peekable<impl Iterator<Item = char>>) {
    while chars.next_if(|char| matches!(char, ' '..='?')).is_some() {}
    chars.next_if(|char| matches!(char, '@'..='~'));
}

/// Skips the string of a command, such as a window title, up to its end. A string without an end goes to the end of its line, so
/// that it cannot hide the rest of the text.
fn skip_string(chars: &mut Peekable<impl Iterator<Item = char>>) {
    while let Some(char) = chars.next_if(|char| *char != '\n') {
        match char {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// Returns `true` for zero-width characters that reorder the text or hide a part.
fn is_hidden(char: char) -> bool {
    matches!(
        char,
        '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_controls_are_removed() {
        for (text, shown) in [
            ("plain ä 漢字 🙂\tx\r\ny\n", "plain ä 漢字 🙂\tx\ny\n"),
            ("end\0\0\0", "end"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[2J\u{1b}[1;1Hgone", "gone"),
            ("\u{1b}]0;title\u{7}shown", "shown"),
            ("\u{1b}]8;;https://evil\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}Pq#0\u{1b}\\after", "after"),
            ("\u{1b}]0;never ends\nnext line", "\nnext line"),
            ("\u{1b}(Bset", "set"),
            ("\u{1b}cfull reset", "full reset"),
            ("\u{9b}31mc1\u{9d}title\u{9c}x", "c1x"),
            ("good\rbad", "good\nbad"),
            ("a\u{8}\u{8}b\u{7f}c\u{85}d", "abcd"),
            ("user\u{202e}txt.exe\u{2066}x", "usertxt.exex"),
            ("hid\u{200b}den\u{e0041}", "hidden"),
            ("cut \u{1b}[", "cut "),
            ("cut \u{1b}", "cut "),
        ] {
            assert_eq!(sanitize_terminal(text), shown, "{text:?}");
        }
    }

    #[test]
    fn line_is_single_and_bounded() {
        for (text, longest, line) in [
            (" a\n\n b\tc ", 10, "a b c"),
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("äöüß", 3, "äö…"),
            ("", 3, ""),
            ("\u{1b}[1m\u{1b}[1m\u{1b}[1mabc", 3, "abc"),
        ] {
            assert_eq!(sanitize_line(text, longest), line, "{text:?}");
        }
        assert_eq!(sanitize_line(&"x".repeat(100_000), 500).chars().count(), 500);
    }

    proptest! {
        #[test]
        fn any_text_is_a_bounded_line(text: String, longest in 1_usize..50) {
            let line = sanitize_line(&text, longest);
            prop_assert!(line.chars().count() <= longest);
            prop_assert!(!line.chars().any(|char| char.is_control() || is_hidden(char)), "{line:?}");
        }
    }
}

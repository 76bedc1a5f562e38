//! Rust as lines of code: without comments, without tests, and with or without the contents of literals.
//!
//! It is no parser. It knows just enough of the lexical grammar not to mistake a word in a comment for one in the code.

/// One line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from one.
    pub(super) number: usize,
    /// Without comments, and with nothing inside the quotes of a literal.
    pub(super) code: String,
    /// Without comments only.
    pub(super) text: String,
}

impl Line {
    /// Each identifier of the code, with what stands before it and what follows.
    pub(super) fn identifiers(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let mut at = 0;
        std::iter::from_fn(move || {
            let rest = self.code.get(at..)?;
            let start = at + rest.find(is_part)?;
            let end = self.code.get(start..)?.find(|c| !is_part(c)).map_or(self.code.len(), |length| start + length);
            at = end;
            Some((self.code.get(..start)?, self.code.get(start..end)?, self.code.get(end..)?))
        })
    }

    /// Whether the code has this identifier. A lifetime is none.
    pub(super) fn has(&self, word: &str) -> bool {
        self.identifiers().any(|(before, found, _)| found == word && !before.ends_with('\''))
    }

    /// Whether the code names the crate `name`, in a path or an import. A module of the same name that stands in a path,
    /// as in `crate::hyper::X`, is not the crate.
    pub(super) fn names_crate(&self, name: &str) -> bool {
        self.identifiers().any(|(before, found, after)| {
            let starts_a_path = match before.strip_suffix("::") {
                Some(parent) => !parent.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '>'),
                None => true,
            };
            let is_imported = ["use", "crate"].iter().any(|word| before.trim_end().ends_with(word));
            found == name && starts_a_path && (is_imported || after.starts_with("::") || after.starts_with(" as "))
        })
    }
}

/// The lines of `source` outside of its tests.
pub(super) fn lines(source: &str) -> Vec<Line> {
    let (code, text) = without_comments(source);
    let lines = code.lines().zip(text.lines()).zip(1..);
    let lines = lines.map(|((code, text), number)| Line { number, code: code.to_owned(), text: text.to_owned() });
    without_tests(lines.collect())
}

/// `source` with nothing in its comments and literals, and with nothing in its comments alone.
fn without_comments(source: &str) -> (String, String) {
    let (mut code, mut text) = (String::new(), String::new());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let (length, kind) = token(rest, code.chars().next_back());
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = after;
        // A token that goes over several lines leaves the lines behind.
        let newlines = "\n".repeat(token.matches('\n').count());
        match kind {
            Kind::Comment => {
                code.push_str(&newlines);
                text.push_str(&newlines);
            }
            Kind::Literal => {
                let quote = if c == '\'' { "''" } else { "\"\"" };
                code.push_str(quote);
                code.push_str(&newlines);
                text.push_str(token);
            }
            Kind::Other => {
                code.push_str(token);
                text.push_str(token);
            }
        }
    }
    (code, text)
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Comment,
    Literal,
    Other,
}

/// How long the token is that `rest` begins with, in bytes, and what it is. `before` is the character before it.
fn token(rest: &str, before: Option<char>) -> (usize, Kind) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Kind::Comment);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), Kind::Comment);
    }
    if rest.starts_with('"') {
        return (quoted(rest, '"'), Kind::Literal);
    }
    let in_a_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let (Some(raw), false) = (rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')), in_a_word) {
        let hashes: String = raw.chars().take_while(|&c| c == '#').collect();
        let start = rest.len() - raw.len() + hashes.len();
        if let Some(inside) = rest.get(start..).and_then(|quoted| quoted.strip_prefix('"')) {
            let end = format!("\"{hashes}");
            let length = inside.find(&end).map_or(rest.len(), |inside| start + 1 + inside + end.len());
            return (length, Kind::Literal);
        }
    }
    let mut chars = rest.chars();
    match (chars.next(), chars.next(), chars.next()) {
        // With no second quote right after it, a quote begins a lifetime.
        (Some('\''), Some('\\'), _) | (Some('\''), Some(_), Some('\'')) => (quoted(rest, '\''), Kind::Literal),
        (first, ..) => (first.map_or(0, char::len_utf8), Kind::Other),
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        let step = if here.starts_with("/*") {
            depth += 1;
            2
        } else if here.starts_with("*/") {
            depth -= 1;
            2
        } else {
            here.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal that begins and ends with `quote`.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// Leaves out each item under `#[cfg(test)]`.
fn without_tests(lines: Vec<Line>) -> Vec<Line> {
    let mut kept = Vec::new();
    let mut lines = lines.into_iter();
    while let Some(line) = lines.next() {
        if line.text.trim_start().starts_with("#![cfg(test)]") {
            break;
        }
        if !["#[cfg(test)]", "#[cfg(all(test,"].iter().any(|begin| line.text.trim_start().starts_with(begin)) {
            kept.push(line);
            continue;
        }
        // The item ends with its last brace, or with a semicolon outside of all braces.
        let mut depth = 0_usize;
        let mut here = Some(line);
        'item: while let Some(line) = here {
            for c in line.code.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth == 0 && matches!(c, '}' | ';') {
                    break 'item;
                }
            }
            here = lines.next();
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        lines(source).into_iter().map(|line| line.code).collect::<Vec<_>>().join("\n")
    }

    fn text(source: &str) -> String {
        lines(source).into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn comments_are_left_out() {
        assert_eq!(code("//! hyper\n/// hyper\na // hyper\n/* hyper /* x */ y */b"), "\n\na \nb");
        assert_eq!(code("a /* hyper\n hyper */ b"), "a \n b");
    }

    #[test]
    fn a_slash_in_a_literal_begins_no_comment() {
        assert_eq!(text(r#"let a = "https://x"; b"#), r#"let a = "https://x"; b"#);
        assert_eq!(text("r\"/*\" + '\"' + b\"//\" + c"), "r\"/*\" + '\"' + b\"//\" + c");
    }

    #[test]
    fn the_code_has_nothing_inside_its_quotes() {
        assert_eq!(code(r##"f("hyper::x \" hyper", r#"a "hyper" b"#, '{', '\'', b'h')"##), r#"f("", "", '', '', b'')"#);
        assert_eq!(code("f(\"one\ntwo\") + g"), "f(\"\"\n) + g");
    }

    #[test]
    fn a_lifetime_begins_no_literal() {
        assert_eq!(code("fn f<'a>(x: &'a str) -> &'static str {}"), "fn f<'a>(x: &'a str) -> &'static str {}");
        assert!(!lines("x: &'static str").iter().any(|line| line.has("static")));
    }

    #[test]
    fn tests_are_left_out_and_what_follows_them_is_kept() {
        let source = "a();\n#[cfg(test)]\nmod tests {\n    fn f() { \"}\" }\n}\nb();\n#[cfg(test)]\nmod more;\nc();";
        assert_eq!(code(source), "a();\nb();\nc();");
        assert_eq!(lines(source).iter().map(|line| line.number).collect::<Vec<_>>(), [1, 6, 9]);
        assert_eq!(code("#[cfg(not(test))]\na();"), "#[cfg(not(test))]\na();");
    }

    #[test]
    fn a_crate_is_told_from_a_module_of_its_name() {
        let names = |source: &str| lines(source).iter().any(|line| line.names_crate("hyper"));
        for source in [
            "use hyper::body;",
            "::hyper::x()",
            "use {hyper::body, x}",
            "use hyper as h;",
            "use hyper;",
            "Vec<hyper::X>",
        ] {
            assert!(names(source), "{source}");
        }
        for source in
            ["use crate::hyper::X;", "mod hyper;", "use hyper_util::x;", "\"hyper::x\"", "// hyper::x", "my_hyper::x()"]
        {
            assert!(!names(source), "{source}");
        }
    }
}

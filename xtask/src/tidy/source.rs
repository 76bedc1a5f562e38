//! Rules for the source of the library crates, tests aside, that clippy cannot express: it bans items, and neither crates,
//! statics nor constants.

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

use super::violation::Violation;
use xtask::{Failure, workspace::Workspace};

const EMULATOR: &str = "defender-emulator";

/// Crates that are named in these folders alone.
const ROOMS: [(&[&str], &[&str], &str); 3] = [
    (&["h2", "hyper", "hyper_util", "hyper_rustls"], &["defender-transport/src/hyper/"], WIRE),
    (
        &["rustls", "rustls_platform_verifier", "tokio_rustls", "webpki_roots"],
        &["defender-transport/src/hyper/", "defender-auth/src/credential/certificate/", "defender-store/src/postgres/"],
        WIRE,
    ),
    (&["oauth2"], &["defender-auth/src/oauth/"], OAUTH),
];
const WIRE: &str = "hyper and rustls are named under src/hyper/ of defender-transport, rustls also in \
                    defender-auth's src/credential/certificate/ and defender-store's src/postgres/, and nowhere else";
const OAUTH: &str = "oauth2 is named in one private module of defender-auth, `oauth`";
const NO_DEFENDER: &str = "defender-transport knows no Defender: no URL, no scope, no path of the service";
const ONE_BEARER: &str = "one function sets the `Authorization` header, in defender-auth's src/authorized/mod.rs";
const NO_GLOBALS: &str = "no global state in a library crate";
const MISSING: &str = "each impl of `Transport` and `Clock` in the SDK denies clippy::missing_trait_methods";
const SHORT: &str = "a file of `src` has at most 350 lines";

const LONGEST: usize = 350;

/// The violations in the source of the published crates.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for package in workspace.crates() {
        for file in rust_files(&package.folder.join("src"))? {
            let path = format!("{}/{}", package.name, within(&package.folder, &file));
            let source = read(&file)?;
            found.extend(length(&path, source.lines().count()));
            found.extend(check_file(&path, &source)?);
        }
    }
    Ok(found)
}

/// The path of `file` in `folder`, with `/` between its parts.
pub(super) fn within(folder: &Path, file: &Path) -> String {
    let path = file.strip_prefix(folder).unwrap_or(file);
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

pub(super) fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::broken(file.display(), error))
}

/// The Rust files under `folder`, in order, without modules of tests.
pub(super) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let is_test = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
    let files = tests_too(folder)?.into_iter();
    Ok(files.filter(|file| !file.strip_prefix(folder).unwrap_or(file).iter().any(is_test)).collect())
}

/// The Rust files under `folder`, in order.
pub(super) fn tests_too(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let broken = |error| Failure::broken(folder.display(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        if path.is_dir() {
            files.extend(tests_too(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn length(path: &str, lines: usize) -> Option<Violation> {
    let found = format!("has {lines} lines");
    (lines > LONGEST).then(|| Violation { place: format!("crates/{path}"), found, invariant: SHORT })
}

/// `path` begins with the name of the crate.
fn check_file(path: &str, source: &str) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    let mut report = |line: usize, what: String, invariant| {
        found.push(Violation { place: format!("crates/{path}:{line}"), found: what, invariant });
    };
    let stream: TokenStream = source.parse().map_err(|error| Failure::broken(path, error))?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let is_server = path.starts_with(EMULATOR);
    let mut bearers = 0;
    for (at, token) in tokens.iter().enumerate() {
        let (before, here, after) = (text(at.wrapping_sub(1)), token.text.as_str(), text(at + 1));
        let mut report = |what: String, invariant| report(token.line, what, invariant);
        if here == "static" && before != "'" {
            let declared = tokens.iter().skip(at).map(|token| token.text.as_str()).take_while(|text| *text != ";");
            for word in declared.filter(|word| changes(word)) {
                report(format!("has a static with `{word}`"), NO_GLOBALS);
            }
        }
        if ["lazy_static", "thread_local"].contains(&here) {
            report(format!("uses `{here}`"), NO_GLOBALS);
        }
        if is_server {
            continue;
        }
        if here == "impl" && !denies_missing(&tokens, at) {
            report("does not deny clippy::missing_trait_methods".to_owned(), MISSING);
        }
        for (crates, rooms, invariant) in ROOMS {
            if !crates.contains(&here) || rooms.iter().any(|room| path.starts_with(room)) {
                continue;
            }
            let is_module = before == "mod" || (before == "::" && is_word(text(at.wrapping_sub(2))));
            let is_path = after == "::" || after == "as" || ["use", "crate"].contains(&before);
            let is_declared = tokens.windows(2).any(|pair| matches!(pair, [a, b] if a.text == "mod" && b.text == here));
            if is_path && !is_module && !is_declared {
                report(format!("names the crate `{here}`"), invariant);
            }
        }
        if here == "AUTHORIZATION" || here.eq_ignore_ascii_case("\"authorization\"") {
            bearers += usize::from(before == "(");
            if path != "defender-auth/src/authorized/mod.rs" || bearers > 1 {
                report("names the `Authorization` header".to_owned(), ONE_BEARER);
            }
        }
        let words = ["securitycenter", "security.microsoft.com", "microsoftonline", "machineactions"];
        let is_about = |word: &&&str| here.starts_with('"') && here.to_ascii_lowercase().contains(**word);
        if let Some(word) = words.iter().find(is_about).filter(|_| path.starts_with("defender-transport/")) {
            report(format!("says `{word}`"), NO_DEFENDER);
        }
    }
    Ok(found)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_') || text == ">"
}

/// Returns `true` for a type whose value a static can change.
fn changes(word: &str) -> bool {
    let inside = ["mut", "OnceLock", "LazyLock", "OnceCell", "LazyCell", "Mutex", "RwLock"];
    inside.contains(&word) || word.starts_with("Atomic")
}

/// Returns `false` for an impl of `Transport` or `Clock`, begun at this token, without the attribute before it.
fn denies_missing(tokens: &[Token], at: usize) -> bool {
    let (before, after) = tokens.split_at_checked(at).unwrap_or_default();
    let head: Vec<&str> = after.iter().map(|token| token.text.as_str()).take_while(|text| *text != "{").collect();
    let is_ours = head.windows(2).any(|pair| matches!(pair, ["Transport" | "Clock", "for"]));
    let mut attributes = before.iter().rev().map(|token| token.text.as_str()).take_while(|text| text.starts_with('#'));
    !is_ours || attributes.any(|text| text.contains("deny(clippy::missing_trait_methods"))
}

struct Token {
    text: String,
    line: usize,
}

/// The tokens without comments and without items for tests. An attribute is one token.
fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    let mut is_joint = false;
    while let Some(tree) = trees.next() {
        let line = tree.span().start().line;
        let mut push = |text: String| tokens.push(Token { text, line });
        let is_in_path = std::mem::take(&mut is_joint);
        match tree {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                let is_of_file = trees.next_if(|tree| tree.to_string() == "!").is_some();
                let Some(TokenTree::Group(attribute)) = trees.next_if(|tree| matches!(tree, TokenTree::Group(_)))
                else {
                    continue;
                };
                let attribute: String = attribute.stream().to_string().split_whitespace().collect();
                let is_for_tests = attribute.starts_with("cfg(test)") || attribute.starts_with("cfg(all(test,");
                match (is_for_tests, is_of_file) {
                    (true, true) => return,
                    (true, false) => drop(trees.find(is_end_of_item)),
                    (false, _) if attribute.starts_with("doc=") => {}
                    (false, _) => push(format!("#{attribute}")),
                }
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::None => ("", ""),
                };
                push(open.to_owned());
                flatten(group.stream(), tokens);
                tokens.push(Token { text: close.to_owned(), line: group.span_close().start().line });
            }
            TokenTree::Punct(mark) => {
                is_joint = mark.as_char() == ':' && mark.spacing() == Spacing::Joint;
                match mark.as_char() {
                    ':' if is_joint => {}
                    ':' if is_in_path => push("::".to_owned()),
                    mark => push(mark.to_string()),
                }
            }
            other => push(other.to_string()),
        }
    }
}

/// An item ends with its braces, or with a semicolon outside of them.
fn is_end_of_item(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        tree => tree.to_string() == ";",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn broken(path: &str, source: &str, invariant: &str) {
        let found = check_file(path, source).unwrap();
        assert_eq!(found.iter().map(|found| found.invariant).collect::<Vec<_>>(), [invariant], "{path}: {source}");
    }

    #[track_caller]
    fn kept(path: &str, source: &str) {
        assert_eq!(check_file(path, source).unwrap(), [], "{path}: {source}");
    }

    #[test]
    fn crates_are_named_in_their_rooms() {
        for source in
            ["use hyper_util::rt::TokioIo;", "fn f(x: Vec<hyper::X>) {}", "m!(::hyper::x);", "use hyper as h;"]
        {
            kept("defender-transport/src/hyper/tls.rs", source);
            kept("defender-emulator/src/listen/server.rs", source);
            broken("defender-transport/src/body.rs", source, WIRE);
            broken("defender-auth/src/hyper/mod.rs", source, WIRE);
        }
        kept("defender-auth/src/credential/certificate/signer.rs", "use rustls::sign::CertifiedKey;");
        kept("defender-store/src/postgres/tls.rs", "use rustls::ClientConfig;");
        broken("defender-store/src/sqlite/mod.rs", "use rustls::ClientConfig;", WIRE);
        broken("defender-auth/src/secret.rs", "use rustls::sign::CertifiedKey;", WIRE);
        broken("defender-auth/src/token/mod.rs", "fn f() -> oauth2::Scope {}", OAUTH);
        for source in [
            "mod hyper; pub use hyper::X;",
            "use crate::hyper::X;",
            "/// hyper::X\n#[cfg(feature = \"hyper\")] fn f() {}",
            "#[cfg(test)]\nmod tests { use hyper::X; }",
        ] {
            kept("defender-transport/src/lib.rs", source);
        }
    }

    #[test]
    fn service_is_unknown_to_transport() {
        broken("defender-transport/src/x.rs", "const A: &str = \"/api/MachineActions\";", NO_DEFENDER);
        kept("defender-transport/src/x.rs", "/// Such as `/api/machineactions`.\nstruct UrlTemplate;");
        kept("defender-auth/src/cloud/mod.rs", "const A: &str = \"https://api.securitycenter.microsoft.com\";");
    }

    #[test]
    fn authorization_is_set_once() {
        let once = "use http::header::AUTHORIZATION; fn f() { h.insert(AUTHORIZATION, t); }";
        kept("defender-auth/src/authorized/mod.rs", once);
        let twice = format!("{once} fn g() {{ h.append(AUTHORIZATION, t); }}");
        broken("defender-auth/src/authorized/mod.rs", &twice, ONE_BEARER);
        broken("defender-actions/src/files/mod.rs", "f(\"Authorization\", basic)", ONE_BEARER);
        kept("defender-transport/src/hyper/proxy/mod.rs", "h.insert(PROXY_AUTHORIZATION, basic)");
    }

    #[test]
    fn global_state_is_found() {
        for source in [
            "static mut COUNT: u32 = 0;",
            "pub(crate) static CELL: std::sync::LazyLock<u8> = LazyLock;",
            "static COUNT: AtomicU64 = 0;",
            "thread_local!(X: u8 = 1);",
        ] {
            assert!(
                check_file("defender-emulator/src/x.rs", source).unwrap().iter().all(|f| f.invariant == NO_GLOBALS)
            );
            assert!(!check_file("defender-model/src/x.rs", source).unwrap().is_empty(), "{source}");
        }
        kept("defender-model/src/x.rs", "static WORDS: &[&str] = &[]; struct Own { cell: OnceLock<&'static str> }");
    }

    #[test]
    fn adapters_deny_missing_functions() {
        broken("defender-transport/src/x.rs", "#[async_trait] impl<T: Transport> Transport for A<T> {}", MISSING);
        broken("defender-auth/src/x.rs", "impl crate::Clock for &T {}", MISSING);
        let fine = "#[deny(clippy::missing_trait_methods, reason = \"a\")] #[async_trait] impl Transport for A {}";
        kept("defender-transport/src/x.rs", fine);
        kept("defender-transport/src/x.rs", "impl TransportExt for A {}");
    }

    #[test]
    fn long_files_are_found() {
        assert!(length("defender-model/src/x.rs", 350).is_none() && length("defender-model/src/x.rs", 351).is_some());
    }

    #[test]
    fn violation_has_file_and_line() {
        let found = check_file("defender-auth/src/x.rs", "//! Entra.\n\nuse oauth2::Scope;\n").unwrap();
        let line = found.first().unwrap().to_string();
        assert_eq!(line.lines().next(), Some("crates/defender-auth/src/x.rs:3: names the crate `oauth2`"));
    }
}

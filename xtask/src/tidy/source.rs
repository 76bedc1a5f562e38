//! What no line of the source may say, or only in one place.
//!
//! It looks at the `src` of what others use, and there not at tests. The emulator is a server: it may be made of hyper,
//! read the bearer and run tasks, and is held to the rest.

mod json;

use std::path::{Path, PathBuf};

use super::{
    Violation,
    code::{Line, lines},
};
use crate::{Failure, workspace::Workspace};

const EMULATOR: &str = "defender-emulator";

const WIRE: &str = "hyper and rustls are named under src/hyper/ of defender-transport, rustls also in \
                    defender-auth's src/credential/certificate/, and nowhere else";
const OAUTH: &str = "oauth2 is named in one private module of defender-auth, `oauth`";
const FACADE: &str = "defender-actions never names hyper, rustls or oauth2";
const NO_DEFENDER: &str = "defender-transport knows no Defender: no URL, no scope, no path of the service";
const ONE_BEARER: &str = "one function puts on the `Authorization` header, in defender-auth's src/authorized/mod.rs";
const NO_GLOBALS: &str = "no global state in a library crate";
const NO_TASKS: &str = "no background task in a library crate";
const NO_PROVIDER: &str = "no process-wide crypto provider is installed by us";

/// A file of a crate.
struct File<'f> {
    krate: &'f str,
    /// From the crate's folder, with `/` between its parts.
    path: &'f str,
    lines: Vec<Line>,
}

/// Every violation in the source of the crates.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for package in workspace.crates() {
        for file in rust_files(&package.folder.join("src"))? {
            let source = read(&file)?;
            found.extend(check_file(&package.name, &within(&package.folder, &file), &source));
        }
    }
    Ok(found)
}

/// Where `file` is in `folder`, with `/` between its parts.
pub(super) fn within(folder: &Path, file: &Path) -> String {
    let path = file.strip_prefix(folder).unwrap_or(file);
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

pub(super) fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::broken(file.display(), error))
}

/// The Rust files under `folder`, in order; a module of tests is none.
pub(super) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let broken = |error| Failure::broken(folder.display(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn check_file(krate: &str, path: &str, source: &str) -> Vec<Violation> {
    let file = File { krate, path, lines: lines(source) };
    let for_all: &[fn(&File<'_>) -> Vec<Violation>] = &[no_globals, no_provider];
    let for_clients: &[fn(&File<'_>) -> Vec<Violation>] =
        &[wire, oauth, facade, no_defender, one_bearer, no_tasks, json::one_json];
    let for_it = if krate == EMULATOR { &[] } else { for_clients };
    for_all.iter().chain(for_it).flat_map(|rule| rule(&file)).collect()
}

impl File<'_> {
    fn is(&self, krate: &str, paths: &[&str]) -> bool {
        self.krate == krate && paths.contains(&self.path)
    }

    /// Each line for which `wrong` finds something, as a violation of `invariant`.
    fn each(&self, invariant: &'static str, wrong: impl Fn(&Line) -> Option<String>) -> Vec<Violation> {
        let violation = |line: &Line| {
            let place = format!("crates/{}/{}:{}", self.krate, self.path, line.number);
            Some(Violation { place, found: wrong(line)?, invariant })
        };
        self.lines.iter().filter_map(violation).collect()
    }

    /// Whether `name` is a module of this very file, which hides a crate of that name.
    fn declares(&self, name: &str) -> bool {
        self.lines.iter().any(|line| line.code.trim_end().ends_with(&format!("mod {name};")))
    }

    /// Names of one of these crates.
    fn names(&self, crates: &[&str], invariant: &'static str) -> Vec<Violation> {
        let crates: Vec<_> = crates.iter().filter(|name| !self.declares(name)).collect();
        self.each(invariant, |line| {
            crates.iter().find(|name| line.names_crate(name)).map(|name| format!("names the crate `{name}`"))
        })
    }
}

fn wire(file: &File<'_>) -> Vec<Violation> {
    if file.krate == "defender-transport" && file.path.starts_with("src/hyper/") {
        return Vec::new();
    }
    let rustls = ["rustls", "rustls_platform_verifier", "tokio_rustls", "webpki_roots"];
    let is_certificate = file.krate == "defender-auth" && file.path.starts_with("src/credential/certificate/");
    let mut found = file.names(&["h2", "hyper", "hyper_util", "hyper_rustls"], WIRE);
    if !is_certificate {
        found.extend(file.names(&rustls, WIRE));
    }
    found
}

fn oauth(file: &File<'_>) -> Vec<Violation> {
    if file.krate == "defender-auth" && (file.path == "src/oauth.rs" || file.path.starts_with("src/oauth/")) {
        return Vec::new();
    }
    file.names(&["oauth2"], OAUTH)
}

/// Stricter than the rules above: not even a module may be called so.
fn facade(file: &File<'_>) -> Vec<Violation> {
    if file.krate != "defender-actions" {
        return Vec::new();
    }
    let words = ["hyper", "hyper_util", "hyper_rustls", "rustls", "oauth2"];
    file.each(FACADE, |line| words.iter().find(|word| line.has(word)).map(|word| format!("names `{word}`")))
}

fn no_defender(file: &File<'_>) -> Vec<Violation> {
    if file.krate != "defender-transport" {
        return Vec::new();
    }
    let words = ["securitycenter", "security.microsoft.com", "microsoftonline", "machineactions"];
    file.each(NO_DEFENDER, |line| {
        let text = line.text.to_ascii_lowercase();
        words.iter().find(|word| text.contains(**word)).map(|word| format!("says `{word}`"))
    })
}

fn one_bearer(file: &File<'_>) -> Vec<Violation> {
    let names = |line: &Line| line.has("AUTHORIZATION") || line.text.to_ascii_lowercase().contains("\"authorization\"");
    if !file.is("defender-auth", &["src/authorized/mod.rs"]) {
        return file.each(ONE_BEARER, |line| names(line).then(|| "names the `Authorization` header".to_owned()));
    }
    let puts = |line: &Line| {
        names(line)
            && ["insert", "append", "header", "entry"].iter().any(|verb| line.code.contains(&format!("{verb}(")))
    };
    let first = file.lines.iter().find(|line| puts(line)).map(|line| line.number);
    file.each(ONE_BEARER, |line| {
        (puts(line) && Some(line.number) != first).then(|| "puts it on a second time".to_owned())
    })
}

fn no_globals(file: &File<'_>) -> Vec<Violation> {
    let inside = ["mut", "OnceLock", "LazyLock", "OnceCell", "LazyCell", "Mutex", "RwLock"];
    file.each(NO_GLOBALS, |line| {
        if let Some(macro_) = ["lazy_static", "thread_local"].iter().find(|word| line.has(word)) {
            return Some(format!("uses `{macro_}`"));
        }
        let changes = |word: &str| inside.contains(&word) || word.starts_with("Atomic");
        let word = line.identifiers().map(|(_, word, _)| word).find(|word| changes(word));
        word.filter(|_| line.has("static")).map(|word| format!("has a static with `{word}`"))
    })
}

fn no_tasks(file: &File<'_>) -> Vec<Violation> {
    file.each(NO_TASKS, |line| {
        let spawns = |(before, word, after): (&str, &str, &str)| match word {
            "spawn_blocking" | "spawn_local" => true,
            // A method without arguments starts a program, and an executor's is given a future.
            "spawn" if before.ends_with('.') => after.starts_with('(') && !after.starts_with("()"),
            "spawn" => before.ends_with("tokio::") || before.ends_with("task::") || before.ends_with("thread::"),
            _ => false,
        };
        line.identifiers().find(|&found| spawns(found)).map(|(_, word, _)| format!("calls `{word}`"))
    })
}

fn no_provider(file: &File<'_>) -> Vec<Violation> {
    file.each(NO_PROVIDER, |line| line.has("install_default").then(|| "calls `install_default`".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that `source` breaks `invariant`, and no other.
    #[track_caller]
    pub(super) fn broken(krate: &str, path: &str, source: &str, invariant: &str) {
        let found = check_file(krate, path, source);
        assert!(!found.is_empty(), "nothing was found in {krate}/{path}: {source}");
        for violation in found {
            assert_eq!(violation.invariant, invariant, "{violation:?}");
        }
    }

    #[track_caller]
    pub(super) fn kept(krate: &str, path: &str, source: &str) {
        assert_eq!(check_file(krate, path, source), [], "{krate}/{path}: {source}");
    }

    #[test]
    fn hyper_has_one_room() {
        let source = "use hyper_util::rt::TokioIo;";
        for path in ["src/hyper/mod.rs", "src/hyper/tls.rs", "src/hyper/proxy/tunnel.rs"] {
            kept("defender-transport", path, source);
        }
        broken("defender-transport", "src/body.rs", source, WIRE);
        broken("defender-transport", "src/hyper.rs", source, WIRE);
        broken("defender-auth", "src/hyper/mod.rs", source, WIRE);
        broken("defender-auth", "src/certificate.rs", source, WIRE);
        kept("defender-transport", "src/lib.rs", "mod hyper;\npub use hyper::HyperTransport;");
        kept("defender-transport", "src/body.rs", "// hyper::Body\n#[cfg(test)]\nmod tests { use hyper::Body; }");
    }

    #[test]
    fn rustls_has_those_and_the_certificate_credential() {
        let source = "let key = rustls::sign::CertifiedKey::new();";
        kept("defender-transport", "src/hyper/tls.rs", source);
        kept("defender-auth", "src/credential/certificate/signer.rs", source);
        broken("defender-auth", "src/client_secret.rs", source, WIRE);
        broken("defender-transport", "src/clock.rs", "use webpki_roots::TLS_SERVER_ROOTS;", WIRE);
    }

    #[test]
    fn oauth2_has_one_module() {
        let source = "fn token() -> Option<&oauth2::AccessToken>;";
        kept("defender-auth", "src/oauth.rs", source);
        kept("defender-auth", "src/oauth/grant.rs", source);
        kept("defender-auth", "src/cloud.rs", "const PATH: &str = \"/oauth2/v2.0/token\";");
        broken("defender-auth", "src/entra.rs", source, OAUTH);
    }

    #[test]
    fn the_facade_names_none_of_what_is_behind_it() {
        broken("defender-actions", "src/client.rs", "mod rustls;", FACADE);
        kept("defender-actions", "src/client.rs", "#[cfg(feature = \"hyper\")]\nlet wire = HyperTransport::new()?;");
    }

    #[test]
    fn the_transport_knows_no_service() {
        broken(
            "defender-transport",
            "src/x.rs",
            "const API: &str = \"https://api.securitycenter.microsoft.com\";",
            NO_DEFENDER,
        );
        broken("defender-transport", "src/x.rs", "let path = \"/api/MachineActions\";", NO_DEFENDER);
        kept("defender-transport", "src/x.rs", "/// Such as `/api/machineactions`.\nstruct UrlTemplate;");
        kept("defender-auth", "src/cloud.rs", "const API: &str = \"https://api.securitycenter.microsoft.com\";");
    }

    #[test]
    fn the_bearer_is_put_on_in_one_place() {
        let once = "use http::header::AUTHORIZATION;\nheaders.insert(AUTHORIZATION, token);";
        kept("defender-auth", "src/authorized/mod.rs", once);
        broken(
            "defender-auth",
            "src/authorized/mod.rs",
            &format!("{once}\nheaders.append(AUTHORIZATION, token);"),
            ONE_BEARER,
        );
        broken("defender-actions", "src/download.rs", once, ONE_BEARER);
        broken("defender-auth", "src/oauth.rs", "request.header(\"Authorization\", basic)", ONE_BEARER);
        kept("defender-transport", "src/proxy.rs", "headers.insert(PROXY_AUTHORIZATION, basic);");
    }

    #[test]
    fn nothing_is_global() {
        for source in [
            "static mut COUNT: u32 = 0;",
            "static CELL: OnceLock<String> = OnceLock::new();",
            "pub(crate) static CELL: std::sync::LazyLock<u8> = LazyLock::new(f);",
            "static COUNT: AtomicU64 = AtomicU64::new(0);",
            "lazy_static! { static ref X: u8 = 1; }",
            "thread_local!(static X: u8 = 1);",
        ] {
            broken("defender-model", "src/x.rs", source, NO_GLOBALS);
        }
        kept("defender-model", "src/x.rs", "static WORDS: &[&str] = &[];\nstruct Own { cell: OnceLock<&'static str> }");
    }

    #[test]
    fn nothing_runs_behind_the_callers_back() {
        for source in [
            "tokio::spawn(refresh());",
            "tokio::task::spawn(refresh());",
            "std::thread::spawn(refresh);",
            "use tokio::spawn;",
            "handle.spawn(refresh());",
            "tokio::task::spawn_blocking(read);",
        ] {
            broken("defender-auth", "src/cached.rs", source, NO_TASKS);
        }
        kept("defender-auth", "src/azure_cli.rs", "let child = command.spawn()?;");
    }

    #[test]
    fn no_provider_is_installed() {
        broken("defender-auth", "src/x.rs", "let _ = provider.install_default();", NO_PROVIDER);
    }

    #[test]
    fn the_emulator_may_be_a_server_and_no_more() {
        kept(EMULATOR, "src/server.rs", "use hyper::server;\ntokio::spawn(serve());\nheaders.get(AUTHORIZATION);");
        broken(EMULATOR, "src/server.rs", "static COUNT: AtomicU64 = AtomicU64::new(0);", NO_GLOBALS);
        broken(EMULATOR, "src/server.rs", "provider.install_default()", NO_PROVIDER);
    }

    #[test]
    fn a_violation_says_where_it_is() {
        let found = check_file("defender-auth", "src/entra.rs", "//! Entra.\n\nuse oauth2::Scope;\n");
        let told = found.first().unwrap().to_string();
        assert_eq!(told.lines().next(), Some("crates/defender-auth/src/entra.rs:3: names the crate `oauth2`"));
    }
}

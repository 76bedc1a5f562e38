//! Snapshots of the public API, and the crates whose names may appear in it.
//!
//! rustdoc prints the API as JSON only in a nightly toolchain.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use xtask::{
    Failure,
    workspace::{self, Package, Workspace, output},
};

use super::nightly::nightly;

/// Paths in the public API of each crate, beside `core`, `alloc`, `std` and our own crates: no type of hyper, rustls or
/// oauth2, and of tokio only the writer that a download goes to.
const FOREIGN: &[(&str, &[&str])] = &[
    ("defender-model", &["jiff::", "serde_core::", "serde_json::"]),
    ("defender-transport", &["bytes::", "futures_core::", "http::", "http_body::", "jiff::", "tower_service::"]),
    ("defender-auth", &["bytes::", "http::", "jiff::", "serde_core::"]),
    (
        "defender-actions",
        &[
            "bytes::",
            "futures_core::",
            "http::",
            "jiff::",
            "serde_core::",
            "serde_json::",
            "tokio::io::async_write::AsyncWrite",
        ],
    ),
    ("defender-azure-identity", &["azure_core::credentials::TokenCredential", "typespec::error::Result"]),
    ("defender-store", &["rustls::client::client_conn::ClientConfig"]),
    ("defender-fleet", &["jiff::", "serde_core::", "serde_json::"]),
    ("defender-emulator", &["bytes::", "http::", "jiff::"]),
];
/// Re-exports of our own crates; rustdoc does not tell where a re-export comes from.
const REEXPORTED: [&str; 4] = [
    "pub use defender_actions::Sha256",
    "pub use defender_actions::auth",
    "pub use defender_actions::model",
    "pub use defender_actions::transport",
];
/// The test kit of `defender-transport`, which the kit of the facade has as well.
const REEXPORTED_KIT: &str = "pub use defender_actions::testing::";
const PRIMITIVES: [&str; 4] = ["i64", "str", "bool", "u64"];

/// Compares each published library with its snapshot, or writes the snapshots if `WRITE_PUBLIC_API` is set.
pub(super) fn check(workspace: &Workspace) -> Result<(), Failure> {
    // A program has no API.
    let libraries: Vec<_> = workspace.crates().filter(|package| package.folder.join("src/lib.rs").is_file()).collect();
    let documented = documented(workspace, &libraries)?;
    let folder = workspace.root.join("xtask/public-api");
    let mut found = 0_usize;
    for Package { name, .. } in libraries {
        let json = documented.join(format!("{}.json", name.replace('-', "_")));
        let api = public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).omit_auto_trait_impls(true);
        let api = api.build().map_err(|error| Failure::broken(name, error))?.to_string();
        let file = folder.join(format!("{name}.txt"));
        if std::env::var_os("WRITE_PUBLIC_API").is_some() {
            std::fs::write(&file, &api).map_err(|error| Failure::broken(file.display(), error))?;
        }
        let kept = std::fs::read_to_string(&file).map_err(|error| Failure::broken(file.display(), error))?;
        let (kept, now): (BTreeSet<_>, BTreeSet<_>) = (kept.lines().collect(), api.lines().collect());
        for line in kept.symmetric_difference(&now) {
            found += 1;
            println!("{name}: {} {line}", if now.contains(line) { '+' } else { '-' });
        }
        for (line, path) in now.iter().filter_map(|line| Some((line, foreign(name, line)?))) {
            found += 1;
            println!("{name}: names `{path}`, which is not in the list of its foreign types: {line}");
        }
    }
    match found {
        0 => Ok(()),
        found => Err(Failure::Check(format!(
            "public API: {found} found; `WRITE_PUBLIC_API=1 cargo xtask public-api` writes the snapshots"
        ))),
    }
}

/// Documents the libraries as JSON, in a target folder of their own: another toolchain shares nothing with the rest.
fn documented(workspace: &Workspace, libraries: &[&Package]) -> Result<PathBuf, Failure> {
    let target = workspace::target(&workspace.root).join("public-api");
    let mut command = Command::new("rustup");
    command.args(["run", &nightly()?, "cargo", "doc", "--quiet", "--lib", "--no-deps", "--all-features"]);
    command.args(libraries.iter().flat_map(|package| ["--package", &package.name]));
    command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &target);
    command.env("RUSTDOCFLAGS", "-Z unstable-options --output-format json --cap-lints allow");
    // Cargo gives the path of the stable toolchain's own to what it runs.
    output(command.env_remove("CARGO"))?;
    Ok(target.join("doc"))
}

/// The first path in a line that begins with a crate which this one may not name.
fn foreign<'l>(krate: &str, line: &'l str) -> Option<&'l str> {
    if line.starts_with("pub use ") && !REEXPORTED.contains(&line) && !line.starts_with(REEXPORTED_KIT) {
        return line.strip_prefix("pub use ");
    }
    let (_, allowed) = FOREIGN.iter().find(|(name, _)| *name == krate)?;
    let paths = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':');
    paths.map(|path| path.trim_start_matches(':')).find(|path| {
        let Some((root, _)) = path.split_once("::") else { return false };
        let is_crate = root.starts_with(|letter: char| letter.is_ascii_lowercase());
        let is_own = root.starts_with("defender_") || ["core", "alloc", "std"].contains(&root);
        is_crate && !is_own && !PRIMITIVES.contains(&root) && !allowed.iter().any(|prefix| path.starts_with(prefix))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_crates_are_found_in_lines() {
        let line = "pub fn defender_auth::A::b(&self, &dyn core::ops::function::Fn(oauth2::Scope)) -> http::uri::Uri";
        assert_eq!(foreign("defender-auth", line), Some("oauth2::Scope"));
        assert_eq!(foreign("defender-model", "pub fn defender_model::a() -> http::uri::Uri"), Some("http::uri::Uri"));
        assert_eq!(foreign("defender-auth", "pub fn <T as http::A>::b(u8) -> T::C"), None);
        assert_eq!(foreign("defender-actions", "pub fn a(tokio::io::async_write::AsyncWrite)"), None);
        assert_eq!(foreign("defender-actions", "pub fn a(tokio::time::Instant)"), Some("tokio::time::Instant"));
        assert_eq!(foreign("defender-model", "pub type i64::Of = i64"), None);
    }

    #[test]
    fn reexported_crates_are_foreign() {
        assert_eq!(
            foreign("defender-transport", "pub use defender_transport::hyper"),
            Some("defender_transport::hyper")
        );
        assert_eq!(foreign("defender-actions", "pub use defender_actions::auth"), None);
    }
}
